"""The SQL of the journal: pages of verdicts, written together, searched newest first, forgotten together.

SQLite looks for a text that every wanted verdict holds; only pages that hold
it are decoded, and judged exactly. That reads about a gigabyte a second.

Raises: sqlite3.Error.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from gatepost.store.base import JournalEntry
from gatepost.store.search import Search, hint, matches, verbatim
from gatepost.store.transaction import transaction

PAGE = 100
"""Verdicts on one page at most: about 70 kilobytes."""
STEP = 10
"""Pages forgotten in one transaction at most."""


class _When(msgspec.Struct):
    time: float


_decode_entry = msgspec.json.Decoder(JournalEntry).decode
_decode_time = msgspec.json.Decoder(_When).decode


class Line(msgspec.Struct, frozen=True, gc=False):
    """A verdict as it is written."""

    time: float
    json: bytes


def write(connection: sqlite3.Connection, lines: Sequence[Line]) -> None:
    """Write verdicts, oldest first, on as few pages as they need."""
    with transaction(connection):
        for place in range(0, len(lines), PAGE):
            page = lines[place : place + PAGE]
            entries = b"\n".join([line.json for line in page]).decode()
            connection.execute(
                "INSERT INTO page (first, last, verdicts, entries) VALUES (?, ?, ?, ?)",
                (page[0].time, page[-1].time, len(page), entries),
            )


# --- searching --------------------------------------------------------------------------------------


def find(wanted: Search, limit: int, connection: sqlite3.Connection) -> list[JournalEntry]:
    """The newest verdicts that were looked for, and those of the same mail as a queue id looked for."""
    if not wanted.word:
        return []
    found = _first(connection, wanted, limit, (hint(wanted),), set())
    instances = {e.instance for e in found if e.instance and e.queue_id == wanted.word}
    if not instances:
        return found
    return _first(connection, wanted, limit, (hint(wanted), *map(verbatim, instances)), instances)


def _first(
    connection: sqlite3.Connection, wanted: Search, limit: int, hints: Sequence[str], instances: set[str]
) -> list[JournalEntry]:
    entries = (e for e in _entries(connection, hints) if matches(e, wanted, instances))
    return list(islice(entries, limit))


def _entries(connection: sqlite3.Connection, hints: Sequence[str]) -> Iterator[JournalEntry]:
    """Verdicts of the pages that hold one of these texts, newest first.

    A verdict that a newer version wrote and this one cannot read is left out.
    """
    where = " OR ".join(["entries LIKE ? ESCAPE '\\'"] * len(hints))
    found = connection.execute(
        f"SELECT entries FROM page WHERE {where} ORDER BY number DESC",  # noqa: S608
        [f"%{_escaped(text)}%" for text in hints],
    )
    for (entries,) in found:
        for line in reversed(entries.split("\n")):
            try:
                yield _decode_entry(line)
            except msgspec.MsgspecError:
                continue


def _escaped(text: str) -> str:
    """`text` as LIKE takes it for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# --- forgetting -------------------------------------------------------------------------------------


def forget_old(before: float, connection: sqlite3.Connection) -> int:
    """Forget some of the verdicts written before a time; how many, 0 when none is left."""
    with transaction(connection):
        over = connection.execute(
            "SELECT max(number) FROM (SELECT number, last FROM page ORDER BY number LIMIT ?) WHERE last < ?",
            (STEP, before),
        ).fetchone()[0]
        return _trim(connection, before) if over is None else _forget(connection, over)


def forget_excess(most: int, connection: sqlite3.Connection) -> int:
    """Forget some of the oldest verdicts when the file holds more octets than `most`; how many."""
    size, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    gone = 0
    if (pages - free) * size > most:
        with transaction(connection):
            oldest = "SELECT max(number) FROM (SELECT number FROM page ORDER BY number LIMIT ?)"
            gone = _forget(connection, connection.execute(oldest, (STEP,)).fetchone()[0])
    connection.execute("PRAGMA incremental_vacuum(4000)").fetchall()
    return gone


def _forget(connection: sqlite3.Connection, until: int | None) -> int:
    """Forget the pages up to a number; how many verdicts there were."""
    gone = connection.execute("SELECT total(verdicts) FROM page WHERE number <= ?", (until,)).fetchone()[0]
    connection.execute("DELETE FROM page WHERE number <= ?", (until,))
    return int(gone)


def _trim(connection: sqlite3.Connection, before: float) -> int:
    """Forget the first verdicts of a page that began before a time and ended after it; how many."""
    page = connection.execute(
        "SELECT number, entries FROM page WHERE first < ? ORDER BY number LIMIT 1", (before,)
    ).fetchone()
    if page is None:
        return 0
    lines = page[1].split("\n")
    left = [line for line in lines if _time(line) >= before]
    connection.execute(
        "UPDATE page SET first = ?, verdicts = ?, entries = ? WHERE number = ?",
        (before, len(left), "\n".join(left), page[0]),
    )
    return len(lines) - len(left)


def _time(line: str) -> float:
    """When a verdict was given, whatever version wrote it."""
    try:
        return _decode_time(line).time
    except msgspec.MsgspecError:
        return 0.0
