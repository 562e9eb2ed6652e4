"""Which jails of fail2ban watch a mail server, and how (jail.conf(5)): as much as an audit has to know. Pure.

Nothing is raised: what cannot be read is left out, since fail2ban itself says what is wrong with it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from configparser import Error, RawConfigParser

import msgspec

WATCHES_MAIL = ("postfix", "dovecot", "sasl")
"""How names of filters begin that read our mail server's log."""
DEFAULTS = {"filter": "%(__name__)s[mode=%(mode)s]", "mode": "normal", "maxretry": "5"}
"""What jail.conf says in [DEFAULT]."""
MODE_OF_POSTFIX = "more"
"""The mode of filter.d/postfix.conf where nobody names one."""
DEEPEST = 5
"""Names within the values of names."""
_NAME = re.compile(r"%\(([^)]{1,80})\)s")
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
    defaults = dict(DEFAULTS)
    sections: dict[str, dict[str, str]] = {}
    for _, text in files:
        said = _read(text)
        defaults |= said.pop("DEFAULT", {})
        for name, options in said.items():
            sections.setdefault(name, {}).update(options)
    made = (_jail(name, {**defaults, **own, "__name__": name}, files) for name, own in sections.items())
    return tuple(jail for jail in made if jail is not None)


def _read(text: str) -> dict[str, dict[str, str]]:
    parser = RawConfigParser(inline_comment_prefixes=(";",), strict=False, default_section="")
    try:
        parser.read_string(text)
    except Error:
        return {}
    return {name: dict(parser[name]) for name in parser.sections()}


def _jail(name: str, options: Mapping[str, str], files: Sequence[tuple[str, str]]) -> Jail | None:
    if name == "INCLUDES" or _value(options, "enabled").strip().lower() not in ("true", "yes", "on", "1"):
        return None
    found = _FILTER.fullmatch(_value(options, "filter"))
    if found is None or not found[1].startswith(WATCHES_MAIL):
        return None
    mode = _MODE.search(found[2] or "")
    return Jail(
        name=name,
        filter=found[1],
        mode=mode[1] if mode else (MODE_OF_POSTFIX if found[1] == "postfix" else ""),
        maxretry=_value(options, "maxretry").strip(),
        ignoreip=tuple(_value(options, "ignoreip").replace(",", " ").split()),
        place=_place(name, files),
    )


def _value(options: Mapping[str, str], name: str) -> str:
    """A value, with the names in it replaced; an unknown name by nothing."""
    value = options.get(name, "")[:10_000]
    for _ in range(DEEPEST):
        if "%(" not in value:
            break
        value = _NAME.sub(lambda match: options.get(match[1].lower(), ""), value)[:10_000]
    return value


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
