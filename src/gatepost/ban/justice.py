"""Who is never banned, and why. Pure.

Our own networks and addresses; who was excepted in the configuration; and
clients that somebody spoke for lately: a user who authenticated himself, a
correspondent, a public allow list.
"""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from gatepost.network import Address, Network, NetworkSet, parse_address, parse_network
from gatepost.ours import Ours
from gatepost.store.base import Trusted

MOST = 50_000
"""Trusted clients remembered at most; beyond, those longest ago are forgotten."""
AGAIN = 3600.0
"""Seconds after which trust that was known already is written down anew."""

_NOBODYS = tuple(
    network
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/127",
        "fe80::/10",
        "ff00::/8",
    )
    if (network := parse_network(text))
)
"""Loopback, link-local, multicast: whoever seems to come from there, a ban would be a fault of ours."""


class Justice:
    """Says whom no jail may ban."""

    def __init__(self, ours: Ours, never: Iterable[str], own: Iterable[Address], trust: float) -> None:
        """Spare our own.

        Args:
            ours: networks and addresses of this server.
            never: what the configuration excepts.
            own: addresses of our interfaces and gateways, private ones too.
            trust: seconds that trust lasts.
        """
        self._ours = ours
        self._never = NetworkSet(n for text in never if (n := parse_network(text)))
        self._own = frozenset(own)
        self._nobodys = NetworkSet(_NOBODYS)
        self._trust = trust
        self._always = lru_cache(16384)(self._spares_always)
        self._trusted: OrderedDict[str, Trusted] = OrderedDict()
        self._unwritten: dict[str, Trusted] = {}
        self._sorted: dict[int, list[int]] | None = None

    def spares(self, address: Address, now: float) -> str:
        """Why this client is never banned, in a few words; empty: it may be."""
        if why := self._always(address):
            return why
        trusted = self._trusted.get(str(address)) if self._trusted else None
        if trusted is not None and now - trusted.last <= self._trust:
            return _WHY.get(trusted.why, trusted.why)
        return ""

    def _spares_always(self, address: Address) -> str:
        if address in self._nobodys:
            return "a loopback, link-local or multicast address"
        if address in self._own or self._ours.is_own(address):
            return "our own"
        return "excepted by [ban] never" if address in self._never else ""

    def forbids(self, network: Network, now: float) -> str:
        """Why this network must not be banned by anybody: it covers us, or who was excepted; else empty."""
        for other in self.never():
            if other.version == network.version and other.overlaps(network):
                return f"it covers {other}, which is never banned"
        if network.prefixlen < network.max_prefixlen:
            for trusted in self._trusted_in(network):
                if now - trusted.last <= self._trust:
                    return f"it covers {trusted.address}: {_WHY.get(trusted.why, trusted.why)}"
        return ""

    def never(self) -> tuple[Network, ...]:
        """All networks that are never banned, whoever says so: for the firewall, too."""
        single = [n for a in (*self._own, *self._ours.addresses) if (n := parse_network(str(a)))]
        return (*_NOBODYS, *(self._ours.networks or ()), *self._never, *single)

    def trust(self, address: str, why: str, now: float) -> None:
        """Somebody spoke for this client."""
        known = self._trusted.get(address)
        if known is not None and known.why == why and 0 <= now - known.last <= AGAIN:
            self._trusted.move_to_end(address)
            return
        self._trusted[address] = self._unwritten[address] = Trusted(address, why, now)
        self._trusted.move_to_end(address)
        if known is None:
            self._sorted = None
        if len(self._trusted) > MOST:
            self._trusted.popitem(last=False)

    def recall(self, known: Iterable[Trusted]) -> None:
        """Take over what was remembered before."""
        for client in sorted(known, key=lambda client: client.last)[-MOST:]:
            before = self._trusted.get(client.address)
            if before is None or before.last < client.last:
                self._trusted[client.address] = client
        self._sorted = None

    @property
    def trusted(self) -> tuple[Trusted, ...]:
        """Clients that somebody spoke for, as far as is remembered."""
        return tuple(self._trusted.values())

    def take_over(self, old: "Justice") -> None:
        """Go on with whom another one trusted, and with what it owes the store."""
        self.recall(old.trusted)
        self.owe(old.unwritten())

    def owe(self, clients: Iterable[Trusted]) -> None:
        """These could not be written after all."""
        self._unwritten = {client.address: client for client in clients} | self._unwritten

    def unwritten(self) -> list[Trusted]:
        """What is to be remembered for good since the last time this was asked."""
        found = list(self._unwritten.values())
        self._unwritten.clear()
        return found

    def _trusted_in(self, network: Network) -> Iterator[Trusted]:
        """Trusted clients in a network. They are sorted when they are asked for, since they seldom change."""
        if self._sorted is None:
            parsed = [a for text in self._trusted if (a := parse_address(text))]
            self._sorted = {v: sorted(int(a) for a in parsed if a.version == v) for v in (4, 6)}
        numbers = self._sorted[network.version]
        first = bisect_left(numbers, int(network.network_address))
        last = bisect_right(numbers, int(network.broadcast_address))
        kind = type(network.network_address)
        return (self._trusted[str(kind(number))] for number in numbers[first:last])


_WHY = {
    "login": "somebody authenticated himself from there lately",
    "correspondent": "a correspondent of ours writes from there",
    "allow list": "a public allow list speaks for it",
}
