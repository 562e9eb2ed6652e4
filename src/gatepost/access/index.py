"""Entries that people made about hosts and mail addresses, found by dictionary look-ups. Pure.

Unlike Postfix tables, every entry that fits is found, not only the first.
Names stand for themselves and everything below them.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Generic, TypeVar

from gatepost.access.lookup import MAX_NAME
from gatepost.access.networks import NetworkMap
from gatepost.access.patterns import Patterns
from gatepost.address import normal_domain, normal_mail, split
from gatepost.network import Network, parse_address

T = TypeVar("T")

UNVERIFIED = "unknown"
"""What Postfix gives as client_name when the name does not lead back to the address."""


_LONGEST_ADDRESS = 64
_address = lru_cache(8192)(parse_address)


class Index(Generic[T]):
    """Entries of one kind: about clients, HELO names, or mail addresses."""

    def __init__(self) -> None:
        self._names: dict[str, list[T]] = {}
        self._mails: dict[str, list[T]] = {}
        self._networks: NetworkMap[T] = NetworkMap()
        self._patterns: Patterns[T] = Patterns()
        self._size = 0

    # --- filling ---

    def add_name(self, name: str, item: T) -> None:
        """A host name or mail domain, and all below it; a dot before it changes nothing."""
        self._names.setdefault(normal_domain(name.lstrip(".")), []).append(item)
        self._size += 1

    def add_network(self, network: Network, item: T) -> None:
        """An address or network."""
        self._networks.add(network, item)
        self._size += 1

    def add_mail(self, mail: str, item: T) -> None:
        """`user@domain`, or `user@` for this user in every domain; `` (empty) is the null sender."""
        self._mails.setdefault(normal_mail(mail) if mail[-1:] != "@" else mail.lower(), []).append(item)
        self._size += 1

    def add_pattern(self, text: str, item: T) -> None:
        """A regular expression, found anywhere, in any case of letters. Raises PatternError."""
        self._patterns.add(text, item)
        self._size += 1

    def close(self) -> None:
        """All entries are in."""
        self._patterns.close()

    def __len__(self) -> int:
        return self._size

    # --- asking ---

    def client(self, name: str, address: str) -> Iterator[T]:
        """What fits this client: its address, and its name when that is verified."""
        yield from self._by_address(address)
        if name and name.lower() != UNVERIFIED:
            yield from self._below(name)
            yield from self._patterns.all(name)

    def helo(self, name: str) -> Iterator[T]:
        """What fits this HELO name; an address literal is found as the address, too."""
        if not name:
            return
        bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
        yield from self._by_address(bare)
        yield from self._below(name)
        yield from self._patterns.all(name)

    def mail(self, mail: str) -> Iterator[T]:
        """What fits this address: as it is, without its extension, its domain and those above, its user."""
        normal = normal_mail(mail)
        local, domain = split(normal)
        bare = local.partition("+")[0] or local
        if self._mails:
            for key in dict.fromkeys((normal, f"{bare}@{domain}", f"{local}@", f"{bare}@")):
                yield from self._mails.get(key, ())
        if domain:
            yield from self._below(domain)
        yield from self._patterns.all(mail)

    def _by_address(self, text: str) -> Iterator[T]:
        address = _address(text) if self._networks and len(text) <= _LONGEST_ADDRESS else None
        if address is not None:
            yield from self._networks.all(address)

    def _below(self, name: str) -> Iterator[T]:
        if not self._names:
            return
        rest = normal_domain(name[-MAX_NAME:])
        while rest:
            if (items := self._names.get(rest)) is not None:
                yield from items
            rest = rest.partition(".")[2]
