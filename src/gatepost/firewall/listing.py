"""What the kernel holds in our table, from what `nft -j list table` says (libnftables-json(5)). Pure.

Others may have written into it, and every version of nft says things a little differently. So the rules are
not understood: their shape is compared with what nft said just after we had made them.

Raises ListingError, and nothing else.
"""

import json
from typing import Any

import msgspec

from gatepost.ban.intervals import Bounds
from gatepost.firewall.ruleset import SETS, Count
from gatepost.network import parse_address

_VERSIONS = {name: version for version, name in SETS.items()}
_PASSING = {"handle", "elem", "index"}
"""What of an object says nothing about what it does; of a set, what is looked at for itself."""


class ListingError(Exception):
    """nft said what is no list of a table."""


class Held(msgspec.Struct, frozen=True, gc=False):
    """An element of one of our sets."""

    seconds: float | None
    """How long it still lasts; None: without end."""
    count: Count


class Listing(msgspec.Struct, frozen=True):
    """Our table as it is."""

    shape: str
    """All but elements and counts, as one line of text; equal shapes do the same."""
    elements: dict[Bounds, Held]
    dropped: dict[int, Count]
    """By the rules, for each IP version."""
    odd: bool
    """Whether a set has elements that we would never put there."""


def parse_listing(octets: bytes) -> Listing:
    """What nft said.

    Raises:
        ListingError: it is not what nft says.
    """
    try:
        objects = msgspec.json.decode(octets)["nftables"]
        return _listing(objects)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        raise ListingError(f"nft said something else than a list of the table: {error!r}") from None


def _listing(objects: list[dict[str, Any]]) -> Listing:
    shape, elements, odd = [], {}, False
    dropped: dict[int, Count] = {}
    for one in objects:
        ((kind, body),) = one.items()
        if kind == "metainfo":
            continue
        if kind == "set" and body["name"] in _VERSIONS:
            found, strange = _elements(_VERSIONS[body["name"]], body.get("elem", ()))
            elements.update(found)
            odd = odd or strange
        if kind == "rule":
            _add_dropped(dropped, body["expr"])
        shape.append({kind: {key: _still(value) for key, value in body.items() if key not in _PASSING}})
    return Listing(json.dumps(shape, sort_keys=True), elements, dropped, odd)


def _still(value: Any) -> Any:
    """`value` without what traffic changes: the numbers of counters."""
    if isinstance(value, dict):
        return {key: None if key == "counter" else _still(one) for key, one in value.items()}
    return [_still(one) for one in value] if isinstance(value, list) else value


def _add_dropped(dropped: dict[int, Count], expressions: list[dict[str, Any]]) -> None:
    """Add what a rule of ours has counted."""
    text = json.dumps(expressions)
    for version, name in SETS.items():
        if f'"@{name}"' in text:
            for one in expressions:
                if isinstance(count := one.get("counter"), dict):
                    dropped[version] = dropped.get(version, Count()) + _count(count)


def _elements(version: int, listed: Any) -> tuple[dict[Bounds, Held], bool]:
    """Elements of one set; and whether there are some that are none of ours."""
    found: dict[Bounds, Held] = {}
    odd = False
    for one in listed:
        told = one["elem"] if isinstance(one, dict) and "elem" in one else {"val": one}
        bounds = _bounds(version, told["val"])
        if bounds is None or told.keys() - {"val", "timeout", "expires", "counter"}:
            odd = True
            continue
        found[bounds] = Held(_seconds(told), _count(told.get("counter") or {}))
    return found, odd


def _seconds(told: dict[str, Any]) -> float | None:
    """Nft gives whole seconds, rounded down."""
    if "timeout" not in told:
        return None
    return float(told.get("expires", 0)) + 0.5


def _count(told: dict[str, Any]) -> Count:
    return Count(int(told.get("packets", 0)), int(told.get("bytes", 0)))


def _bounds(version: int, value: Any) -> Bounds | None:
    if isinstance(value, str):
        first = last = parse_address(value)
    elif isinstance(value, dict) and "prefix" in value:
        return _prefix_bounds(version, value["prefix"])
    elif isinstance(value, dict) and "range" in value:
        first, last = map(parse_address, value["range"])
    else:
        return None
    if first is None or last is None:
        return None
    return version, int(first), int(last)


def _prefix_bounds(version: int, prefix: dict[str, Any]) -> Bounds | None:
    first = parse_address(prefix["addr"])
    if first is None:
        return None
    size: int = 1 << ((32 if version == 4 else 128) - prefix["len"])
    return version, int(first), int(first) + size - 1
