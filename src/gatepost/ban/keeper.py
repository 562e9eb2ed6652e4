"""The bans in force: in memory for quick questions, in the store for good, told to whoever watches.

A ban is on the disk before anybody is told of it. Other processes change the
store as well (commands, while no daemon runs): `refresh` notices.

Raises: StoreError from what changes bans.
"""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from gatepost.ban.table import BanTable
from gatepost.clock import Clock
from gatepost.network import Address, NetworkSet, known_address, parse_network
from gatepost.store.base import Ban, Bans, Past, StoreError

AGAIN_SECONDS = 60.0
"""How long bans count as impossible to keep after one could not be written."""
MAX_CHANGES = 1000
"""Changes that wait for one watcher; beyond, it is let go and has to begin anew."""


class Change(msgspec.Struct, frozen=True):
    """What is new, and what is over before its time."""

    put: tuple[Ban, ...] = ()
    removed: tuple[str, ...] = ()
    never: tuple[str, ...] | None = None
    """Networks that are never banned; None: as before."""


class Watcher:
    """One who is told of every change."""

    def __init__(self) -> None:
        self._changes: asyncio.Queue[Change | None] = asyncio.Queue(MAX_CHANGES)
        self.lost = False
        """It was too slow, and does not know all."""

    def tell(self, change: Change) -> None:
        """Queue a change; never waits."""
        try:
            self._changes.put_nowait(change)
        except asyncio.QueueFull:
            self.lost = True

    async def next(self, seconds: float) -> Change | None:
        """The next change; None when there is none for so long."""
        try:
            return await asyncio.wait_for(self._changes.get(), seconds)
        except TimeoutError:
            return None


class Keeper:
    """Keeps the bans in force."""

    def __init__(self, store: Bans, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.table = BanTable()
        self._unread = self._unwritten = ""
        self._unwritten_at = 0.0
        self._looked_at = 0.0
        self.never: tuple[str, ...] = ()
        """Networks that are never banned, for the firewall."""
        self._spared = NetworkSet()
        self._packets = self._mail = True
        self._version = -1
        self._watchers: set[Watcher] = set()

    @property
    def trouble(self) -> str:
        """Why bans cannot be read or kept now; empty when all is well."""
        if self._unwritten and self._clock.monotonic() - self._unwritten_at < AGAIN_SECONDS:
            return self._unwritten
        return self._unread

    def covering(self, client_address: str) -> Ban | None:
        """A ban in force of this client; none of who is never banned, as the firewall sees it."""
        if not (self._mail and len(self.table)):
            return None
        address = known_address(client_address)
        return None if address is None else self._covering(address)

    def covers(self, address: Address) -> bool:
        """Whether a ban in force covers this client."""
        return self._covering(address) is not None

    def _covering(self, address: Address) -> Ban | None:
        ban = self.table.covering(address, self._clock.now())
        return None if ban is None or address in self._spared else ban

    @property
    def is_known(self) -> bool:
        """Whether the bans were read: before that nobody may be told that there are none."""
        return self._version >= 0

    async def put(self, bans: Sequence[Ban]) -> None:
        """Ban, on the disk first."""
        try:
            await self._store.put(bans)
            self._version = await self._store.version()
        except StoreError as error:
            self._unwritten, self._unwritten_at = str(error), self._clock.monotonic()
            raise
        self._unwritten = ""
        for ban in bans:
            self.table.put(ban)
        self._tell(Change(put=tuple(bans)))

    async def remove(self, networks: Sequence[str]) -> list[Ban]:
        """End bans, on the disk first; those that were in force."""
        gone = await self._store.remove(networks)
        self._version = await self._store.version()
        for network in networks:
            self.table.remove(network)
        self._tell(Change(removed=tuple(ban.network for ban in gone)))
        return gone

    def spare(self, never: tuple[str, ...]) -> None:
        """Let whoever watches know which networks are never banned."""
        if never != self.never:
            self.never = never
            self._spared = NetworkSet(filter(None, map(parse_network, never)))
            self._tell(Change(never=never))

    def enforce(self, *, packets: bool, mail: bool) -> None:
        """Whether bans are told to the firewall, and whether mail is refused; they are kept in any case."""
        self._mail = mail
        if packets == self._packets:
            return
        bans = tuple(self.table)
        self._packets = True  # to be told of this
        self._tell(Change(put=bans) if packets else Change(removed=tuple(ban.network for ban in bans)))
        self._packets = packets

    @property
    def for_the_firewall(self) -> tuple[Ban, ...]:
        """The bans that it is to enforce."""
        return tuple(self.table) if self._packets else ()

    async def refresh(self) -> None:
        """Take over what others changed in the store; never raises."""
        now = self._clock.now()
        try:
            version = await self._store.version()
            if version != self._version or now < self._looked_at:  # a clock set back: some last again
                self._take(await self._store.active(now))
                self._version = version
            self._unread = ""
        except StoreError as error:
            self._unread = str(error)
        self._looked_at = now
        self.table.forget_over(now)

    async def past(self, networks: Sequence[str]) -> dict[str, Past]:
        """What is remembered of these networks, whether their bans are over or not."""
        return await self._store.past(networks)

    def watch(self) -> Watcher:
        """Be told of every change from now on; `unwatch` ends it."""
        watcher = Watcher()
        self._watchers.add(watcher)
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        """Tell this one nothing more."""
        self._watchers.discard(watcher)

    def _take(self, bans: Iterable[Ban]) -> None:
        new = {ban.network: ban for ban in bans}
        old = {ban.network: ban for ban in self.table}
        put = tuple(ban for network, ban in new.items() if old.get(network) != ban)
        removed = tuple(network for network in old if network not in new)
        for ban in put:
            self.table.put(ban)
        for network in removed:
            self.table.remove(network)
        self._tell(Change(put, removed))

    def _tell(self, change: Change) -> None:
        if not self._packets:
            change = Change(never=change.never)
        if change.put or change.removed or change.never is not None:
            for watcher in self._watchers:
                watcher.tell(change)
