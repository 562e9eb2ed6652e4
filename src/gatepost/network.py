"""Addresses and networks: parsing what strangers and configuration say, grouping, reverse names.

Nothing here raises on bytes from the network: `parse_address` answers None.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_address(text: str) -> Address | None:
    """The address `text` says, or None.

    Accepts what Postfix sends, `IPv6:` prefixes (RFC 5321, 4.1.3) and IPv4
    mapped into IPv6, which is given back as IPv4.
    """
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None
        return address.ipv4_mapped or address
    return address


def parse_network(text: str) -> Network | None:
    """The network `text` says (`192.0.2.0/24`, `2001:db8::/32`, one address), or None.

    Host bits beside the mask are an error for ipaddress; people write them
    all the same, and Postfix's cidr tables refuse them: so do we (None).
    """
    try:
        return ip_network(text.strip().removeprefix("[").replace("]", ""), strict=True)
    except ValueError:
        return None


def group(address: Address, v4: int, v6: int) -> str:
    """The network that stands for `address` in keys: its first `v4` or `v6` bits, as text."""
    bits = v4 if address.version == 4 else v6
    if bits == address.max_prefixlen:
        return str(address)
    shift = address.max_prefixlen - bits
    first = type(address)((int(address) >> shift) << shift)
    return f"{first}/{bits}"


def reverse_labels(address: Address) -> str:
    """The address as DNS labels for lists: `2.0.0.127`, nibbles for IPv6 (RFC 5782, 2.1 and 2.4)."""
    if address.version == 4:
        return ".".join(reversed(str(address).split(".")))
    return ".".join(reversed(address.packed.hex()))


def pointer_name(address: Address) -> str:
    """The name whose PTR record is the reverse name of `address` (RFC 1035, 3596)."""
    return reverse_labels(address) + (".in-addr.arpa" if address.version == 4 else ".ip6.arpa")


def is_public(address: Address) -> bool:
    """False for loopback, private, unspecified, link-local, multicast and reserved addresses.

    Documentation networks (RFC 5737, 3849) count as public: nobody routes
    them, and labs use them as the Internet.
    """
    if isinstance(address, IPv4Address):
        if any(address in network for network in _DOCUMENTATION_V4):
            return True
    elif address in _DOCUMENTATION_V6:
        return True
    return address.is_global and not address.is_multicast


_DOCUMENTATION_V4 = tuple(
    IPv4Network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")
)
_DOCUMENTATION_V6 = IPv6Network("2001:db8::/32")


class NetworkSet:
    """Many networks, asked quickly: one dictionary for each prefix length in use."""

    __slots__ = ("_by_prefix", "_networks")

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)
        found: dict[tuple[int, int], set[int]] = {}
        for network in self._networks:
            shift = network.max_prefixlen - network.prefixlen
            found.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        self._by_prefix = tuple(
            (version, shift, frozenset(heads)) for (version, shift), heads in found.items()
        )

    def __contains__(self, address: Address) -> bool:
        version, number = address.version, int(address)
        return any(v == version and (number >> shift) in heads for v, shift, heads in self._by_prefix)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __iter__(self) -> Iterator[Network]:
        return iter(self._networks)

    def __repr__(self) -> str:
        return f"NetworkSet({[str(n) for n in self._networks]})"
