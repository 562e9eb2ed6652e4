"""What Postfix's own settings say, as values: parameters, lists of patterns, networks, addresses.

Pure: text in, values out. The forms are those of postconf(5) (`mynetworks`,
`mydestination`), cidr_table(5) and, for interface addresses, of Linux' `/proc/self/net`.
Nothing here raises: what is not understood is handed back as such.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

import msgspec

from gatepost.network import Address, Network, parse_address, parse_network

MAX_NESTED_FILES = 5


class PatternKind(StrEnum):
    """What a pattern of a list is."""

    NAME = "name"
    FILE = "file"
    """Only those that could not be read; the others are replaced by what is in them."""
    TABLE = "table"


class Pattern(msgspec.Struct, frozen=True):
    """One element of a Postfix list. The first that fits decides; `!` turns it round."""

    kind: PatternKind
    text: str
    excludes: bool = False


ReadFile = Callable[[str], str | None]
"""The text of a file; None when it cannot be read."""


def parse_parameters(text: str) -> dict[str, str]:
    """What `postconf -x name …` printed: one `name = value` a line."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = value.strip()
    return found


def split_list(text: str) -> list[str]:
    """Elements between commas and blanks; what stands in braces stays together (`inline:{a=b, c=d}`)."""
    words, word, depth = [], "", 0
    for char in text:
        depth = max(0, depth + (char == "{") - (char == "}"))
        if depth == 0 and (char == "," or char.isspace()):
            words.append(word)
            word = ""
        else:
            word += char
    return [w for w in (*words, word) if w]


def expand(text: str, read: ReadFile) -> list[Pattern]:
    """The patterns of a list, in order; `/file` is replaced by what stands in it."""
    return list(_expand(split_list(text), read, excludes=False, depth=0))


def _expand(words: Sequence[str], read: ReadFile, *, excludes: bool, depth: int) -> Iterator[Pattern]:
    for word in words:
        bare = word.lstrip("!")
        turned = excludes ^ (len(word) - len(bare)) % 2
        if bare.startswith("/"):
            content = read(bare) if depth < MAX_NESTED_FILES else None
            if content is None:
                yield Pattern(PatternKind.FILE, bare, bool(turned))
            else:
                yield from _expand(_file_words(content), read, excludes=bool(turned), depth=depth + 1)
        elif bare:
            kind = PatternKind.TABLE if is_table(bare) else PatternKind.NAME
            yield Pattern(kind, bare, bool(turned))


def _file_words(content: str) -> list[str]:
    """A line's elements up to one that begins with `#`."""
    words = []
    for line in content.splitlines():
        for word in split_list(line):
            if word.startswith("#"):
                break
            words.append(word)
    return words


def is_table(pattern: str) -> bool:
    """`type:name`; an IPv6 address stands in brackets (postconf(5), mynetworks)."""
    kind, colon, _ = pattern.partition(":")
    return bool(colon) and not pattern.startswith("[") and parse_network(pattern) is None and kind.isalnum()


# --- networks -----------------------------------------------------------------------------------------


class NetworkList(msgspec.Struct, frozen=True):
    """The networks of a list, exclusions taken out, and the patterns that are none."""

    networks: tuple[Network, ...] = ()
    unread: tuple[str, ...] = ()


def networks_of(
    patterns: Iterable[Pattern], in_table: Callable[[str], Sequence[Network] | None]
) -> NetworkList:
    """Every network that a list lets in. `in_table` gives those of a table, None when it cannot."""
    networks: list[Network] = []
    excluded: list[Network] = []
    unread: list[str] = []
    for pattern in patterns:
        found = _networks_in(pattern, in_table)
        if found is None:
            unread.append(pattern.text)
        elif pattern.excludes:
            excluded += found
        else:
            networks += (piece for network in found for piece in without(network, excluded))
    return NetworkList(tuple(dict.fromkeys(networks)), tuple(unread))


def _networks_in(
    pattern: Pattern, in_table: Callable[[str], Sequence[Network] | None]
) -> Sequence[Network] | None:
    if pattern.kind is PatternKind.TABLE:
        return in_table(pattern.text)
    network = parse_network(pattern.text) if pattern.kind is PatternKind.NAME else None
    return None if network is None else [network]


def without(network: Network, excluded: Iterable[Network]) -> list[Network]:
    """What is left of `network` when `excluded` are taken out."""
    left = [network]
    for other in excluded:
        left = [piece for n in left for piece in _minus(n, other)]
    return left


def _minus(network: Network, other: Network) -> list[Network]:
    if not network.overlaps(other):
        return [network]
    if network.prefixlen >= other.prefixlen:
        return []
    return list(network.address_exclude(other))  # type: ignore[arg-type]


def parse_cidr_table(text: str) -> list[Network] | None:
    """The networks of a cidr_table(5); None when it holds a form (`if`, `!`) that is not read here."""
    networks = []
    for line in text.splitlines():
        if not line.strip() or line[0].isspace() or line.startswith("#"):
            continue
        network = parse_network(line.split()[0])
        if network is None:
            return None
        networks.append(network)
    return networks


def parse_table_keys(text: str) -> list[Network]:
    """The addresses among the keys that `postmap -s` printed, one `key<tab>value` a line."""
    keys = (line.split()[0] for line in text.splitlines() if line.strip())
    return [network for key in keys if (network := parse_network(key))]


# --- interfaces ---------------------------------------------------------------------------------------


def parse_fib_trie(text: str) -> list[Address]:
    """Own IPv4 addresses in `/proc/net/fib_trie`: those followed by `/32 host LOCAL`."""
    found: dict[Address, None] = {}
    last = None
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["|--"], ["+--"]):
            last = parse_address(words[1]) if words[0] == "|--" and len(words) > 1 else None
        elif words[:3] == ["/32", "host", "LOCAL"] and last is not None:
            found[last] = None
    return list(found)


def parse_if_inet6(text: str) -> list[Address]:
    """Own IPv6 addresses in `/proc/net/if_inet6`: 32 hexadecimal digits in front."""
    found = []
    for line in text.splitlines():
        digits = line.split()[0] if line.split() else ""
        address = parse_address(":".join(digits[i : i + 4] for i in range(0, 32, 4)))
        if address is not None and len(digits) == 32:
            found.append(address)
    return found


def parse_route(text: str) -> list[Address]:
    """IPv4 gateways in `/proc/net/route`: eight hexadecimal digits in the machine's own order of octets."""
    rows = [line.split() for line in text.splitlines()]
    told = [row[2] for row in rows if len(row) > 2 and len(row[2]) == 8 and set(row[2]) <= _HEXADECIMAL]
    return [IPv4Address(int(digits, 16).to_bytes(4, sys.byteorder)) for digits in told if int(digits, 16)]


def parse_ipv6_route(text: str) -> list[Address]:
    """IPv6 gateways in `/proc/net/ipv6_route`: 32 hexadecimal digits in the fifth column."""
    rows = [line.split() for line in text.splitlines()]
    told = [row[4] for row in rows if len(row) > 4 and len(row[4]) == 32 and set(row[4]) <= _HEXADECIMAL]
    return [IPv6Address(int(digits, 16)) for digits in told if int(digits, 16)]


_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
