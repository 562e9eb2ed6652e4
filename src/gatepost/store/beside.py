"""The SQLite store seen from another process: for commands, while the daemon runs or after it stopped.

Nothing is changed, no lock is taken, and files that may only be read are
enough; `lists` alone can be opened for change. A store that was never written
is empty.

Raises: StoreError.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote

from gatepost.clock import Clock
from gatepost.store import bans, lists, migrate, pages, rows
from gatepost.store.base import (
    Ban,
    Bans,
    Brought,
    BroughtClient,
    JournalEntry,
    ListEntry,
    Lists,
    Meeting,
    Past,
    StoreError,
    Terms,
    Triplet,
    Trusted,
)
from gatepost.store.book import Book
from gatepost.store.correspondents import last_written
from gatepost.store.file import connect, told
from gatepost.store.judge import milliseconds, shared
from gatepost.store.kept import Kept
from gatepost.store.options import StoreOptions
from gatepost.store.places import journal_path, kept_path
from gatepost.store.search import search
from gatepost.store.text import plain

T = TypeVar("T")

_WITH_BANS = 2
"""The step of the schema that brought bans."""


class Reading:
    """One file, opened anew for each question: commands ask few."""

    def __init__(self, path: Path, schema: str, busy: float) -> None:
        self._path = path
        self._schema = schema
        self._busy = busy

    async def ask(self, work: Callable[[sqlite3.Connection], T], empty: T, since: int = 1) -> T:
        """What `work` finds in the file, or `empty` when there is no file, or one from before `since`.

        Only who owns a file brings it up to date; until then it lacks what later steps of its schema bring.
        """
        return await asyncio.to_thread(self._ask, work, empty, since)

    def _ask(self, work: Callable[[sqlite3.Connection], T], empty: T, since: int) -> T:
        try:
            if not self._path.exists() or not self._path.stat().st_size:
                return empty
            with self._open() as connection:
                migrate.refuse_newer(connection, self._schema, self._path)
                return work(connection) if migrate.version_of(connection) >= since else empty
        except (sqlite3.Error, OSError) as error:
            raise StoreError(told(self._path, error)) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self._path, "ro", self._busy)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                yield connection
                return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
        with self._open_without_writing() as connection:
            yield connection

    @contextmanager
    def _open_without_writing(self) -> Iterator[sqlite3.Connection]:
        """Where the directory may not be written: SQLite cannot make the files beside a WAL database.

        After a clean end there is none. After a crash there is: then a copy is read.
        """
        wal = Path(f"{self._path}-wal")
        with TemporaryDirectory() as directory:
            path = self._path
            if wal.exists() and wal.stat().st_size:
                path = Path(directory) / path.name
                for ending in ("", "-wal"):
                    shutil.copyfile(f"{self._path}{ending}", f"{path}{ending}")
            how = "mode=ro&immutable=1" if path == self._path else "mode=rw"
            with closing(sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True)) as connection:
                yield connection


class GreylistBeside:
    """Triplets as they are: they are judged, and nothing is remembered."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting:
        (triplet,) = rows.clean((triplet,))
        book = await self._reading.ask(partial(_book, triplet), Book())
        return book.meet(triplet, now, terms)

    async def start(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Nothing is changed."""

    def accept(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Nothing is changed."""

    async def bring(
        self,
        triplets: Sequence[Brought],  # noqa: ARG002
        clients: Sequence[BroughtClient],  # noqa: ARG002
        now: float,  # noqa: ARG002
        terms: Terms,  # noqa: ARG002
    ) -> dict[str, int]:
        raise StoreError("no triplet can be brought: the store was opened for reading")

    async def expire(self, now: float, terms: Terms) -> int:  # noqa: ARG002
        return 0

    async def count(self) -> dict[str, int]:
        return await self._reading.ask(rows.count, {"waiting": 0, "passed": 0, "clients": 0})


class ListsBeside:
    """Own lists, to look at."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def add(self, entry: ListEntry) -> ListEntry:
        raise StoreError(f"{entry.what} cannot be entered: the store was opened for reading")

    async def remove(self, list_name: str, what: str, looks_at: str | None = None) -> int:  # noqa: ARG002
        raise StoreError(f"{what} cannot be removed: the store was opened for reading")

    async def entries(self, now: float) -> list[ListEntry]:
        return await self._reading.ask(partial(lists.entries, now), [])

    async def version(self) -> int:
        return await self._reading.ask(lists.version, 0)


class CorrespondentsBeside:
    """People our users wrote to, to look up."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def learn(self, mail: str, now: float) -> None:
        """Nothing is changed."""

    async def knows(self, mail: str, now: float, keep: float) -> bool:
        last = await self._reading.ask(partial(last_written, plain(mail)), None)
        return last is not None and milliseconds(now) - last <= milliseconds(keep)

    async def count(self) -> int:
        return await self._reading.ask(_count_correspondents, 0)


class BansBeside:
    """Bans, to look at."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def put(self, bans: Sequence[Ban]) -> None:
        if bans:
            raise StoreError("nobody can be banned: the store was opened for reading")

    async def remove(self, networks: Sequence[str]) -> list[Ban]:
        raise StoreError(f"{', '.join(networks)} cannot be removed: the store was opened for reading")

    async def active(self, now: float) -> list[Ban]:
        return await self._reading.ask(partial(bans.active, now), [], _WITH_BANS)

    async def past(self, networks: Sequence[str]) -> dict[str, Past]:
        return await self._reading.ask(partial(bans.past, list(networks)), {}, _WITH_BANS)

    async def trust(self, clients: Sequence[Trusted]) -> None:
        """Nothing is changed."""

    async def trusted(self, since: float) -> list[Trusted]:
        return await self._reading.ask(partial(bans.trusted, since), [], _WITH_BANS)

    async def places(self) -> dict[str, str]:
        return await self._reading.ask(bans.places, {}, _WITH_BANS)

    async def put_places(self, places: Mapping[str, str]) -> None:
        """Nothing is changed."""

    async def expire(self, banned: float, trusted: float) -> int:  # noqa: ARG002
        return 0

    async def version(self) -> int:
        return await self._reading.ask(bans.version, 0, _WITH_BANS)


class JournalBeside:
    """The journal, to search."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def write(self, entry: JournalEntry) -> None:
        """Nothing is changed."""

    async def find(self, what: str, limit: int = 20) -> list[JournalEntry]:
        return await self._reading.ask(partial(pages.find, search(what), limit), [])

    async def flush(self) -> None:
        """Nothing is owed."""

    async def expire(self, now: float) -> int:  # noqa: ARG002
        return 0

    def dropped(self) -> int:
        return 0


class StoreBeside:
    """All parts, to look at; `change_lists` opens what people entered for change."""

    def __init__(
        self, path: Path, options: StoreOptions, clock: Clock, *, change_lists: bool = False
    ) -> None:
        busy = options.busy_timeout
        kept = Reading(kept_path(path), "kept", busy)
        self._kept = Kept(kept_path(path), options, clock) if change_lists else None
        self.greylist = GreylistBeside(Reading(path, "triplets", busy))
        self.lists: Lists = self._kept.lists if self._kept else ListsBeside(kept)
        self.correspondents = CorrespondentsBeside(kept)
        self.bans: Bans = self._kept.bans if self._kept else BansBeside(kept)
        self.journal = JournalBeside(Reading(journal_path(path), "journal", busy))

    async def open(self) -> None:
        """Open the lists, when they may be changed."""
        if self._kept:
            await self._kept.open()

    async def close(self) -> None:
        """Let go of the lists."""
        if self._kept:
            await self._kept.close()

    def troubles(self) -> tuple[str, ...]:
        if not self._kept:
            return ()
        return (*((self._kept.file.trouble,) if self._kept.file.trouble else ()), *self._kept.file.mended)


def _book(triplet: Triplet, connection: sqlite3.Connection) -> Book:
    book = Book()
    network = triplet.network
    rows.read(connection, book, [triplet, shared(network)], [network], [network])
    return book


def _count_correspondents(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT count(*) FROM correspondent").fetchone()[0]
    return number
