"""The journal in SQLite: verdicts are queued without waiting and written a few times a second.

It is the one part that may lose something: a full queue drops and counts, and
a power cut costs the last moments (synchronous=NORMAL).

Raises: StoreError from everything that is awaited.
"""

import json
import sqlite3
from collections import deque
from functools import lru_cache, partial
from pathlib import Path

import msgspec

from gatepost.clock import Clock
from gatepost.store.base import JournalEntry
from gatepost.store.file import File
from gatepost.store.options import StoreOptions
from gatepost.store.search import Search, client_key, search, sender_key
from gatepost.store.search import mail_key as recipient_key
from gatepost.store.text import plain
from gatepost.store.transaction import transaction
from gatepost.store.worker import Worker

EVERY = 0.25
"""Seconds between two writes."""
BATCH = 2_000
"""Verdicts in one transaction at most."""
STEP = 1_000
"""Verdicts forgotten in one transaction at most."""
MEGABYTE = 1_000_000

_to_json = msgspec.json.Encoder().encode

TOGETHER = 100
"""Verdicts in one statement at most: each statement hands the interpreter over to other threads."""

_COLUMNS = "time, reference, client, sender, recipient, queue_id, instance, entry"
_FIND_WORD = """
SELECT number FROM verdict WHERE reference = :word
UNION SELECT number FROM verdict WHERE queue_id = :word AND queue_id <> ''
UNION SELECT number FROM verdict WHERE instance <> '' AND instance IN (
  SELECT instance FROM verdict WHERE queue_id = :word AND queue_id <> '')
"""
_FIND_CLIENT = " UNION SELECT number FROM verdict WHERE client BETWEEN :first AND :last"
_FIND_MAIL = """
 UNION SELECT number FROM verdict WHERE sender BETWEEN :first AND :last
 UNION SELECT number FROM verdict WHERE recipient BETWEEN :first AND :last
"""


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
        self._queue: deque[JournalEntry] = deque()
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
            self._queue.append(entry)

    def dropped(self) -> int:
        return self._dropped

    async def find(self, what: str, limit: int = 20) -> list[JournalEntry]:
        await self.flush()
        return await self._worker.ask(partial(find, search(plain(what)), limit))

    async def flush(self) -> None:
        await self._worker.ask(self._write_all)

    async def expire(self, now: float) -> int:
        total = 0
        for forget in (partial(_forget_old, now - self._options.journal_keep), self._forget_excess):
            gone = STEP
            while gone == STEP:
                gone = await self._worker.ask(forget)
                total += gone
        return total

    # --- in the thread -------------------------------------------------------------------------------

    def _write_all(self, connection: sqlite3.Connection) -> None:
        while size := min(len(self._queue), BATCH):
            entries = [self._queue[place] for place in range(size)]
            with transaction(connection):
                for place in range(0, size, TOGETHER):
                    _insert(connection, entries[place : place + TOGETHER])
            for _ in range(size):
                self._queue.popleft()

    def _forget_excess(self, connection: sqlite3.Connection) -> int:
        """Forget the oldest verdicts while the file is larger than it may be."""
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        gone = 0
        if (pages - free) * page > self._options.journal_size * MEGABYTE:
            gone = _forget(connection, STEP)
        connection.execute("PRAGMA incremental_vacuum(4000)").fetchall()
        return gone


def find(wanted: Search, limit: int, connection: sqlite3.Connection) -> list[JournalEntry]:
    """The newest verdicts that were looked for."""
    if not wanted.word:
        return []
    query, values = _FIND_WORD, {"word": wanted.word, "limit": limit}
    if wanted.clients:
        query, values = query + _FIND_CLIENT, values | _range(wanted.clients)
    if wanted.mails:
        query, values = query + _FIND_MAIL, values | _range(wanted.mails)
    found = connection.execute(
        f"SELECT entry FROM verdict WHERE number IN ({query}) ORDER BY number DESC LIMIT :limit",  # noqa: S608
        values,
    )
    return [entry for (text,) in found.fetchall() if (entry := _decode(text)) is not None]


def _range(ends: tuple[str, str]) -> dict[str, str]:
    return {"first": ends[0], "last": ends[1]}


def _forget_old(before: float, connection: sqlite3.Connection) -> int:
    """Forget some of the verdicts written before a time: the oldest stand first."""
    count: int = connection.execute(
        "SELECT count(*) FROM (SELECT time FROM verdict ORDER BY number LIMIT ?) WHERE time < ?",
        (STEP, before),
    ).fetchone()[0]
    return _forget(connection, count) if count else 0


def _forget(connection: sqlite3.Connection, count: int) -> int:
    return connection.execute(
        "DELETE FROM verdict WHERE number IN (SELECT number FROM verdict ORDER BY number LIMIT ?)", (count,)
    ).rowcount


def _insert(connection: sqlite3.Connection, entries: list[JournalEntry]) -> None:
    values: list[object] = []
    for entry in entries:
        values += (
            entry.time,
            plain(entry.reference),
            _client_key(entry.client_address),
            _sender_key(entry.sender),
            _recipient_key(entry.recipient),
            plain(entry.queue_id),
            plain(entry.instance),
            _encode(entry),
        )
    connection.execute(_statement(len(entries)), values)


@lru_cache(TOGETHER)
def _statement(rows: int) -> str:
    places = ",".join(["(?,?,?,?,?,?,?,?)"] * rows)
    return f"INSERT INTO verdict ({_COLUMNS}) VALUES {places}"  # noqa: S608


def _encode(entry: JournalEntry) -> str:
    try:
        return _to_json(entry).decode()
    except UnicodeEncodeError:  # a lone surrogate: the parser makes none, but no verdict is worth a thread
        text = json.dumps(msgspec.to_builtins(entry), ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()


def _decode(text: str) -> JournalEntry | None:
    """The entry, or None when a newer version wrote something that this one cannot read."""
    try:
        return msgspec.json.decode(text, type=JournalEntry)
    except msgspec.MsgspecError:
        return None


@lru_cache(4096)
def _client_key(text: str) -> str:
    return client_key(plain(text))


@lru_cache(4096)
def _sender_key(text: str) -> str:
    return sender_key(plain(text))


@lru_cache(4096)
def _recipient_key(text: str) -> str:
    return recipient_key(plain(text))
