"""Bans as the kernel can hold them: ranges of addresses that do not overlap, each with its own end.

A set of nftables takes no two elements that overlap: one would make a whole batch fail, and `auto-merge`
would give neighbours each other's ends. So of bans that lie in each other, each address keeps the one that
ends last. Pure; nothing is raised.
"""

import math
from collections.abc import Iterable, Iterator

import msgspec

from gatepost.network import Network

Bounds = tuple[int, int, int]
"""IP version, first and last address, as numbers."""


class Interval(msgspec.Struct, frozen=True, gc=False):
    """Addresses from `first` to `last`, shut out until the same time."""

    version: int
    first: int
    last: int
    until: float | None
    """Seconds since 1970; None: without end."""
    network: Network
    """The ban that lasts so long; a longer one in its middle leaves it two intervals."""

    @property
    def bounds(self) -> Bounds:
        """What tells it from others."""
        return self.version, self.first, self.last


def bounds_of(network: Network) -> Bounds:
    """The addresses of a network."""
    first = int(network.network_address)
    return network.version, first, first + (1 << (network.max_prefixlen - network.prefixlen)) - 1


def disjoint(bans: Iterable[tuple[Network, float | None]], now: float) -> list[Interval]:
    """The addresses that are shut out at `now`, in order, IPv4 first, each with the latest end of its bans.

    Neighbours of one ban are one interval; those of two bans stay apart, since each is counted for itself.
    """
    rows = [
        (network.version, int(network.network_address), network.prefixlen, network, until)
        for network, until in bans
        if until is None or until > now
    ]
    rows.sort(key=lambda row: row[:3])
    sweep = _Sweep()
    return [interval for row in rows for interval in sweep.begin(*row)] + list(sweep.end())


class _Open(msgspec.Struct, gc=False):
    """A ban whose last address was not reached yet."""

    version: int
    last: int
    end: float
    network: Network


class _Sweep:
    """Goes over networks in the order of their first address; those that contain others come before them."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        """Each lies in the one before, and ends later."""
        self._at = 0
        """The first address that no interval has yet."""

    def begin(
        self, version: int, first: int, prefix: int, network: Network, until: float | None
    ) -> Iterator[Interval]:
        """Take the next ban; the intervals that are complete before it."""
        while self._open and (self._open[-1].version, self._open[-1].last) < (version, first):
            yield from self._close()
        end = math.inf if until is None else until
        if self._open and end <= self._open[-1].end:
            return
        if self._open and self._at < first:
            yield self._interval(self._open[-1], first - 1)
        self._open.append(_Open(version, first + (1 << (network.max_prefixlen - prefix)) - 1, end, network))
        self._at = first

    def end(self) -> Iterator[Interval]:
        """The intervals that are left."""
        while self._open:
            yield from self._close()

    def _close(self) -> Iterator[Interval]:
        closed = self._open.pop()
        if self._at <= closed.last:
            yield self._interval(closed, closed.last)
            self._at = closed.last + 1

    def _interval(self, ban: _Open, last: int) -> Interval:
        until = None if math.isinf(ban.end) else ban.end
        return Interval(ban.version, self._at, last, until, ban.network)
