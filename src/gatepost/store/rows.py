"""The SQL of triplets and clients: whole batches in single statements, through JSON.

Raises: sqlite3.Error.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from gatepost.store.base import Terms, Triplet
from gatepost.store.book import Book
from gatepost.store.judge import ANY, Client, Row, milliseconds
from gatepost.store.text import plain

STEP = 500
"""Rows forgotten in one transaction: about five milliseconds, between two batches."""

_READ = """
SELECT json_array(
  json((SELECT json_group_array(json_array(k.key, t.first, t.last, t.passed))
        FROM json_each(:triplets) AS k CROSS JOIN triplet AS t
        ON t.network = json_extract(k.value, '$[0]') AND t.sender = json_extract(k.value, '$[1]')
        AND t.recipient = json_extract(k.value, '$[2]'))),
  json((SELECT json_group_array(json_array(k.key, c.successes, c.counted, c.first, c.last))
        FROM json_each(:networks) AS k CROSS JOIN client AS c ON c.network = k.value)),
  json((SELECT json_group_array(
          (SELECT count(*) FROM triplet AS t WHERE t.network = k.value AND t.passed = 0 AND t.sender <> :any))
        FROM json_each(:uncounted) AS k)))
"""
_WRITE_TRIPLETS = """
INSERT INTO triplet (network, sender, recipient, first, last, passed)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?) WHERE true
ON CONFLICT (network, sender, recipient)
DO UPDATE SET first = excluded.first, last = excluded.last, passed = excluded.passed
"""
_WRITE_CLIENTS = """
INSERT INTO client (network, successes, counted, first, last)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]')
FROM json_each(?) WHERE true
ON CONFLICT (network)
DO UPDATE SET successes = excluded.successes, counted = excluded.counted,
              first = excluded.first, last = excluded.last
"""
_FORGET_WAITING = """
DELETE FROM triplet WHERE (network, sender, recipient) IN (
  SELECT network, sender, recipient FROM triplet WHERE passed = 0 AND first < ? ORDER BY first LIMIT ?)
"""
_FORGET_PASSED = """
DELETE FROM triplet WHERE (network, sender, recipient) IN (
  SELECT network, sender, recipient FROM triplet WHERE passed > 0 AND last < ? ORDER BY last LIMIT ?)
"""
_FORGET_CLIENTS = """
DELETE FROM client WHERE network IN (SELECT network FROM client WHERE last < ? ORDER BY last LIMIT ?)
"""
_OLDEST_WAITING = """
SELECT json_group_array(json_array(network, sender, recipient)) FROM (
  SELECT network, sender, recipient FROM triplet WHERE passed = 0 ORDER BY first LIMIT ?)
"""
_OLDEST_PASSED = """
SELECT json_group_array(json_array(network, sender, recipient)) FROM (
  SELECT network, sender, recipient FROM triplet WHERE passed > 0 ORDER BY last LIMIT ?)
"""
_FORGET_THESE = """
DELETE FROM triplet WHERE (network, sender, recipient) IN (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
  FROM json_each(?))
"""


class _Found(msgspec.Struct, array_like=True):
    rows: list[tuple[int, int, int, int]]
    clients: list[tuple[int, int, int, int, int]]
    waiting: list[int]


_decode = msgspec.json.Decoder(_Found).decode
_decode_triplets = msgspec.json.Decoder(list[tuple[str, str, str]]).decode
_encode = msgspec.json.Encoder().encode


def clean(triplets: tuple[Triplet, ...]) -> tuple[Triplet, ...]:
    """Triplets as SQLite can hold them: no NUL, which would end a text, and no lone surrogates."""
    if all(
        t.network.isprintable() and t.sender.isprintable() and t.recipient.isprintable() for t in triplets
    ):
        return triplets
    return tuple(Triplet(plain(t.network), plain(t.sender), plain(t.recipient)) for t in triplets)


def read(
    connection: sqlite3.Connection,
    book: Book,
    triplets: Sequence[Triplet],
    networks: Sequence[str],
    uncounted: Sequence[str],
) -> None:
    """Fill the book with what is known of these triplets and networks, in one step."""
    keys = [(t.network, t.sender, t.recipient) for t in triplets]
    asked = {
        "triplets": _json(keys),
        "networks": _json(networks),
        "uncounted": _json(uncounted),
        "any": ANY,
    }
    (text,) = connection.execute(_READ, asked).fetchone()
    found = _decode(text)
    for key, first, last, passed in found.rows:
        book.rows[triplets[key]] = Row(first, last, passed)
    for key, successes, counted, first, last in found.clients:
        book.clients[networks[key]] = Client(successes, counted, first, last)
    for network, count in zip(uncounted, found.waiting, strict=True):
        if count:
            book.waiting[network] = count


def write(connection: sqlite3.Connection, book: Book) -> None:
    """Write what changed in the book; returns when it is on the disk.

    A single statement is its own transaction, which spares two steps for the
    most frequent batch: new triplets only.
    """
    if book.changed_clients:
        connection.execute("BEGIN IMMEDIATE")
        _write_clients(connection, book)
    if book.changed:
        rows = [
            (t.network, t.sender, t.recipient, row.first, row.last, row.passed)
            for t, row in ((t, book.rows[t]) for t in book.changed)
        ]
        connection.execute(_WRITE_TRIPLETS, (_json(rows),))
    if book.changed_clients:
        connection.execute("COMMIT")


def _write_clients(connection: sqlite3.Connection, book: Book) -> None:
    clients = [
        (network, client.successes, client.counted, client.first, client.last)
        for network, client in ((n, book.clients[n]) for n in book.changed_clients)
    ]
    connection.execute(_WRITE_CLIENTS, (_json(clients),))


def forget_waiting(connection: sqlite3.Connection, now: float, terms: Terms) -> int:
    """Forget some waiting triplets whose time is over; how many."""
    before = milliseconds(now) - milliseconds(terms.retry_window)
    return connection.execute(_FORGET_WAITING, (before, STEP)).rowcount


def forget_passed(connection: sqlite3.Connection, now: float, terms: Terms) -> int:
    """Forget some passed triplets whose time is over; how many."""
    before = milliseconds(now) - milliseconds(terms.keep)
    return connection.execute(_FORGET_PASSED, (before, STEP)).rowcount


def forget_clients(connection: sqlite3.Connection, now: float, terms: Terms) -> int:
    """Forget some networks whose time is over; how many."""
    before = milliseconds(now) - milliseconds(terms.keep)
    return connection.execute(_FORGET_CLIENTS, (before, STEP)).rowcount


def forget_oldest(connection: sqlite3.Connection, limit: int) -> list[Triplet]:
    """Forget the oldest waiting triplets, or when none waits, those that passed longest ago; which ones."""
    for oldest in (_OLDEST_WAITING, _OLDEST_PASSED):
        (text,) = connection.execute(oldest, (limit,)).fetchone()
        gone = [Triplet(*key) for key in _decode_triplets(text)]
        if gone:
            connection.execute(_FORGET_THESE, (text,))
            return gone
    return []


def count(connection: sqlite3.Connection) -> dict[str, int]:
    """How many there are: one pass over the rows is twenty times faster than one over each index."""
    (triplets, waiting, clients) = connection.execute(
        "SELECT count(*), coalesce(sum(passed = 0), 0), (SELECT count(*) FROM client) FROM triplet"
    ).fetchone()
    return {"waiting": waiting, "passed": triplets - waiting, "clients": clients}


def _json(values: Iterable[object]) -> str:
    return _encode(values).decode()
