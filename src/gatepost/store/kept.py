"""What people entered, whom they write to, and bans: one file, one thread, and snapshots of it.

The newest snapshot is made anew soon after an entry changed; a further one is
begun every hour when something changed. A damaged file is replaced by it.
"""

import logging
import sqlite3
from functools import partial
from pathlib import Path

from gatepost.clock import Clock
from gatepost.store import snapshot
from gatepost.store.bans import SqliteBans
from gatepost.store.correspondents import SqliteCorrespondents
from gatepost.store.file import File
from gatepost.store.lists import SqliteLists
from gatepost.store.options import StoreOptions
from gatepost.store.worker import Worker

log = logging.getLogger("gatepost.store")

EVERY = 1.0
"""Seconds between two rounds of writing what was learned."""


class Kept:
    """The file, and the three parts that stand in it."""

    def __init__(self, path: Path, options: StoreOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self.file = File(
            path,
            snapshot.SCHEMA,
            clock,
            busy=options.busy_timeout,
            pragmas=("PRAGMA synchronous = FULL",),
            rescue=partial(snapshot.rescue, path, options.snapshots),
        )
        self._worker: Worker[None] = Worker(self.file, clock, every=EVERY, chore=self._chore)
        self.lists = SqliteLists(self._worker, clock)
        self.correspondents = SqliteCorrespondents(self._worker, options.correspondents)
        self.bans = SqliteBans(self._worker, clock)

    async def open(self) -> None:
        """Start."""
        await self._worker.start()

    async def close(self) -> None:
        """Write what is owed, make a snapshot of it, and end."""
        await self._worker.stop()

    async def snapshot(self) -> None:
        """Begin a further snapshot now; raises StoreError."""
        await self._worker.ask(self._make_further)

    def _chore(self, connection: sqlite3.Connection) -> None:
        self.lists.forget_over(connection)
        self.correspondents.write(connection)
        changed = self.lists.changed or self.correspondents.changed or self.bans.changed
        if not self._options.snapshots or not changed:
            return
        is_due = snapshot.is_due(self.file.path, self._clock.now(), self._options.snapshot_every)
        if self.lists.changed or is_due:
            try:
                self._make(connection, further=is_due)
            except OSError as error:
                log.error("store: no snapshot of %s could be made: %s", self.file.path, error)  # noqa: TRY400

    def _make_further(self, connection: sqlite3.Connection) -> None:
        self._make(connection, further=True)

    def _make(self, connection: sqlite3.Connection, *, further: bool) -> None:
        snapshot.make(connection, self.file.path, self._options.snapshots, further=further)
        self.lists.changed = self.correspondents.changed = self.bans.changed = False
