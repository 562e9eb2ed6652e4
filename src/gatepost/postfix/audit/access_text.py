"""Which entries of an access table let somebody in (access(5), cidr_table(5), regexp_table(5)). Pure."""

import re
from collections.abc import Iterator

from gatepost.network import parse_network

OK = re.compile(r"(?:OK|PERMIT|RELAY)(?:\s.*)?|\d+", re.IGNORECASE | re.ASCII)
"""Results that let in; a number alone does, too, and with text behind it is a reply."""
WIDE = {4: 16, 6: 32}
"""Networks with a shorter prefix hold strangers."""
_ALL = re.compile(r"[/|!](?:\^|\.\*|\.\+|\.|\$|\^\.\*|\^\.)*[/|!][a-z]*", re.IGNORECASE)
"""Patterns that fit everything: `/./`, `/^/`, `/.*/`."""


def _entries(table: str, text: str) -> Iterator[tuple[str, str]]:
    """Key and result of every entry."""
    kind, _, rest = table.partition(":")
    if kind == "static":
        yield "everybody", rest.strip("{} ")
        return
    if kind == "inline":
        for pair in rest.strip("{} ").split(","):
            key, _, value = pair.strip("{} ").partition("=")
            yield key.strip(), value.strip()
        return
    for line in text.splitlines():
        if line.strip() and not line.startswith("#") and not line[0].isspace():
            key, _, value = line.partition(" ") if " " in line else line.partition("\t")
            yield key.strip(), value.strip()


def _lets(value: str) -> bool:
    return OK.fullmatch(value) is not None


def lets_in(table: str, text: str) -> str:
    """The first key for which the table says OK; empty when there is none."""
    return next((key for key, value in _entries(table, text) if _lets(value)), "")


def broad(table: str, text: str) -> str:
    """A key for which the table says OK and that many strangers have; empty when there is none."""
    return next((key for key, value in _entries(table, text) if _lets(value) and _is_broad(table, key)), "")


def _is_broad(table: str, key: str) -> bool:
    kind = table.partition(":")[0]
    if kind == "static":
        return True
    if kind in ("regexp", "pcre"):
        return _ALL.fullmatch(key) is not None
    network = parse_network(key)
    if network is not None and (kind == "cidr" or "/" in key):
        return network.prefixlen < WIDE[network.version]
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,3})?", key):  # access(5): the first octets of addresses
        return key.count(".") == 0
    return re.fullmatch(r"\.?[a-z]{2,}", key, re.IGNORECASE) is not None  # a whole top-level domain
