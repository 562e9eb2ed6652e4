"""The journal in SQLite: verdicts are queued without waiting and written a few times a second.

Each is encoded once, when it comes: a thousand at a time would hold up the
event loop. It is the one part that may lose something: a full queue drops and
counts, and a power cut costs the last moments (synchronous=NORMAL).

Raises: StoreError from everything that is awaited.
"""

import json
import sqlite3
from collections import deque
from functools import partial
from pathlib import Path

import msgspec

from gatepost.clock import Clock
from gatepost.store import pages
from gatepost.store.base import JournalEntry
from gatepost.store.file import File
from gatepost.store.options import StoreOptions
from gatepost.store.search import search
from gatepost.store.worker import Worker

EVERY = 0.25
"""Seconds between two writes."""
BATCH = 2_000
"""Verdicts in one transaction at most."""
MEGABYTE = 1_000_000

_to_json = msgspec.json.Encoder().encode


class SqliteJournal:
    """The Journal on one file."""

    def __init__(self, path: Path, options: StoreOptions, clock: Clock) -> None:
        self.file = File(
            path,
            "journal",
            clock,
            busy=options.busy_timeout,
            pragmas=("PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA synchronous = NORMAL"),
            check=False,
        )
        self._options = options
        self._queue: deque[pages.Line] = deque()
        self._dropped = 0
        self._worker: Worker[None] = Worker(self.file, clock, every=EVERY, chore=self._write_all)

    async def open(self) -> None:
        """Start."""
        await self._worker.start()

    async def close(self) -> None:
        """Write what is queued, and end."""
        await self._worker.stop()

    def write(self, entry: JournalEntry) -> None:
        if len(self._queue) >= self._options.journal_queue:
            self._dropped += 1
        else:
            self._queue.append(pages.Line(entry.time, _encode(entry)))

    def dropped(self) -> int:
        return self._dropped

    async def find(self, what: str, limit: int = 20) -> list[JournalEntry]:
        await self.flush()
        return await self._worker.ask(partial(pages.find, search(what), limit))

    async def flush(self) -> None:
        await self._worker.ask(self._write_all)

    async def expire(self, now: float) -> int:
        total = 0
        for forget in (
            partial(pages.forget_old, now - self._options.journal_keep),
            partial(pages.forget_excess, self._options.journal_size * MEGABYTE),
        ):
            while gone := await self._worker.ask(forget):
                total += gone
        return total

    # --- in the thread -------------------------------------------------------------------------------

    def _write_all(self, connection: sqlite3.Connection) -> None:
        while size := min(len(self._queue), BATCH):
            pages.write(connection, [self._queue[place] for place in range(size)])
            for _ in range(size):
                self._queue.popleft()


def _encode(entry: JournalEntry) -> bytes:
    try:
        return _to_json(entry)
    except UnicodeEncodeError:  # a lone surrogate: the parser makes none, but a verdict is worth more than it
        return json.dumps(msgspec.to_builtins(entry), ensure_ascii=False).encode("utf-8", "replace")
