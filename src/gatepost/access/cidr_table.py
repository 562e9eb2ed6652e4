"""Source text of cidr: tables (cidr_table(5)): networks, in order, with `!`, `if` and `endif`. Pure.

Raises: AccessMapError, with every line that cannot be honoured.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gatepost.access.entry import Entry, EntryMaker
from gatepost.access.lines import SPACE, logical_lines
from gatepost.access.networks import NetworkMap
from gatepost.access.rules import Rules

Net = IPv4Network | IPv6Network


class CidrTable:
    """A table of networks; names are in none of them."""

    patterns = True

    def __init__(self, rules: Rules[Net]) -> None:
        self._rules = rules
        self._map: NetworkMap[int] | None = None
        if rules.plain:
            self._map = NetworkMap()
            for order, step in enumerate(rules.steps):
                self._map.add(step.pattern, order)

    def find(self, key: str) -> Entry | None:
        """The first entry whose network holds the address `key`."""
        address = _address(key)
        if address is None:
            return None
        if self._map is None:
            found = self._rules.first(lambda net: address in net if net.version == address.version else None)
            return found[0] if found else None
        order = min(self._map.all(address), default=None)
        return None if order is None else self._rules.steps[order].entry

    def __len__(self) -> int:
        return len(self._rules.steps)


def _address(key: str) -> IPv4Address | IPv6Address | None:
    if not key or not (key[0].isdigit() or ":" in key):
        return None
    try:
        return ip_address(key)
    except ValueError:
        return None


def parse_cidr(data: bytes, make: EntryMaker) -> CidrTable:
    """The table that `data` is the source of; raises AccessMapError."""
    rules: Rules[Net] = Rules()
    for number, text in logical_lines(data, make.reading):
        _take(number, text, rules, make)
    rules.close(make.reading)
    make.reading.done()
    return CidrTable(rules)


def _take(number: int, text: str, rules: Rules[Net], make: EntryMaker) -> None:
    pattern, value = _split(text)
    if pattern.lower() == "endif":
        rules.end(number, make.reading)
        return
    begins = pattern.lower() == "if"
    if begins:
        pattern, value = _split(value)
    bare = pattern.lstrip("!")
    positive = (len(pattern) - len(bare)) % 2 == 0
    try:
        network = _network(bare)
    except ValueError as error:
        if begins:
            make.reading.error(number, f"if: {error}")
        else:
            make.reading.warn(number, f"skipped, as Postfix does: {error}")
        return
    if begins:
        rules.begin(number, network, positive=positive)
    elif not value:
        make.reading.warn(number, "skipped, as Postfix does: expected network, white space, value")
    elif entry := make(number, pattern, value):
        rules.rule(network, entry, positive=positive)


def _split(text: str) -> tuple[str, str]:
    end = next((i for i, c in enumerate(text) if c in SPACE), len(text))
    return text[:end], text[end:].strip(SPACE)


def _network(text: str) -> Net:
    """The network, in brackets or not; raises ValueError with a sentence."""
    plain = text
    if text.startswith("["):
        inner, closed, behind = text[1:].partition("]")
        if not closed or (behind and not behind.startswith("/")):
            raise ValueError(f'"{text}" is no network')
        plain = inner + behind
    head, slash, length = plain.partition("/")
    if slash and not (length.isascii() and length.isdigit()):  # ipaddress would take a netmask as well
        raise ValueError(f'"{text}" is no network; write it as 192.0.2.0/24')
    try:
        return ip_network((head, int(length)) if slash else head)
    except ValueError as error:
        raise ValueError(f'"{text}" is no network: {error}') from None
