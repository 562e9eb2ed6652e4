"""In which order name servers are asked, by what is known of them. Pure but for the clock handed in."""

from collections.abc import Iterator, Sequence

from gatepost.clock import Clock
from gatepost.dns.resolvconf import Server

SICK_AFTER = 3
"""Silences in a row after which a server is asked last."""
SICK_FOR = 20.0
"""Seconds until it is tried again as before."""


class _Standing:
    __slots__ = ("server", "sick_until", "silences")

    def __init__(self, server: Server) -> None:
        self.server = server
        self.silences = 0
        self.sick_until = 0.0


class Servers:
    """Name servers in the order of preference. None is ever left out: a stranger's slow domain
    can make any server look silent, and that must change the order at most.
    """

    def __init__(self, servers: Sequence[Server], clock: Clock) -> None:
        self._standings = {server: _Standing(server) for server in servers}
        self._clock = clock

    def turns(self, attempts: int) -> Iterator[Server]:
        """Whom to ask, one after the other, each `attempts` times."""
        order = self._order()
        for _ in range(attempts):
            yield from order

    def _order(self) -> list[Server]:
        order = list(self._standings)
        if len(order) > 1:
            now = self._clock.monotonic()
            order.sort(key=lambda server: self._standings[server].sick_until > now)
        return order

    def answered(self, server: Server) -> None:
        """It said something, whatever it was."""
        standing = self._standings[server]
        standing.silences = 0
        standing.sick_until = 0.0

    def was_silent(self, server: Server) -> None:
        """Nothing came in time, or nothing that could be read."""
        standing = self._standings[server]
        standing.silences += 1
        if standing.silences >= SICK_AFTER:
            standing.sick_until = self._clock.monotonic() + SICK_FOR

    def all(self) -> list[str]:
        """Every server, for people."""
        return [str(server) for server in self._standings]

    def silent(self) -> list[str]:
        """Those asked last now, for people."""
        now = self._clock.monotonic()
        return [str(server) for server, standing in self._standings.items() if standing.sick_until > now]
