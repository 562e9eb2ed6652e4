"""Triplets and proven networks in SQLite.

What is on the disk is the truth, and one thread alone changes it; memory holds
copies of rows that are committed, never anything that may still be lost. So a
triplet that passed, is known, or came back early is answered from memory at
once; whatever changes more than a last-seen time goes to the thread, and its
answer comes after the commit (synchronous=FULL: a completed fdatasync).

A batch costs one read, one write and one call back to the event loop, however
many questions it holds: each step of SQLite hands the interpreter over to
another thread, and to get it back may take longer than the step.

Raises: StoreError.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from gatepost.clock import Clock
from gatepost.store import rows
from gatepost.store.base import Brought, BroughtClient, Meeting, Outcome, StoreError, Terms, Triplet
from gatepost.store.book import Book
from gatepost.store.bringing import Bringing
from gatepost.store.file import File, connect
from gatepost.store.judge import Client, Row, is_proven, judge, seen, shared
from gatepost.store.options import StoreOptions
from gatepost.store.recent import Recent
from gatepost.store.worker import Deliver, Worker

NOBODY = Client(0, 0, 0, 0)
"""A network that never succeeded."""
EVERY = 1.0
"""Seconds between two looks whether a file that was ill is well again."""


class Question(msgspec.Struct):
    """Something asked or told of triplets; told when there is no future."""

    act: Callable[[Book, Triplet, float, Terms], Meeting | None]
    triplets: tuple[Triplet, ...]
    now: float
    terms: Terms
    future: asyncio.Future[Meeting | None] | None = None


class SqliteGreylist:
    """The Greylist on one file."""

    def __init__(self, file: File, options: StoreOptions, clock: Clock) -> None:
        self._file = file
        self._options = options
        self._rows: Recent[Triplet, Row] = Recent(options.cached_triplets)
        self._clients: Recent[str, Client] = Recent(options.cached_clients)
        self._asked = 0
        self._fresh = 0
        self._expired = 0.0
        """When expiry was last asked for, in seconds since 1970."""
        self._waiting: Recent[str, int] = Recent(options.cached_clients)
        """How many triplets of a network wait; the thread's own."""
        self._added = 0
        """Rows written since the last look at their number; the thread's own."""
        self._worker: Worker[Question] = Worker(
            file, clock, every=EVERY, chore=self._chore, answer=self._answer, refuse=self._refuse
        )

    async def open(self) -> None:
        """Start; a file that cannot be opened is tried again and again."""
        await self._worker.start()

    async def close(self) -> None:
        """Write what is owed, and end."""
        await self._worker.stop()

    @property
    def trouble(self) -> str:
        """What is wrong now, for people; empty when all is well."""
        return self._file.trouble or self._worker.stuck

    def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting | Awaitable[Meeting]:
        if now < self._expired:
            self._distrust_memory(now)
        client = self._clients.get(triplet.network)
        if client is not None:
            if is_proven(client, now, terms):
                fresh = seen(client, now, terms)
                if fresh is not None:
                    self._clients.put(triplet.network, fresh)
                    self._tell(Book.meet, (triplet,), now, terms)
                return Meeting(Outcome.CLIENT, client.first / 1000)
            row = self._rows.get(triplet)
            if row is not None:
                changed, meeting = judge(row, now, terms)
                if changed is None:
                    return meeting
                if meeting.outcome is Outcome.KNOWN:
                    self._rows.put(triplet, changed)
                    self._tell(Book.meet, (triplet,), now, terms)
                    return meeting
        return self._ask(Book.meet, (triplet,), now, terms)

    async def start(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        if triplets:
            await self._ask(Book.start, tuple(triplets), now, terms)

    def accept(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        if triplets:
            self._tell(Book.accept, tuple(triplets), now, terms)

    async def bring(
        self, triplets: Sequence[Brought], clients: Sequence[BroughtClient], now: float, terms: Terms
    ) -> dict[str, int]:
        bringing = Bringing(triplets, clients)
        if bringing.triplets:
            await self._ask(bringing.act, bringing.triplets, now, terms)
        return bringing.counted()

    async def expire(self, now: float, terms: Terms) -> int:
        self._expired = max(self._expired, now)
        total = 0
        for forget in (rows.forget_waiting, rows.forget_passed, rows.forget_clients):
            gone = rows.STEP
            while gone == rows.STEP:
                gone = await self._worker.ask(partial(self._forget, forget, now, terms))
                total += gone
        counted = await self.count()
        return total + await self._make_room(counted["waiting"] + counted["passed"])

    async def count(self) -> dict[str, int]:
        return await asyncio.to_thread(self._count)

    # --- in the event loop ---------------------------------------------------------------------------

    def _ask(
        self,
        act: Callable[[Book, Triplet, float, Terms], Meeting | None],
        triplets: tuple[Triplet, ...],
        now: float,
        terms: Terms,
    ) -> Awaitable[Meeting]:
        if self._asked >= self._options.waiting_questions:
            raise StoreError(f"{self._file.path}: {self._asked} questions wait for the disk already")
        future: asyncio.Future[Meeting | None] = asyncio.get_running_loop().create_future()
        self._worker.post(Question(act, rows.clean(triplets), now, terms, future))
        self._asked += 1
        return future  # type: ignore[return-value]  # a meet is answered by a Meeting

    def _tell(
        self,
        act: Callable[[Book, Triplet, float, Terms], Meeting | None],
        triplets: tuple[Triplet, ...],
        now: float,
        terms: Terms,
    ) -> None:
        """Let something be written that nobody waits for: when it is lost, mail waits once more at worst."""
        if self._asked >= self._options.waiting_questions:
            return
        with suppress(StoreError):
            self._worker.post(Question(act, rows.clean(triplets), now, terms))
            self._asked += 1

    def _deliver(
        self, questions: list[Question], answers: list[Meeting | None], book: Book, fresh: int, taken: int
    ) -> None:
        """Take over what is on the disk now, and tell those who wait."""
        self._asked -= taken
        self._notice_loss(fresh)
        for question, answer in zip(questions, answers, strict=True):
            for triplet in question.triplets:
                row = book.rows.get(triplet)
                if row is not None:
                    self._rows.put(triplet, row)
                self._clients.put(triplet.network, book.clients.get(triplet.network, NOBODY))
            if question.future is not None and not question.future.done():
                question.future.set_result(answer)

    def _refuse(self, questions: list[Question], error: StoreError) -> None:
        self._asked -= len(questions)
        self._notice_loss(self._file.fresh)
        for question in questions:
            if question.future is not None and not question.future.done():
                question.future.set_exception(error)

    def _notice_loss(self, fresh: int) -> None:
        """A damaged file was set aside: what memory holds is no longer on the disk."""
        if fresh != self._fresh:
            self._fresh = fresh
            self._forget_copies()

    def _distrust_memory(self, now: float) -> None:
        """The clock was set back behind an expiry, which may have forgotten what memory still holds."""
        self._expired = now
        self._forget_copies()

    def _forget_copies(self) -> None:
        self._rows.clear()
        self._clients.clear()

    async def _make_room(self, rows_now: int) -> int:
        excess = max(rows_now - self._options.triplets, 0)
        left = excess
        while left > 0:
            gone = await self._worker.ask(partial(self._forget_oldest, min(left, rows.STEP)))
            if not gone:
                break
            left -= len(gone)
            for triplet in gone:
                self._rows.drop(triplet)
        return excess - left

    # --- in the thread -------------------------------------------------------------------------------

    def _answer(self, connection: sqlite3.Connection, questions: list[Question]) -> Deliver:
        """Judge a batch and write it; nothing is remembered before the commit."""
        fresh = self._file.fresh
        asked = [q for q in questions if q.future is None or not q.future.cancelled()]
        triplets = {triplet for question in asked for triplet in question.triplets}
        book = self._load(connection, triplets)
        answers: list[Meeting | None] = []
        for question in asked:
            answer = None
            for triplet in question.triplets:
                answer = question.act(book, triplet, question.now, question.terms)
            answers.append(answer)
        try:
            rows.write(connection, book)
        except sqlite3.Error:
            self._waiting.clear()
            raise
        self._added += len(book.changed)
        for network in {triplet.network for triplet in triplets}:
            self._waiting.put(network, book.waiting.get(network, 0))
        return partial(self._deliver, asked, answers, book, fresh, len(questions))

    def _load(self, connection: sqlite3.Connection, triplets: set[Triplet]) -> Book:
        """The rows that the batch needs."""
        book = Book()
        networks = {triplet.network for triplet in triplets}
        uncounted: list[str] = []
        for network in networks:
            count = self._waiting.get(network)
            if count is None:
                uncounted.append(network)
            else:
                book.waiting[network] = count
        wanted = [*triplets, *(shared(network) for network in networks)]
        rows.read(connection, book, wanted, list(networks), uncounted)
        return book

    def _forget(
        self,
        forget: Callable[[sqlite3.Connection, float, Terms], int],
        now: float,
        terms: Terms,
        connection: sqlite3.Connection,
    ) -> int:
        gone = forget(connection, now, terms)
        if gone:
            self._waiting.clear()
        return gone

    def _forget_oldest(self, limit: int, connection: sqlite3.Connection) -> list[Triplet]:
        self._waiting.clear()
        return rows.forget_oldest(connection, limit)

    def _chore(self, connection: sqlite3.Connection) -> None:
        """Make room when a flood comes between two expiries."""
        if self._added <= self._options.triplets // 10:
            return
        self._added = 0
        counted = rows.count(connection)
        excess = counted["waiting"] + counted["passed"] - self._options.triplets
        while excess > 0 and (gone := rows.forget_oldest(connection, min(excess, rows.STEP))):
            excess -= len(gone)
            self._waiting.clear()
            self._file.fresh += 1

    def _count(self) -> dict[str, int]:
        """Counted on a connection of its own: it may take long."""
        try:
            connection = connect(self._file.path, "ro", self._options.busy_timeout)
            try:
                return rows.count(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(f"{self._file.path} cannot be counted: {error}") from error
