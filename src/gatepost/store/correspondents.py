"""People our users write to, in SQLite: learned without waiting, written about once a second.

Most senders are strangers: a filter in memory answers for them at once.

Raises: StoreError.
"""

import sqlite3
from collections import deque
from collections.abc import Awaitable
from functools import partial

import msgspec

from gatepost.store.base import StoreError
from gatepost.store.judge import REFRESH, milliseconds
from gatepost.store.maybe import Maybe
from gatepost.store.recent import Recent
from gatepost.store.text import plain
from gatepost.store.worker import Worker

OWED = 10_000
"""Addresses that may wait to be written; beyond, learning stops until the disk takes them."""
CACHED = 20_000
PAGE = 5_000

_WRITE = """
INSERT INTO correspondent (mail, last) SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]')
FROM json_each(?) WHERE true ON CONFLICT (mail) DO UPDATE SET last = max(last, excluded.last)
"""
_FORGET = """
DELETE FROM correspondent WHERE mail IN (
  SELECT mail FROM correspondent ORDER BY last DESC LIMIT -1 OFFSET ?)
"""
_READ = """
SELECT json_group_array(mail) FROM (SELECT mail FROM correspondent WHERE mail > ? ORDER BY mail LIMIT ?)
"""


class SqliteCorrespondents:
    """The Correspondents on the file of what people entered."""

    def __init__(self, worker: Worker[None], limit: int) -> None:
        self._worker = worker
        self._limit = limit
        self._recent: Recent[str, int] = Recent(CACHED)
        self._owed: deque[tuple[str, int]] = deque()
        self._all: Maybe | None = None
        """Everybody in the file; None until it was read."""
        self._read: tuple[sqlite3.Connection, int] | None = None
        """What `_all` was read from: the connection, and SQLite's number for changes by others."""
        self._written = 0
        self.changed = False
        """Something changed since the last snapshot; the thread's own."""

    def learn(self, mail: str, now: float) -> None:
        mail, at = plain(mail), milliseconds(now)
        before = self._recent.get(mail)
        if (before is not None and abs(at - before) < REFRESH) or len(self._owed) >= OWED:
            return
        self._recent.put(mail, at)
        self._owed.append((mail, at))

    def knows(self, mail: str, now: float, keep: float) -> bool | Awaitable[bool]:
        mail = plain(mail)
        last = self._recent.get(mail)
        if last is not None:
            return milliseconds(now) - last <= milliseconds(keep)
        if self._all is not None and mail not in self._all:
            return False
        return self._look_up(mail, now, keep)

    async def count(self) -> int:
        return await self._worker.ask(self._count)

    async def _look_up(self, mail: str, now: float, keep: float) -> bool:
        if stuck := self._worker.stuck:
            raise StoreError(stuck)
        last = await self._worker.ask(partial(last_written, mail))
        if last is None:
            return False
        self._recent.put(mail, last)
        return milliseconds(now) - last <= milliseconds(keep)

    # --- in the thread -------------------------------------------------------------------------------

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what was learned, and notice what others wrote."""
        self._read_all(connection)
        owed = [self._owed[place] for place in range(len(self._owed))]
        if not owed:
            return
        connection.execute(_WRITE, (msgspec.json.encode(owed).decode(),))
        assert self._all is not None
        for mail, _ in owed:
            self._owed.popleft()
            self._all.add(mail)
        self.changed = True
        self._written += len(owed)
        if self._written > self._limit // 100:
            self._written = 0
            connection.execute(_FORGET, (self._limit,))

    def _read_all(self, connection: sqlite3.Connection) -> None:
        changes = connection.execute("PRAGMA data_version").fetchone()[0]
        if self._read is not None and self._read[0] is connection and self._read[1] == changes:
            return
        everybody, after = Maybe(), ""
        while True:
            (text,) = connection.execute(_READ, (after, PAGE)).fetchone()
            page: list[str] = msgspec.json.decode(text)
            for mail in page:
                everybody.add(mail)
            if len(page) < PAGE:
                break
            after = page[-1]
        self._all, self._read = everybody, (connection, changes)

    def _count(self, connection: sqlite3.Connection) -> int:
        self.write(connection)
        number: int = connection.execute("SELECT count(*) FROM correspondent").fetchone()[0]
        return number


def last_written(mail: str, connection: sqlite3.Connection) -> int | None:
    """When one of us wrote to this address last, in milliseconds."""
    found = connection.execute("SELECT last FROM correspondent WHERE mail = ?", (mail,)).fetchone()
    return None if found is None else found[0]
