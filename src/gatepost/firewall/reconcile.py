"""What has to be told to nft so that the kernel holds what is wanted. Pure.

Counts are kept: an element that changes hands its own on to the one that has its addresses from then on.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec

from gatepost.ban.intervals import Bounds, Interval
from gatepost.firewall.listing import Held, Listing
from gatepost.firewall.options import Ports
from gatepost.firewall.ruleset import (
    NOTHING,
    SETS,
    Count,
    Element,
    add_script,
    delete_script,
    refill_script,
    table_script,
)

TOLERANCE = 2.0
"""Seconds by which an end may differ before it is set anew: nft tells whole seconds."""
ENDING = 1.5
"""Seconds: what is not wanted and ends so soon is left to end by itself."""
FEW = 8
"""Elements taken out one by one; of 15,000, each costs nft 1.0.6 10 ms, and to fill the set anew 200."""
PART = 1000
"""Elements in a small transaction: at most 150 kB, of the 200 that Linux gives to a socket of anybody's."""
LONGEST = 36_500 * 86_400.0
"""Seconds; what lasts longer has no end."""


class Plan(msgspec.Struct, frozen=True):
    """What to tell nft: `attempts` that each make what does it all in one transaction, the cheapest first."""

    attempts: tuple[Callable[[], str], ...] = ()
    parts: Callable[[], list[str]] = list
    """The same as many small transactions, for a kernel that takes no large one of us."""
    remakes: bool = False
    """The table itself is made anew, and so are its rules."""


class Wanted:
    """Intervals, to be asked which of them has an address."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        """Take them in order."""
        self.intervals = intervals
        self.by_bounds = {one.bounds: one for one in intervals}
        self._starts = [(one.version, one.first) for one in intervals]

    def meeting(self, bounds: Bounds) -> Interval | None:
        """The first interval that has one of these addresses."""
        version, first, last = bounds
        place = bisect_right(self._starts, (version, first))
        for one in self.intervals[max(0, place - 1) : place + 1]:
            if one.version == version and one.first <= last and first <= one.last:
                return one
        return None


def plan(table: tuple[str, Ports], found: Listing | None, shape: str, wanted: Wanted, now: float) -> Plan:
    """What makes the kernel right.

    Args:
        table: name and ports of ours.
        found: the table as it is; None when it is not there.
        shape: what it has when its rules are right; empty when that is not known.
        wanted: the bans.
        now: seconds since 1970.
    """
    scripts = _Scripts(table, found, wanted, now)
    if found is None or found.shape != shape:
        return Plan((scripts.whole,), scripts.whole_in_parts, remakes=True)
    if found.odd:
        return Plan((scripts.refill, scripts.whole), scripts.whole_in_parts)
    gone = [bounds for bounds, held in found.elements.items() if _must_go(bounds, held, wanted, now)]
    new = [one for one in wanted.intervals if not _is_right(found.elements.get(one.bounds), one, now)]
    if not gone and not new:
        return Plan()
    return Plan(
        (partial(scripts.change, gone, new), scripts.refill, scripts.whole),
        partial(scripts.change_in_parts, gone, new),
    )


class _Scripts:
    """Several ways from what was found to what is wanted."""

    def __init__(self, table: tuple[str, Ports], found: Listing | None, wanted: Wanted, now: float) -> None:
        self._name, self._ports = table
        self._dropped = {} if found is None else found.dropped
        self._counts = _counts(found, wanted)
        self._wanted = wanted.intervals
        self._now = now

    def change(self, gone: Sequence[Bounds], new: Sequence[Interval]) -> str:
        """Only what differs, unless that would take longer than all of a set."""
        text = ""
        for version in SETS:
            going = [bounds for bounds in gone if bounds[0] == version]
            if len(going) > FEW:
                text += self._refill(version)
            else:
                text += delete_script(self._name, version, going)
                text += add_script(self._name, version, self._elements(new, version))
        return text

    def refill(self) -> str:
        """Both sets emptied and filled."""
        return "".join(map(self._refill, SETS))

    def whole(self) -> str:
        """The table made anew."""
        return table_script(self._name, self._ports, self._elements(self._wanted), self._dropped)

    def change_in_parts(self, gone: Sequence[Bounds], new: Sequence[Interval]) -> list[str]:
        """Only what differs, some at a time."""
        out: list[str] = []
        for version in SETS:
            going = [bounds for bounds in gone if bounds[0] == version]
            if len(going) > FEW:
                out += [refill_script(self._name, version, ()), *self._add_in_parts(self._wanted, version)]
            else:
                text = delete_script(self._name, version, going)
                out += [*filter(None, [text]), *self._add_in_parts(new, version)]
        return out

    def whole_in_parts(self) -> list[str]:
        """The table made anew, and filled some at a time."""
        table = table_script(self._name, self._ports, (), self._dropped)
        return [table, *(text for version in SETS for text in self._add_in_parts(self._wanted, version))]

    def _add_in_parts(self, intervals: Sequence[Interval], version: int) -> list[str]:
        elements = self._elements(intervals, version)
        parts = (elements[place : place + PART] for place in range(0, len(elements), PART))
        return [add_script(self._name, version, part) for part in parts]

    def _refill(self, version: int) -> str:
        return refill_script(self._name, version, self._elements(self._wanted, version))

    def _elements(self, intervals: Iterable[Interval], version: int = 0) -> list[Element]:
        return [
            Element(one.bounds, _left(one, self._now), self._counts.get(one.bounds, NOTHING))
            for one in intervals
            if version in (0, one.version)
        ]


def by_network(found: Listing, wanted: Wanted) -> dict[str, Count]:
    """What was dropped of each ban; bans without are left out."""
    counts: dict[str, Count] = {}
    for bounds, held in found.elements.items():
        if held.count.packets and (interval := wanted.meeting(bounds)):
            network = interval.network
            name = (
                str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
            )
            counts[name] = counts.get(name, NOTHING) + held.count
    return counts


def _counts(found: Listing | None, wanted: Wanted) -> dict[Bounds, Count]:
    """The counts that each wanted interval takes over."""
    counts: dict[Bounds, Count] = {}
    for bounds, held in () if found is None else found.elements.items():
        if held.count.packets and (interval := wanted.meeting(bounds)):
            counts[interval.bounds] = counts.get(interval.bounds, NOTHING) + held.count
    return counts


def _left(interval: Interval, now: float) -> float | None:
    """Seconds for which it still lasts."""
    if interval.until is None or interval.until - now > LONGEST:
        return None
    return interval.until - now


def _is_right(held: Held | None, interval: Interval, now: float) -> bool:
    """Whether the kernel has it, with this end."""
    left = _left(interval, now)
    if held is None:
        return False
    if held.seconds is None or left is None:
        return held.seconds is left
    return abs(held.seconds - left) <= TOLERANCE


def _must_go(bounds: Bounds, held: Held, wanted: Wanted, now: float) -> bool:
    """Whether an element has to be taken out; one whose end changes is taken out and put in again."""
    if interval := wanted.by_bounds.get(bounds):
        return not _is_right(held, interval, now)
    ends = held.seconds is not None and held.seconds <= ENDING
    return not ends or wanted.meeting(bounds) is not None
