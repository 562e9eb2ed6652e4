"""The reference store: everything in dictionaries, nothing on a disk, bounded all the same.

For tests, for replay, for `gatepost ask` without a store, and for those who
want no files. What it says, every other store must say: one suite asks both.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

import msgspec

from gatepost.clock import Clock, SystemClock
from gatepost.store.bans import is_active
from gatepost.store.base import (
    Ban,
    Brought,
    BroughtClient,
    JournalEntry,
    ListEntry,
    Meeting,
    Past,
    Terms,
    Triplet,
    Trusted,
)
from gatepost.store.book import Book
from gatepost.store.bringing import Bringing
from gatepost.store.judge import Row, is_forgotten, is_over, milliseconds
from gatepost.store.options import StoreOptions
from gatepost.store.search import matches, search

JOURNAL_ENTRIES = 10_000
"""Verdicts kept in memory at most."""
LIST_ENTRIES = 100_000
"""List entries kept at most; a person enters them."""


class MemoryGreylist:
    """Triplets and proven networks."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._book = Book()

    def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting:
        meeting = self._book.meet(triplet, now, terms)
        self._written()
        return meeting

    async def start(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        for triplet in triplets:
            self._book.start(triplet, now, terms)
        self._written()

    def accept(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        for triplet in triplets:
            self._book.accept(triplet, now, terms)
        self._written()

    async def bring(
        self, triplets: Sequence[Brought], clients: Sequence[BroughtClient], now: float, terms: Terms
    ) -> dict[str, int]:
        bringing = Bringing(triplets, clients)
        for triplet in bringing.triplets:
            bringing.act(self._book, triplet, now, terms)
        self._written()
        return bringing.counted()

    async def expire(self, now: float, terms: Terms) -> int:
        at = milliseconds(now)
        rows, clients = self._book.rows, self._book.clients
        over = [triplet for triplet, row in rows.items() if _is_past(row, at, terms)]
        for triplet in over:
            self._book.forget(triplet)
        gone = [network for network, client in clients.items() if is_forgotten(client, at, terms)]
        for network in gone:
            del clients[network]
        return len(over) + len(gone) + self._make_room(len(rows) - self._limit)

    async def count(self) -> dict[str, int]:
        rows = self._book.rows
        passed = sum(1 for row in rows.values() if row.passed)
        return {"waiting": len(rows) - passed, "passed": passed, "clients": len(self._book.clients)}

    def _written(self) -> None:
        """A changed row has nowhere else to go; and a flood between two expiries must not fill the memory."""
        self._book.changed.clear()
        self._book.changed_clients.clear()
        excess = len(self._book.rows) - self._limit
        if excess > self._limit // 10:
            self._make_room(excess)

    def _make_room(self, excess: int) -> int:
        """Forget the oldest waiting triplets, then those that passed longest ago."""
        if excess <= 0:
            return 0
        rows = self._book.rows
        oldest = sorted(rows, key=lambda triplet: (rows[triplet].passed > 0, rows[triplet].last))
        for triplet in oldest[:excess]:
            self._book.forget(triplet)
        return excess


def _is_past(row: Row, at: int, terms: Terms) -> bool:
    """True when the row's time is over; one that waits since the future is left to its next mail."""
    return is_over(row, at, terms) and (row.passed > 0 or row.first <= at)


class MemoryLists:
    """Own lists."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str], ListEntry] = {}
        self._ids = count(1)
        self._version = 0

    async def add(self, entry: ListEntry) -> ListEntry:
        entry = msgspec.structs.replace(entry, id=next(self._ids))
        key = (entry.list, entry.what, entry.looks_at)
        self._entries.pop(key, None)
        self._entries[key] = entry
        if len(self._entries) > LIST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._version += 1
        return entry

    async def remove(self, list_name: str, what: str, looks_at: str | None = None) -> int:
        gone = [key for key in self._entries if key[:2] == (list_name, what) and looks_at in (None, key[2])]
        for key in gone:
            del self._entries[key]
        self._version += bool(gone)
        return len(gone)

    async def entries(self, now: float) -> list[ListEntry]:
        return [entry for entry in self._entries.values() if entry.expires is None or entry.expires > now]

    async def version(self) -> int:
        return self._version


class MemoryCorrespondents:
    """People our users write to, those written to longest ago first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._learned: dict[str, float] = {}

    def learn(self, mail: str, now: float) -> None:
        self._learned.pop(mail, None)
        self._learned[mail] = now
        if len(self._learned) > self._limit:
            del self._learned[next(iter(self._learned))]

    def knows(self, mail: str, now: float, keep: float) -> bool:
        learned = self._learned.get(mail)
        return learned is not None and now - learned <= keep

    async def count(self) -> int:
        return len(self._learned)


class MemoryBans:
    """Who is shut out, who was lately, and who is trusted."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._bans: dict[str, Ban] = {}
        self._trusted: dict[str, Trusted] = {}
        self._places: dict[str, str] = {}
        self._version = 0

    async def put(self, bans: Sequence[Ban]) -> None:
        self._bans.update((ban.network, ban) for ban in bans)
        self._version += bool(bans)

    async def remove(self, networks: Sequence[str]) -> list[Ban]:
        now = self._clock.now()
        known = [self._bans.pop(network) for network in dict.fromkeys(networks) if network in self._bans]
        gone = [ban for ban in known if is_active(ban, now)]
        self._version += bool(gone)
        return gone

    async def active(self, now: float) -> list[Ban]:
        found = [ban for ban in self._bans.values() if is_active(ban, now)]
        return sorted(found, key=lambda ban: (ban.since, ban.network))

    async def past(self, networks: Sequence[str]) -> dict[str, Past]:
        known = [self._bans[network] for network in networks if network in self._bans]
        return {ban.network: Past(ban.times, 9e15 if ban.until is None else ban.until) for ban in known}

    async def trust(self, clients: Sequence[Trusted]) -> None:
        for client in clients:
            known = self._trusted.get(client.address)
            if known is None or client.last > known.last:
                self._trusted[client.address] = client

    async def trusted(self, since: float) -> list[Trusted]:
        return [client for client in self._trusted.values() if client.last >= since]

    async def places(self) -> dict[str, str]:
        return self._places

    async def put_places(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    async def expire(self, banned: float, trusted: float) -> int:
        before = len(self._bans) + len(self._trusted)
        kept = {n: ban for n, ban in self._bans.items() if ban.until is None or ban.until >= banned}
        self._bans = kept
        self._trusted = {a: client for a, client in self._trusted.items() if client.last >= trusted}
        return before - len(self._bans) - len(self._trusted)

    async def version(self) -> int:
        return self._version


class MemoryJournal:
    """The last verdicts."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._entries: deque[JournalEntry] = deque(maxlen=JOURNAL_ENTRIES)

    def write(self, entry: JournalEntry) -> None:
        self._entries.append(entry)

    async def find(self, what: str, limit: int = 20) -> list[JournalEntry]:
        wanted = search(what)
        instances = {e.instance for e in self._entries if e.instance and e.queue_id == wanted.word}
        return _first(reversed(self._entries), limit, lambda entry: matches(entry, wanted, instances))

    async def flush(self) -> None:
        """Nothing is ever owed."""

    async def expire(self, now: float) -> int:
        before = len(self._entries)
        while self._entries and now - self._entries[0].time > self._keep:
            self._entries.popleft()
        return before - len(self._entries)

    def dropped(self) -> int:
        return 0


def _first(
    entries: Iterable[JournalEntry], limit: int, wanted: Callable[[JournalEntry], bool]
) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    for entry in entries:
        if len(found) >= limit:
            break
        if wanted(entry):
            found.append(entry)
    return found


class MemoryStore:
    """All of them, gone at the end."""

    def __init__(self, options: StoreOptions | None = None, clock: Clock | None = None) -> None:
        options = options or StoreOptions()
        self.bans = MemoryBans(clock)
        self.greylist = MemoryGreylist(options.triplets)
        self.lists = MemoryLists()
        self.correspondents = MemoryCorrespondents(options.correspondents)
        self.journal = MemoryJournal(options.journal_keep)

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    def troubles(self) -> tuple[str, ...]:
        return ()
