"""Own lists in SQLite: on the disk before anybody hears that they are changed.

A number in the file grows with each change, whichever process made it; it is
never below the time in milliseconds, so that it grows over a restore too.

Raises: StoreError.
"""

import sqlite3
from functools import partial

import msgspec

from gatepost.clock import Clock
from gatepost.store.base import ListEntry
from gatepost.store.text import plain
from gatepost.store.transaction import transaction
from gatepost.store.worker import Worker

LIST_ENTRIES = 100_000
"""List entries kept at most; a person enters them."""

_COLUMNS = "id, list, what, looks_at, scope, comment, added, added_by, expires"


class SqliteLists:
    """The Lists on the file of what people entered."""

    def __init__(self, worker: Worker[None], clock: Clock) -> None:
        self._worker = worker
        self._clock = clock
        self.changed = False
        """Something changed since the last snapshot; the thread's own."""

    async def add(self, entry: ListEntry) -> ListEntry:
        return await self._worker.ask(partial(self._add, _plain(entry)))

    async def remove(self, list_name: str, what: str, looks_at: str | None = None) -> int:
        return await self._worker.ask(partial(self._remove, list_name, plain(what), looks_at))

    async def entries(self, now: float) -> list[ListEntry]:
        return await self._worker.ask(partial(entries, now))

    async def version(self) -> int:
        return await self._worker.ask(version)

    # --- in the thread -------------------------------------------------------------------------------

    def forget_over(self, connection: sqlite3.Connection) -> None:
        """Forget entries whose time is over, so that the version tells."""
        now = self._clock.now()
        if connection.execute("SELECT 1 FROM entry WHERE expires <= ? LIMIT 1", (now,)).fetchall():
            with transaction(connection):
                connection.execute("DELETE FROM entry WHERE expires <= ?", (now,))
                self._mark(connection)

    def _add(self, entry: ListEntry, connection: sqlite3.Connection) -> ListEntry:
        with transaction(connection):
            key = (entry.list, entry.what, entry.looks_at)
            connection.execute("DELETE FROM entry WHERE list = ? AND what = ? AND looks_at = ?", key)
            done = connection.execute(
                "INSERT INTO entry (list, what, looks_at, scope, comment, added, added_by, expires)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key, entry.scope, entry.comment, entry.added, entry.added_by, entry.expires),
            )
            connection.execute(
                "DELETE FROM entry WHERE id IN (SELECT id FROM entry ORDER BY id DESC LIMIT -1 OFFSET ?)",
                (LIST_ENTRIES,),
            )
            self._mark(connection)
        return msgspec.structs.replace(entry, id=done.lastrowid or 0)

    def _remove(self, list_name: str, what: str, looks_at: str | None, connection: sqlite3.Connection) -> int:
        with transaction(connection):
            gone = connection.execute(
                "DELETE FROM entry WHERE list = :list AND what = :what"
                " AND (:looks_at IS NULL OR looks_at = :looks_at)",
                {"list": list_name, "what": what, "looks_at": looks_at},
            ).rowcount
            if gone:
                self._mark(connection)
        return gone

    def _mark(self, connection: sqlite3.Connection) -> None:
        at = int(self._clock.now() * 1000)
        connection.execute("UPDATE version SET number = max(number + 1, ?)", (at,))
        self.changed = True


def entries(now: float, connection: sqlite3.Connection) -> list[ListEntry]:
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM entry WHERE expires IS NULL OR expires > ? ORDER BY id",  # noqa: S608
        (now,),
    )
    return [ListEntry(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in found.fetchall()]


def version(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT number FROM version").fetchone()[0]
    return number


def _plain(entry: ListEntry) -> ListEntry:
    return msgspec.structs.replace(
        entry, what=plain(entry.what), comment=plain(entry.comment), added_by=plain(entry.added_by)
    )
