"""Addresses and networks: parsing what strangers and configuration say, grouping, reverse names.

Nothing here raises on bytes from the network: `parse_address` answers None.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_address(text: str) -> Address | None:
    """The address `text` says, or None.

    Accepts what Postfix sends, `IPv6:` prefixes (RFC 5321, 4.1.3) and IPv4
    mapped into IPv6, which is given back as IPv4. An address with a zone
    (`fe80::1%eth0`) says nothing outside one machine: None.
    """
    if text[:5].lower() == "ipv6:":
        text = text[5:]
        if ":" not in text:
            return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


known_address = lru_cache(65536)(parse_address)
"""`parse_address`, for texts that come again and again."""


def parse_network(text: str) -> Network | None:
    """The network `text` says (`192.0.2.0/24`, `[2001:db8::]/32`, one address), or None.

    Host bits beside the mask are an error for ipaddress; people write them
    all the same, and Postfix's cidr tables refuse them: so do we (None). Masks
    in dots are refused too. Networks mapped into IPv6 are given back as IPv4.
    """
    head, slash, bits = text.strip().partition("/")
    if head.startswith("[") != head.endswith("]") or (slash and not (bits.isascii() and bits.isdigit())):
        return None
    try:
        network = ip_network(head.removeprefix("[").removesuffix("]") + slash + bits, strict=True)
    except ValueError:
        return None
    if isinstance(network, IPv6Network):
        if network.network_address.scope_id is not None:
            return None
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def group(address: Address, v4: int, v6: int) -> str:
    """The network that stands for `address` in keys: its first `v4` or `v6` bits, as text."""
    bits = min(max(v4 if address.version == 4 else v6, 0), address.max_prefixlen)
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

    Documentation and benchmark networks (RFC 5737, 3849, 9637, 2544) count as
    public: nobody routes them, and labs use them as the Internet. IPv6 addresses
    that only carry an IPv4 address (6to4, NAT64) are what that one is. Our own table, because
    `is_global` says other things in other versions of Python.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    carried = address.ipv4_mapped or address.sixtofour or _nat64(address)
    if carried is not None:
        return is_public(carried)
    return address in _UNICAST_V6 and address not in _PROTOCOLS_V6


def _nat64(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(address.packed[12:]) if address in _NAT64 else None


# IANA's special-purpose address registries (RFC 6890), without the networks for documentation.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.88.99.0/24", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_UNICAST_V6 = IPv6Network("2000::/3")
_PROTOCOLS_V6 = IPv6Network("2001::/23")
_NAT64 = IPv6Network("64:ff9b::/96")


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
