"""The bans in force, asked about one address after another. Pure: bounded by what the store keeps."""

from collections.abc import Iterable, Iterator

from gatepost.network import Address, Network, NetworkSet, group, parse_address, parse_network
from gatepost.store.base import Ban

WIDE_IPV4, WIDE_IPV6 = 32, 64
"""Prefixes of what is one client; a ban of more shuts out its neighbours, too."""


class BanTable:
    """Bans by network: one dictionary for each prefix length in use."""

    __slots__ = ("_bans", "_by_prefix")

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        self._bans: dict[str, Ban] = {}
        self._by_prefix: dict[tuple[int, int], dict[int, Ban]] = {}
        for ban in bans:
            self.put(ban)

    def put(self, ban: Ban) -> None:
        """Take a ban; one of the same network is replaced. One of what is no network is left out."""
        key = _key(ban.network)
        if key is not None:
            (version, shift), head = key
            self._bans[ban.network] = ban
            self._by_prefix.setdefault((version, shift), {})[head] = ban

    def remove(self, network: str) -> None:
        """Let go of the ban of exactly this network."""
        key = _key(network)
        if self._bans.pop(network, None) is not None and key is not None:
            prefix, head = key
            heads = self._by_prefix[prefix]
            del heads[head]
            if not heads:
                del self._by_prefix[prefix]

    def forget_over(self, now: float) -> list[Ban]:
        """Let go of bans whose time is over; which those were."""
        over = [ban for ban in self._bans.values() if ban.until is not None and ban.until <= now]
        for ban in over:
            self.remove(ban.network)
        return over

    def covering(self, address: Address, now: float) -> Ban | None:
        """A ban in force that covers `address`: of several the one that lasts longest."""
        number, version, found = int(address), address.version, None
        for (of, shift), heads in self._by_prefix.items():
            ban = heads.get(number >> shift) if of == version else None
            if ban is not None and lasts(ban) > now and (found is None or lasts(ban) > lasts(found)):
                found = ban
        return found

    def within(self, network: Network) -> list[Ban]:
        """The bans of networks that lie in this one."""
        beyond = network.max_prefixlen - network.prefixlen
        head, found = int(network.network_address) >> beyond, list[Ban]()
        for (version, shift), heads in self._by_prefix.items():
            if version == network.version and shift <= beyond:
                found += [ban for one, ban in heads.items() if one >> beyond - shift == head]
        return found

    def get(self, network: str) -> Ban | None:
        """The ban of exactly this network."""
        return self._bans.get(network)

    def __iter__(self) -> Iterator[Ban]:
        return iter(self._bans.values())

    def __len__(self) -> int:
        return len(self._bans)


def one_form(text: str) -> str:
    """The one form in which a network stands in bans: a single address without its prefix; empty if none."""
    network = parse_network(text)
    if network is None:
        address = parse_address(text)
        return "" if address is None else str(address)
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def client_network(network: Network) -> str:
    """As a ban of this client has it: an IPv6 address is its /64."""
    if network.prefixlen < network.max_prefixlen:
        return one_form(str(network))
    return one_form(group(network.network_address, WIDE_IPV4, WIDE_IPV6))


def is_wide(network: Network) -> bool:
    """Whether a ban of it shuts out more than one client."""
    return network.prefixlen < (WIDE_IPV4 if network.version == 4 else WIDE_IPV6)


def overlaps(network: Network, others: Iterable[Network] | NetworkSet) -> Network | None:
    """One of `others` that shares addresses with `network`."""
    return next((o for o in others if o.version == network.version and o.overlaps(network)), None)


def lasts(ban: Ban) -> float:
    """When it ends, in seconds since 1970; infinite for one without end."""
    return float("inf") if ban.until is None else ban.until


def _key(text: str) -> tuple[tuple[int, int], int] | None:
    network = parse_network(text)
    if network is None:
        return None
    shift = network.max_prefixlen - network.prefixlen
    return (network.version, shift), int(network.network_address) >> shift
