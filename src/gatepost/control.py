"""What the commands may ask of a running daemon, over its control socket."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from gatepost import __version__
from gatepost.access.own import entry_error
from gatepost.assemble import Parts
from gatepost.clock import Clock
from gatepost.config.problem import ConfigError
from gatepost.config.schema import Config
from gatepost.control_bans import BanCommands
from gatepost.guard import Guard
from gatepost.observe.record import Recorder
from gatepost.server.control import Command, CommandError, Peer
from gatepost.server.policy import PolicyServer
from gatepost.store.base import Brought, BroughtClient, ListEntry, Store, StoreError


class Batch(msgspec.Struct, frozen=True):
    """What `greylist.bring` takes; the length of a request bounds it."""

    triplets: tuple[Brought, ...] = ()
    clients: tuple[BroughtClient, ...] = ()


class Running(Protocol):
    """What the commands see of the daemon."""

    config: Config
    clock: Clock
    started: float
    parts: Parts
    store: Store
    guard: Guard
    recorder: Recorder
    server: PolicyServer

    async def reload(self) -> list[str]:
        """See `daemon.Daemon.reload`."""
        ...


class Commands:
    """The commands, by name; each takes the arguments of its request and answers plain values."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon

    def table(self) -> Mapping[str, Command]:
        """For the control server."""
        return {
            "status": self.status,
            "reload": self.reload,
            "list.add": self.add,
            "list.remove": self.remove,
            "list.entries": self.entries,
            "journal.find": self.find,
            "greylist.bring": self.bring,
            **BanCommands(lambda: self._daemon.guard, self._daemon.clock).table(),
        }

    async def status(self, _arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """How the daemon is: counts, lists, resolver, store."""
        daemon, parts = self._daemon, self._daemon.parts
        counts = await self._counts()
        return {
            "version": __version__,
            "uptime": time.time() - daemon.started,
            "mode": daemon.config.mode,
            "profile": daemon.config.profile,
            "verdicts": dict(daemon.recorder.actions),
            "decided_by": dict(daemon.recorder.decided.most_common(20)),
            "connections": msgspec.to_builtins(daemon.server.counters),
            "lists": [msgspec.to_builtins(one) for one in parts.watch.report()],
            "dns": parts.dns.stats(),
            "store": counts,
            "journal_dropped": daemon.store.journal.dropped(),
            "bans": {
                "in_force": len(daemon.guard.keeper.table),
                "mode": daemon.guard.mode,
                "firewall": daemon.guard.enforced(),
            },
            "notes": [*daemon.config.warnings, *parts.notes(), *daemon.guard.notes()],
        }

    async def _counts(self) -> dict[str, Any]:
        store = self._daemon.store
        try:
            return {**await store.greylist.count(), "correspondents": await store.correspondents.count()}
        except StoreError as error:
            return {"trouble": str(error)}

    async def reload(self, _arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """Read the configuration anew."""
        try:
            return {"needs_restart": await self._daemon.reload()}
        except ConfigError as error:
            raise CommandError(f"the configuration has errors, the old one goes on:\n{error}") from None

    async def add(self, arguments: dict[str, object], peer: Peer) -> dict[str, Any]:
        """Add an entry to the own lists; it counts at once."""
        try:
            entry = msgspec.convert(arguments.get("entry"), ListEntry)
        except msgspec.ValidationError as error:
            raise CommandError(f"not an entry: {error}") from None
        if wrong := entry_error(entry):
            raise CommandError(wrong)
        entry = msgspec.structs.replace(
            entry, added=self._daemon.clock.now(), added_by=entry.added_by or peer.name
        )
        try:
            added = await self._daemon.store.lists.add(entry)
        except StoreError as error:
            raise CommandError(f"the entry could not be kept: {error}") from None
        await self._daemon.parts.refresh_lists()
        return msgspec.to_builtins(added)  # type: ignore[no-any-return]

    async def remove(self, arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """Remove entries from the own lists; that counts at once."""
        looks_at = arguments.get("looks_at")
        try:
            removed = await self._daemon.store.lists.remove(
                str(arguments.get("list", "")),
                str(arguments.get("what", "")),
                str(looks_at) if looks_at else None,
            )
        except StoreError as error:
            raise CommandError(f"nothing could be removed: {error}") from None
        await self._daemon.parts.refresh_lists()
        return {"removed": removed}

    async def entries(self, _arguments: dict[str, object], _peer: Peer) -> list[Any]:
        """The own lists' entries in the store."""
        try:
            found = await self._daemon.store.lists.entries(self._daemon.clock.now())
        except StoreError as error:
            raise CommandError(f"the own lists cannot be read: {error}") from None
        return [msgspec.to_builtins(entry) for entry in found]

    async def bring(self, arguments: dict[str, object], _peer: Peer) -> dict[str, int]:
        """Remember triplets and networks that another greylisting did; a batch of what `import` reads."""
        try:
            batch = msgspec.convert(arguments, Batch)
        except msgspec.ValidationError as error:
            raise CommandError(f"not triplets: {error}") from None
        daemon = self._daemon
        try:
            return await daemon.store.greylist.bring(
                batch.triplets, batch.clients, daemon.clock.now(), daemon.parts.greylist.terms
            )
        except StoreError as error:
            raise CommandError(f"the triplets could not be kept: {error}") from None

    async def find(self, arguments: dict[str, object], _peer: Peer) -> list[Any]:
        """Journal entries, the newest first."""
        journal, limit = self._daemon.store.journal, arguments.get("limit", 20)
        try:
            await journal.flush()
            found = await journal.find(
                str(arguments.get("what", "")), max(1, limit) if isinstance(limit, int) else 20
            )
        except StoreError as error:
            raise CommandError(f"the journal cannot be read: {error}") from None
        return [msgspec.to_builtins(entry) for entry in found]
