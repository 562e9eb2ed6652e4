"""A thread that owns one File: SQLite blocks, the event loop must not.

It takes everything queued at once: questions together in one batch, so that
they share one commit; then jobs one by one; then the chore, when it is due.
Answers go back in one call, because each call wakes the loop.

Raises: StoreError from `ask` and `post`.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

import msgspec

from gatepost.clock import Clock, SystemClock
from gatepost.store.base import StoreError
from gatepost.store.file import File

log = logging.getLogger("gatepost.store")

T = TypeVar("T")
Q = TypeVar("Q")
Deliver = Callable[[], None]
"""What is done in the event loop with the answers of a batch."""

BATCH = 1000
"""Questions in one transaction at most."""
STUCK = 2.0
"""Seconds after which a disk that does not answer is no longer asked: mail passes at once then."""
STOP_WITHIN = 5.0
"""Seconds that a stopping thread is waited for; a dead disk must not keep us from ending."""

_MACHINE = SystemClock()
"""A real thread on a real disk is timed by the machine's clock, whatever time it is for the caller."""


class Job(msgspec.Struct):
    """Work for the thread, and who waits for it."""

    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]


class _Stop(msgspec.Struct):
    future: asyncio.Future[None]


class Worker(Generic[Q]):
    """The thread, its queue, and how answers come back."""

    def __init__(
        self,
        file: File,
        clock: Clock,
        *,
        every: float,
        chore: Callable[[sqlite3.Connection], None],
        answer: Callable[[sqlite3.Connection, list[Q]], Deliver] | None = None,
        refuse: Callable[[list[Q], StoreError], None] | None = None,
    ) -> None:
        """Describe the work; nothing runs yet.

        Args:
            file: what the thread owns.
            clock: tells when the chore is due.
            every: seconds between two chores.
            chore: what is done now and then.
            answer: answers a batch of questions; runs in the thread.
            refuse: tells those who asked that it failed; runs in the loop.
        """
        self.file = file
        self._clock = clock
        self._every = every
        self._chore = chore
        self._answer = answer
        self._refuse = refuse
        self._queue: SimpleQueue[object] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._due = 0.0
        self._stopping = False
        self._busy_since: float | None = None

    @property
    def stuck(self) -> str:
        """What to say of a disk that does not answer; empty while it does."""
        since = self._busy_since
        if since is None or (seconds := _MACHINE.monotonic() - since) <= STUCK:
            return ""
        return f"{self.file.path}: the disk has not answered for {seconds:.0f} seconds"

    async def start(self) -> None:
        """Start the thread; returns when it tried to open the file, with or without success."""
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"store-{self.file.path.name}", daemon=True)
        self._thread.start()
        with suppress(StoreError):
            await self.ask(lambda _: None)

    async def stop(self) -> None:
        """Let the thread do its chore a last time and end."""
        if not self._is_alive():
            return
        assert self._loop is not None
        self._stopping = True
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(_Stop(future))
        with suppress(TimeoutError):
            await asyncio.wait_for(future, STOP_WITHIN)
        self._thread = None

    def post(self, question: Q) -> None:
        """Queue a question for the next batch."""
        if not self._is_alive():
            raise StoreError(f"{self.file.path} is not open")
        if self.file.is_paused:
            raise StoreError(self.file.trouble)
        if stuck := self.stuck:
            raise StoreError(stuck)
        self._queue.put(question)

    async def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Let the thread do some work on the connection; its result."""
        if not self._is_alive():
            raise StoreError(f"{self.file.path} is not open")
        assert self._loop is not None
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(Job(work, future))
        return await future

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._stopping

    # --- in the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        stop = None
        try:
            while stop is None:
                items = self._drain()
                self._busy_since = _MACHINE.monotonic()
                stop = self._turn(items)
                self._busy_since = None
            self._attempt(self._chore)
        finally:
            self.file.close()
            self._abandon()
            if stop is not None:
                self._tell(_resolve, stop.future, None)

    def _drain(self) -> list[object]:
        """Everything queued, after waiting for something until the chore is due."""
        try:
            items = [self._queue.get(timeout=self._every)]
        except Empty:
            self._due = 0.0
            return []
        while len(items) < BATCH and not self._queue.empty():
            items.append(self._queue.get())
        return items

    def _turn(self, items: list[object]) -> _Stop | None:
        stop = None
        questions: list[Q] = []
        jobs: list[Job] = []
        for item in items:
            if isinstance(item, Job):
                jobs.append(item)
            elif isinstance(item, _Stop):
                stop = item
            else:
                questions.append(cast("Q", item))
        if questions:
            self._batch(questions)
        for job in jobs:
            self._do(job)
        if stop is None and self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + self._every
            self._attempt(self._chore)
        return stop

    def _batch(self, questions: list[Q]) -> None:
        assert self._answer is not None
        assert self._refuse is not None
        answer = self._answer
        done = self._attempt(lambda connection: answer(connection, questions))
        if isinstance(done, StoreError):
            self._tell(self._refuse, questions, done)
        else:
            self._tell(done)

    def _do(self, job: Job) -> None:
        if job.future.cancelled():
            return
        done = self._attempt(job.work)
        self._tell(_refuse_one if isinstance(done, StoreError) else _resolve, job.future, done)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T | StoreError:
        try:
            done = work(self.file.connection())
        except StoreError as error:
            return error
        except (sqlite3.Error, OSError) as error:
            return self.file.failed(error)
        except Exception as error:  # the fence of this thread: were it to end, nothing would be kept any more
            log.exception("%s: a question could not be answered", self.file.path)
            return StoreError(f"{self.file.path}: {type(error).__name__}")
        self.file.well()
        return done

    def _abandon(self) -> None:
        """Nobody may wait for a thread that has ended."""
        error = StoreError(f"{self.file.path} was closed")
        while not self._queue.empty():
            item = self._queue.get()
            if isinstance(item, Job):
                self._tell(_refuse_one, item.future, error)
            elif not isinstance(item, _Stop) and self._refuse is not None:
                self._tell(self._refuse, [item], error)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, *arguments)


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _refuse_one(future: asyncio.Future[Any], error: StoreError) -> None:
    if not future.done():
        future.set_exception(error)
