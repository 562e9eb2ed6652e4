"""Which jails of fail2ban watch a mail server, and how (jail.conf(5)): as much as an audit has to know. Pure.

Nothing is raised: what cannot be read is left out, since fail2ban itself says what is wrong with it.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from gatepost.ban.fail2ban.ini import parse
from gatepost.ban.fail2ban.jails import TheirJail, jails_of
from gatepost.ban.fail2ban.trouble import FilterError

WATCHES_MAIL = ("postfix", "dovecot", "sasl")
"""How names of filters begin that read our mail server's log."""
MAXRETRY = "5"
"""What jail.conf says in [DEFAULT]."""
FOLDER = "/etc/fail2ban"
MODE_OF_POSTFIX = "more"
"""The mode of filter.d/postfix.conf where nobody names one."""
_FILTER = re.compile(r"\s*([\w.-]+)\s*(?:\[(.*)\])?\s*", re.ASCII | re.DOTALL)
_MODE = re.compile(r"\bmode\s*=\s*[\"']?([\w-]+)", re.ASCII)


class Jail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A jail that is switched on, and watches mail."""

    name: str
    filter: str
    """Its name alone."""
    mode: str = ""
    maxretry: str = "5"
    ignoreip: tuple[str, ...] = ()
    place: str = ""
    """File and line where it is switched on."""


def jails(files: Sequence[tuple[str, str]]) -> tuple[Jail, ...]:
    """The jails that these files make, by path and text, the later over the earlier."""
    readable = {path: text for path, text in files if _is_readable(path, text)}
    try:
        found = jails_of(list(readable), readable.get, FOLDER).jails
    except FilterError:
        return ()
    return tuple(jail for theirs in found if (jail := _jail(theirs, files)) is not None)


def _is_readable(path: str, text: str) -> bool:
    try:
        parse(path, text)
    except FilterError:
        return False
    return True


def _jail(theirs: TheirJail, files: Sequence[tuple[str, str]]) -> Jail | None:
    found = _FILTER.fullmatch(theirs.get("filter"))
    if found is None or not found[1].startswith(WATCHES_MAIL):
        return None
    mode = _MODE.search(found[2] or "")
    return Jail(
        name=theirs.name,
        filter=found[1],
        mode=mode[1] if mode else (MODE_OF_POSTFIX if found[1] == "postfix" else ""),
        maxretry=theirs.get("maxretry", MAXRETRY),
        ignoreip=tuple(theirs.get("ignoreip").replace(",", " ").split()),
        place=_place(theirs.name, files),
    )


def _place(name: str, files: Iterable[tuple[str, str]]) -> str:
    """Where the jail is switched on: the last `enabled` in its section, else in [DEFAULT]."""
    found = {}
    for path, text in files:
        section = ""
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("["):
                section = line[1:].partition("]")[0]
            elif re.match(r"enabled\s*[=:]", line, re.IGNORECASE):
                found[section] = f"{path}:{number}"
    return found.get(name) or found.get("DEFAULT", "")
