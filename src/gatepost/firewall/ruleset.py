"""What is told to nft(8): our table as text, and changes of the elements in its sets. Pure.

One table of family inet, a set for each IP version, and one chain that drops. The chain comes before
connection tracking (-200) and before destination NAT (-100), so that connections that are established, and
those that go on to containers, are covered, too; and after fragments were put together (-400), as only the
first one has the port.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address

import msgspec

from gatepost.ban.intervals import Bounds
from gatepost.firewall.options import Ports

PRIORITY = -310
SETS = {4: "banned4", 6: "banned6"}
CHAIN = "banned"
_TYPES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


class Count(msgspec.Struct, frozen=True, gc=False):
    """What was dropped."""

    packets: int = 0
    bytes: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.packets + other.packets, self.bytes + other.bytes)


NOTHING = Count()


class Element(msgspec.Struct, frozen=True, gc=False):
    """An element to be put into a set."""

    bounds: Bounds
    seconds: float | None
    """How long it lasts; None: without end."""
    count: Count = NOTHING


def table_script(name: str, ports: Ports, elements: Iterable[Element], dropped: Mapping[int, Count]) -> str:
    """Our table made anew in one transaction, whatever it was; `dropped` is what its rules counted."""
    by_version: dict[int, list[Element]] = {4: [], 6: []}
    for element in elements:
        by_version[element.bounds[0]].append(element)
    sets = "".join(_set(version, found) for version, found in by_version.items())
    rules = "".join(_rule(version, ports, dropped.get(version, NOTHING)) for version in SETS)
    return (
        f"add table inet {name}\ndelete table inet {name}\n"
        f"table inet {name} {{\n{sets}"
        f"\tchain {CHAIN} {{\n\t\ttype filter hook prerouting priority {PRIORITY}; policy accept;\n"
        f"{rules}\t}}\n}}\n"
    )


def _set(version: int, elements: list[Element]) -> str:
    # Only in the set's own block are the counters of its elements taken over.
    held = f"\t\telements = {{ {_elements(elements)} }}\n" if elements else ""
    kind = f"type {_TYPES[version][1]}; flags interval, timeout; counter;"
    return f"\tset {SETS[version]} {{\n\t\t{kind}\n{held}\t}}\n"


def _rule(version: int, ports: Ports, dropped: Count) -> str:
    which = "" if isinstance(ports, str) else f"tcp dport {{ {', '.join(map(str, sorted(set(ports))))} }} "
    source = f"{_TYPES[version][0]} saddr @{SETS[version]}"
    return f"\t\t{which}{source} {_count(dropped)} drop\n"


def refill_script(name: str, version: int, elements: Iterable[Element]) -> str:
    """One set emptied and filled anew."""
    return f"flush set inet {name} {SETS[version]}\n" + add_script(name, version, elements)


def add_script(name: str, version: int, elements: Iterable[Element]) -> str:
    """Elements put into a set; nothing for none."""
    text = _elements(elements)
    return f"add element inet {name} {SETS[version]} {{ {text} }}\n" if text else ""


def delete_script(name: str, version: int, gone: Iterable[Bounds]) -> str:
    """Elements taken out of a set, all of which must be there; nothing for none."""
    text = ", ".join(map(range_text, gone))
    return f"delete element inet {name} {SETS[version]} {{ {text} }}\n" if text else ""


def remove_script(name: str) -> str:
    """Our table taken away, whether it is there or not."""
    return f"add table inet {name}\ndelete table inet {name}\n"


def _elements(elements: Iterable[Element]) -> str:
    return ", ".join(map(_element, elements))


def _element(element: Element) -> str:
    count = f" {_count(element.count)}" if element.count.packets else ""
    timeout = "" if element.seconds is None else f" timeout {time_text(element.seconds)}"
    return f"{range_text(element.bounds)}{count}{timeout}"


def _count(count: Count) -> str:
    return f"counter packets {count.packets} bytes {count.bytes}"


def range_text(bounds: Bounds) -> str:
    """An address, a network, or a range: `192.0.2.1`, `192.0.2.0/25`, `192.0.2.1-192.0.2.6`."""
    version, first, last = bounds
    kind, bits = (IPv4Address, 32) if version == 4 else (IPv6Address, 128)
    size = last - first + 1
    if size == 1:
        return str(kind(first))
    if size & (size - 1) == 0 and first % size == 0:
        return f"{kind(first)}/{bits - size.bit_length() + 1}"
    return f"{kind(first)}-{kind(last)}"


def time_text(seconds: float) -> str:
    """A time as nft reads it, to the millisecond: `1d2h3m4s5ms`. Its numbers have seven digits at most."""
    left, text = max(1, round(seconds * 1000)), ""
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        text += f"{number}{unit}" if number else ""
    return text
