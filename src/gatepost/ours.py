"""Own names, domains and networks: what belongs to the Postfix we stand in front of.

The value is pure; `postfix.ours` reads it from postconf and the interfaces.
"""

from collections.abc import Awaitable, Callable, Iterable

from gatepost.address import normal_domain
from gatepost.network import Address, NetworkSet, is_public

DomainLookup = Callable[[str], Awaitable[bool | None]]
"""Is this domain ours by some table (`postmap -q`)? None: it cannot be known now."""


class Ours:
    """What is ours; parts that could not be read are None, and rules that need them are off."""

    __slots__ = ("addresses", "domains", "lookup", "missing", "names", "networks")

    def __init__(
        self,
        *,
        names: Iterable[str] | None = (),
        domains: Iterable[str] | None = (),
        networks: NetworkSet | None = None,
        addresses: Iterable[Address] = (),
        lookup: DomainLookup | None = None,
        missing: Iterable[str] = (),
    ) -> None:
        """Remember what is ours.

        Args:
            names: host names (myhostname, proxies' names); None when unknown.
            domains: mail domains (mydestination, virtual_*, relay_domains); None when unknown.
            networks: mynetworks, whose clients are never checked; None when unknown.
            addresses: our own addresses, for HELO literals; only the public ones are kept, as
                private ones are also somebody else's.
            lookup: asks map-backed domain tables.
            missing: sentences for people about what could not be read, and what is off therefore.
        """
        self.names = None if names is None else frozenset(normal_domain(n) for n in names)
        self.domains = None if domains is None else frozenset(normal_domain(d) for d in domains)
        self.networks = networks
        self.addresses = frozenset(filter(is_public, addresses))
        self.lookup = lookup
        self.missing = tuple(missing)

    def is_name(self, name: str) -> bool:
        """True when `name` is one of our own host names."""
        return self.names is not None and normal_domain(name) in self.names

    def is_client(self, address: Address) -> bool:
        """True for clients in our own networks, which are never checked."""
        return self.networks is not None and address in self.networks

    def is_own(self, address: Address) -> bool:
        """True for clients in our own networks, and for one that has our own public address."""
        return address in self.addresses or self.is_client(address)

    async def owns_domain(self, domain: str) -> bool | None:
        """True when mail for `domain` ends here; None when that cannot be known now."""
        domain = normal_domain(domain)
        if self.domains is not None and domain in self.domains:
            return True
        if self.lookup is not None:
            return await self.lookup(domain)
        return None if self.domains is None else False
