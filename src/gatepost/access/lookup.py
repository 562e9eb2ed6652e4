"""Which keys are looked up, and in which order: access(5), for client, HELO name, sender, recipient. Pure.

Tables of patterns (cidr, regexp, pcre) are asked for what is looked at as a
whole: names as given, mail addresses folded to lower case. All others are
asked for its parts, too, folded.
"""

import re
from collections.abc import Iterator

import msgspec

from gatepost.access.entry import Entry, Table, fold
from gatepost.model import Request, Stage
from gatepost.network import parse_address

NULL_SENDER = "<>"
"""smtpd_null_access_lookup_key."""
MAX_NAME = 1024
"""Characters at the end of a name whose parents are tried. DNS ends at 255; a stranger's HELO may not."""

WITH_SENDER = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_MESSAGE})
"""Stages at which an empty sender is the null sender."""
_DOT_ATOM = re.compile(r"[^\s()<>\[\]:;,\\\"@.]+(?:\.[^\s()<>\[\]:;,\\\"@.]+)*")
_NEVER_SPLIT = frozenset({"postmaster", "mailer-daemon", "double-bounce"})


class Style(msgspec.Struct, frozen=True):
    """The settings of main.cf that look-ups depend on."""

    parent_matches: bool = True
    """`smtpd_access_maps` in parent_domain_matches_subdomains: `example.org` matches what is below it;
    otherwise `.example.org` does."""
    delimiter: str = "+"
    """recipient_delimiter: any of these characters begins an address extension; empty: there are none."""


class Keys(msgspec.Struct, frozen=True):
    """What is looked up for one request."""

    whole: tuple[str, ...] = ()
    """For tables of patterns."""
    parts: tuple[str, ...] = ()
    """For all others."""


NO_KEYS = Keys()


def keys(looks_at: str, request: Request, style: Style) -> Keys:
    """The keys for this request, in order; none when what is looked at is not known yet."""
    if looks_at == "client":
        name, address = request.client_name, request.client_address
        return Keys((name, address), (*domain_keys(name, style), *address_keys(address)))
    if looks_at == "helo":
        return Keys((request.helo_name,), tuple(domain_keys(request.helo_name, style)))
    if looks_at == "recipient":
        return _mail(request.recipient, style)
    if not request.sender and request.stage in WITH_SENDER:
        return Keys((NULL_SENDER,), (NULL_SENDER,))
    return _mail(request.sender, style)


def _mail(mail: str, style: Style) -> Keys:
    if not mail:
        return NO_KEYS
    parts = tuple(mail_keys(mail, style))
    return Keys(parts[:1], parts)


def domain_keys(name: str, style: Style) -> Iterator[str]:
    """The name, then its parent domains up to the top; an address has no parents."""
    if not name:
        return
    yield fold(name)
    if (name[0].isdigit() or ":" in name) and parse_address(name) is not None:
        return
    rest = fold(name[-MAX_NAME:])
    while (dot := rest.find(".", 1)) > 0:
        rest = rest[dot + 1 :] if style.parent_matches else rest[dot:]
        if not rest:  # HELO names can end in a dot
            return
        yield rest


def address_keys(address: str) -> Iterator[str]:
    """The address, then what is left when the last octet or octet pair is cut off, again and again."""
    rest = fold(address)
    separator = ":" if ":" in rest else "."
    while rest:
        yield rest
        rest = rest.rpartition(separator)[0]


def mail_keys(mail: str, style: Style) -> Iterator[str]:
    """user+ext@domain, user@domain, domain and its parents, user+ext@, user@.

    Postfix gives addresses without quotes; tables have a local part that is no
    dot-atom in quotes (RFC 5321, 4.1.2).
    """
    local, at, domain = fold(mail).rpartition("@")
    if not at:
        yield domain
        return
    bare = _without_extension(local, style.delimiter)
    users = [f"{_quoted(user)}@" for user in (local, bare) if user]
    yield from (user + domain for user in users)
    yield from domain_keys(domain, style)
    yield from users


def _quoted(local: str) -> str:
    if _DOT_ATOM.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _without_extension(local: str, delimiter: str) -> str:
    """The local part before its extension; empty when it has none that may be cut off."""
    if not delimiter or local in _NEVER_SPLIT:
        return ""
    if "-" in delimiter and (local.startswith("owner-") or local.endswith("-request")):
        return ""
    at = next((i for i, c in enumerate(local) if c in delimiter), 0)
    return local[:at]


def search(table: Table, wanted: Keys) -> Entry | None:
    """The first entry that any of the keys finds; DUNNO ends the search as well."""
    for key in wanted.whole if table.patterns else wanted.parts:
        if key and (entry := table.find(key)) is not None:
            return entry
    return None
