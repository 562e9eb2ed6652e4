"""All that a check may touch: DNS, store, clock, and what was read at start."""

from dataclasses import dataclass
from typing import Protocol

from gatepost.access.base import Access
from gatepost.clock import Clock
from gatepost.dns.base import Resolver
from gatepost.dnslist.base import Watch
from gatepost.ours import Ours
from gatepost.store.base import Ban, Store


class ResolverHealth(Protocol):
    """Whether our own resolver can be believed."""

    @property
    def ill(self) -> str:
        """Why not, a sentence for people; empty when it is well."""
        ...


class Banned(Protocol):
    """Who is shut out."""

    def covering(self, client_address: str) -> Ban | None:
        """A ban in force of this client."""
        ...


class Nobody:
    """Nobody is shut out."""

    def covering(self, client_address: str) -> Ban | None:  # noqa: ARG002
        return None


NOBODY = Nobody()


@dataclass(frozen=True, slots=True)
class Context:
    """Handed to every check; live in the daemon, a zone and a fake clock in tests and replay."""

    dns: Resolver
    store: Store
    clock: Clock
    ours: Ours
    access: Access
    watch: Watch
    health: ResolverHealth
    bans: Banned = NOBODY
