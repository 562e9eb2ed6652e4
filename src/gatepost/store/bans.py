"""Bans in SQLite: on the disk before anybody is told of them. Any number in one transaction.

They stand in the file of what people entered, since people enter them as well.

Raises: StoreError.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from gatepost.clock import Clock
from gatepost.store.base import Ban, Past, Trusted
from gatepost.store.text import plain
from gatepost.store.transaction import transaction
from gatepost.store.worker import Worker

MOST = 500_000
"""Networks remembered at most; beyond, those whose bans ended longest ago are forgotten."""
TRUSTED = 100_000
"""Clients trusted at most; beyond, those longest ago are forgotten."""

_COLUMNS = "network, since, until, reason, origin, offences, times, evidence"
_PUT = f"INSERT OR REPLACE INTO ban ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own words
_TRUST = """
INSERT INTO trusted (address, why, last) VALUES (?, ?, ?)
ON CONFLICT (address) DO UPDATE SET why = excluded.why, last = excluded.last WHERE excluded.last > last
"""
_FORGET = "DELETE FROM ban WHERE until < ?"
_TOO_MANY = """
DELETE FROM ban WHERE network IN (
  SELECT network FROM ban ORDER BY until IS NULL DESC, until DESC LIMIT -1 OFFSET ?)
"""
_TOO_TRUSTING = """
DELETE FROM trusted WHERE address IN (SELECT address FROM trusted ORDER BY last DESC LIMIT -1 OFFSET ?)
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, ...]).decode


class SqliteBans:
    """The Bans on the file of what people entered."""

    def __init__(self, worker: Worker[None], clock: Clock) -> None:
        self._worker = worker
        self._clock = clock
        self.changed = False
        """Something changed since the last snapshot; the thread's own."""

    async def put(self, bans: Sequence[Ban]) -> None:
        if bans:
            await self._worker.ask(partial(self._put, [_row(ban) for ban in bans]))

    async def remove(self, networks: Sequence[str]) -> list[Ban]:
        return await self._worker.ask(partial(self._remove, list(networks), self._clock.now()))

    async def active(self, now: float) -> list[Ban]:
        return await self._worker.ask(partial(active, now))

    async def past(self, networks: Sequence[str]) -> dict[str, Past]:
        return await self._worker.ask(partial(past, list(networks)))

    async def trust(self, clients: Sequence[Trusted]) -> None:
        if clients:
            await self._worker.ask(partial(self._trust, list(clients)))

    async def trusted(self, since: float) -> list[Trusted]:
        return await self._worker.ask(partial(trusted, since))

    async def places(self) -> dict[str, str]:
        return await self._worker.ask(places)

    async def put_places(self, places: Mapping[str, str]) -> None:
        await self._worker.ask(partial(_put_places, dict(places)))

    async def expire(self, banned: float, trusted: float) -> int:
        return await self._worker.ask(partial(self._expire, banned, trusted))

    async def version(self) -> int:
        return await self._worker.ask(version)

    # --- in the thread -------------------------------------------------------------------------------

    def _put(self, rows: list[tuple[object, ...]], connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.executemany(_PUT, rows)
            connection.execute(_TOO_MANY, (MOST,))
            self._mark(connection)

    def _remove(self, networks: list[str], now: float, connection: sqlite3.Connection) -> list[Ban]:
        gone: list[Ban] = []
        with transaction(connection):
            for network in networks:
                found = connection.execute(
                    f"DELETE FROM ban WHERE network = ? RETURNING {_COLUMNS}",  # noqa: S608
                    (plain(network),),
                ).fetchall()
                gone += [ban for row in found if is_active(ban := _ban(row), now)]
            if gone:
                self._mark(connection)
        return gone

    def _trust(self, clients: list[Trusted], connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.executemany(_TRUST, [(plain(c.address), plain(c.why), c.last) for c in clients])
            connection.execute(_TOO_TRUSTING, (TRUSTED,))
            self.changed = True

    def _expire(self, banned: float, trusted: float, connection: sqlite3.Connection) -> int:
        with transaction(connection):
            gone = connection.execute(_FORGET, (banned,)).rowcount
            gone += connection.execute("DELETE FROM trusted WHERE last < ?", (trusted,)).rowcount
        return gone

    def _mark(self, connection: sqlite3.Connection) -> None:
        at = int(self._clock.now() * 1000)
        connection.execute("UPDATE ban_version SET number = max(number + 1, ?)", (at,))
        self.changed = True


def is_active(ban: Ban, now: float) -> bool:
    """Whether it is in force."""
    return ban.until is None or ban.until > now


def active(now: float, connection: sqlite3.Connection) -> list[Ban]:
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM ban WHERE until IS NULL OR until > ? ORDER BY since, network",  # noqa: S608
        (now,),
    )
    return [_ban(row) for row in found.fetchall()]


def past(networks: list[str], connection: sqlite3.Connection) -> dict[str, Past]:
    asked = _encode([plain(network) for network in networks]).decode()
    found = connection.execute(
        "SELECT network, times, coalesce(until, 9e15) FROM ban"
        " WHERE network IN (SELECT value FROM json_each(?))",
        (asked,),
    )
    return {network: Past(times, until) for network, times, until in found.fetchall()}


def trusted(since: float, connection: sqlite3.Connection) -> list[Trusted]:
    found = connection.execute("SELECT address, why, last FROM trusted WHERE last >= ?", (since,))
    return [Trusted(*row) for row in found.fetchall()]


def version(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT number FROM ban_version").fetchone()[0]
    return number


def places(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT log, place FROM log_place").fetchall())


def _put_places(places: dict[str, str], connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("DELETE FROM log_place")
        rows = [(plain(name), plain(place)) for name, place in places.items()]
        connection.executemany("INSERT INTO log_place VALUES (?, ?)", rows)


def _row(ban: Ban) -> tuple[object, ...]:
    evidence = _encode(tuple(plain(line) for line in ban.evidence)).decode()
    said = (plain(ban.reason), plain(ban.origin))
    return (plain(ban.network), ban.since, ban.until, *said, ban.offences, ban.times, evidence)


def _ban(row: tuple[object, ...]) -> Ban:
    *values, evidence = row
    named = dict(zip(_COLUMNS.split(", ")[:-1], values, strict=True))
    return msgspec.convert({**named, "evidence": _decode(str(evidence))}, Ban)
