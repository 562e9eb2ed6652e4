"""Gatepost itself in the lab: the real daemon, started as anybody would, with a configuration file.

Raises: LabError when it does not start; what it said is quoted.
"""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from gatepost.clock import SystemClock
from gatepost.lab.processes import stop, wait_until_up
from gatepost.lab.settings import Table, to_toml
from gatepost.store.base import JournalEntry
from gatepost.store.journal import EVERY, SqliteJournal
from gatepost.store.options import StoreOptions
from gatepost.store.places import journal_path

Start = Callable[..., "subprocess.Popen[bytes]"]
"""Starts a program: a log file, then the words of its command line."""
Run = Callable[..., str]
"""Runs a program to its end: the words of its command line; what it printed."""
EVERYBODY = "::/0"
"""All clients: the journal finds IPv4 as mapped into IPv6."""
ENTRIES = 100_000


class Gate:
    """A running `gatepost run`, and its commands."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.folder = folder
        self.config = folder / "gatepost.toml"
        self.database = folder / "gatepost.db"
        self.log = folder / "gatepost.log"
        self._run = run

    def command(self, *words: str) -> str:
        """Run a `gatepost` command on this daemon's configuration; what it printed."""
        return self._run(sys.executable, "-m", "gatepost", *words, "--config", self.config)

    def notes(self) -> tuple[str, ...]:
        """What the daemon says people should know: lists put aside, parts that are off."""
        told = msgspec.json.decode(self.command("status", "--json"))
        return tuple(told["notes"])

    def journal(self) -> tuple[JournalEntry, ...]:
        """Every verdict so far, read from the journal's file when the daemon writes nothing more into it."""
        seen: tuple[JournalEntry, ...] = ()
        for _ in range(20):
            time.sleep(2 * EVERY)
            found = tuple(asyncio.run(_read(self.database)))
            if len(found) == len(seen) > 0:
                break
            seen = found
        return seen


async def _read(database: Path) -> list[JournalEntry]:
    journal = SqliteJournal(journal_path(database), StoreOptions(), SystemClock())
    await journal.open()
    try:
        return await journal.find(EVERYBODY, ENTRIES)
    finally:
        await journal.close()


@contextlib.contextmanager
def gatepost(folder: Path, table: Table, start: Start, run: Run, ready: Callable[[], bool]) -> Iterator[Gate]:
    """Run the daemon with this configuration, until the block is left."""
    folder.mkdir(exist_ok=True)
    gate = Gate(folder, run)
    gate.config.write_text(to_toml(table))
    process = start(gate.log, sys.executable, "-m", "gatepost", "run", "--config", gate.config)
    try:
        wait_until_up("gatepost run", process, gate.log, ready)
        yield gate
    finally:
        stop(process)
