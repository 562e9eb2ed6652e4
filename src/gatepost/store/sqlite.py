"""The default store: three SQLite files, so that trouble with one never costs the others.

- `gatepost.db`: triplets and proven networks; owned by one process.
- `gatepost-kept.db`: what people entered, correspondents and bans; with snapshots.
- `gatepost-journal.db`: verdicts.

A file that cannot be opened does not keep the daemon from starting: questions
to it raise StoreError until a later try succeeds, and `troubles` says so.
"""

import asyncio
from pathlib import Path

from gatepost.clock import Clock
from gatepost.store.file import File
from gatepost.store.journal import SqliteJournal
from gatepost.store.kept import Kept
from gatepost.store.lock import Lock
from gatepost.store.options import StoreOptions
from gatepost.store.places import journal_path, kept_path, lock_path
from gatepost.store.triplets import SqliteGreylist


class SqliteStore:
    """All parts of the store."""

    def __init__(self, path: Path, options: StoreOptions, clock: Clock) -> None:
        triplets = File(
            path,
            "triplets",
            clock,
            busy=options.busy_timeout,
            pragmas=("PRAGMA synchronous = FULL",),
            lock=Lock(lock_path(path)),
        )
        self.kept = Kept(kept_path(path), options, clock)
        self.greylist = SqliteGreylist(triplets, options, clock)
        self.lists = self.kept.lists
        self.correspondents = self.kept.correspondents
        self.bans = self.kept.bans
        self.journal = SqliteJournal(journal_path(path), options, clock)
        self._files = (triplets, self.kept.file, self.journal.file)

    async def open(self) -> None:
        """Start; `troubles` tells what does not work yet."""
        await asyncio.gather(self.greylist.open(), self.kept.open(), self.journal.open())

    async def close(self) -> None:
        """Write what is owed and let go of the files."""
        await asyncio.gather(self.greylist.close(), self.kept.close(), self.journal.close())

    def troubles(self) -> tuple[str, ...]:
        now = (self.greylist.trouble, self.kept.file.trouble, self.journal.file.trouble)
        told = [trouble for trouble in now if trouble]
        for file in self._files:
            told.extend(file.mended)
        if self.journal.dropped():
            told.append(f"{self.journal.dropped()} verdicts were not journalled: the disk is too slow")
        return tuple(told)
