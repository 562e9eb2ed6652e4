"""Networks with something attached to each: one dictionary look-up for each prefix length in use. Pure."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from gatepost.network import Address, Network

T = TypeVar("T")


class NetworkMap(Generic[T]):
    """Networks and what belongs to them."""

    def __init__(self) -> None:
        self._by_prefix: dict[tuple[int, int], dict[int, list[T]]] = {}

    def add(self, network: Network, item: T) -> None:
        """Attach `item` to `network`."""
        shift = network.max_prefixlen - network.prefixlen
        heads = self._by_prefix.setdefault((network.version, shift), {})
        heads.setdefault(int(network.network_address) >> shift, []).append(item)

    def all(self, address: Address) -> Iterator[T]:
        """What belongs to every network that holds `address`."""
        version, number = address.version, int(address)
        for (of_version, shift), heads in self._by_prefix.items():
            if of_version == version:
                yield from heads.get(number >> shift, ())

    def __bool__(self) -> bool:
        return bool(self._by_prefix)
