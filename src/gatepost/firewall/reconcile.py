"""What has to be told to nft so that the kernel holds what is wanted. Pure.

Counts are kept: an element that changes hands its own on to the one that has its addresses from then on.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

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
LONGEST = 36_500 * 86_400.0
"""Seconds; what lasts longer has no end."""


class Plan(msgspec.Struct, frozen=True):
    """What to tell nft: `attempts` that each do it all in one transaction, the cheapest first."""

    attempts: tuple[str, ...] = ()
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
    name, ports = table
    counts = _counts(found, wanted)
    whole = table_script(
        name, ports, _elements(wanted.intervals, counts, now), {} if found is None else found.dropped
    )
    if found is None or found.shape != shape:
        return Plan((whole,), remakes=True)
    gone = [bounds for bounds, held in found.elements.items() if _must_go(bounds, held, wanted, now)]
    new = [one for one in wanted.intervals if not _is_right(found.elements.get(one.bounds), one, now)]
    if not gone and not new and not found.odd:
        return Plan()
    refill = "".join(
        refill_script(name, version, _elements(_of(version, wanted.intervals), counts, now))
        for version in SETS
    )
    if found.odd:
        return Plan((refill, whole))
    return Plan((_change(name, gone, new, wanted, counts, now), refill, whole))


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


def _change(
    name: str,
    gone: Sequence[Bounds],
    new: Sequence[Interval],
    wanted: Wanted,
    counts: dict[Bounds, Count],
    now: float,
) -> str:
    """Only what differs, unless that would take longer than all of a set."""
    text = ""
    for version in SETS:
        going = [bounds for bounds in gone if bounds[0] == version]
        if len(going) > FEW:
            text += refill_script(name, version, _elements(_of(version, wanted.intervals), counts, now))
        else:
            text += delete_script(name, version, going)
            text += add_script(name, version, _elements(_of(version, new), counts, now))
    return text


def _of(version: int, intervals: Iterable[Interval]) -> list[Interval]:
    return [one for one in intervals if one.version == version]


def _counts(found: Listing | None, wanted: Wanted) -> dict[Bounds, Count]:
    """The counts that each wanted interval takes over."""
    counts: dict[Bounds, Count] = {}
    for bounds, held in () if found is None else found.elements.items():
        if held.count.packets and (interval := wanted.meeting(bounds)):
            counts[interval.bounds] = counts.get(interval.bounds, NOTHING) + held.count
    return counts


def _elements(intervals: Iterable[Interval], counts: dict[Bounds, Count], now: float) -> list[Element]:
    return [Element(one.bounds, _left(one, now), counts.get(one.bounds, NOTHING)) for one in intervals]


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
