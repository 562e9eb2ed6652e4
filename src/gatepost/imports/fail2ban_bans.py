"""Bans that are in force in fail2ban's database, which is read and never changed.

Raises: DatabaseError.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec

from gatepost.ban.options import lenient_network
from gatepost.ban.table import one_form
from gatepost.store.base import Ban

MOST = 200_000
"""Bans that are read."""
_QUERY = """
    SELECT ip, jail, timeofban, bantime, bancount FROM bips
    WHERE bantime < 0 OR timeofban + bantime > ? ORDER BY timeofban LIMIT ?
"""


class DatabaseError(Exception):
    """It cannot be read; the text says why."""


class Running(msgspec.Struct, frozen=True):
    """What is in force."""

    bans: tuple[Ban, ...]
    not_addresses: int = 0
    """Bans of something else, such as a user's name."""
    more: bool = False
    """Whether there were more than MOST."""


def running(database: Path, now: float) -> Running:
    """The bans in force at `now`, in seconds since 1970; of the same network the one that ends last."""
    if not database.is_file():
        raise DatabaseError("there is no such file")
    place = f"file:{quote(str(database.absolute()))}?mode=ro"
    try:
        with closing(sqlite3.connect(place, uri=True, timeout=10)) as connection:
            rows = connection.execute(_QUERY, (now, MOST + 1)).fetchall()
    except sqlite3.Error as error:
        raise DatabaseError(_said(error)) from None
    found: dict[str, Ban] = {}
    others = 0
    for row in rows[:MOST]:
        ban = _ban(*row)
        if ban is None:
            others += 1
        elif (before := found.get(ban.network)) is None or _ends_later(ban, before):
            found[ban.network] = ban
    return Running(tuple(found.values()), others, len(rows) > MOST)


def _said(error: sqlite3.Error) -> str:
    if "no such table" in str(error) or "no such column" in str(error):
        return "it is no database of fail2ban 0.11 or later"
    return f"SQLite says: {error}"


def _ban(ip: object, jail: object, since: object, seconds: object, times: object) -> Ban | None:
    network = lenient_network(ip) if isinstance(ip, str) else None
    if network is None or not isinstance(since, int | float) or not isinstance(seconds, int | float):
        return None
    name = "".join(c for c in str(jail)[:64] if c.isprintable())
    return Ban(
        network=one_form(str(network)),
        since=float(since),
        until=None if seconds < 0 else float(since + seconds),
        reason=f"was banned by fail2ban, jail {name}",
        origin=f"fail2ban {name}",
        times=max(times, 1) if isinstance(times, int) else 1,
    )


def _ends_later(one: Ban, other: Ban) -> bool:
    return other.until is not None and (one.until is None or one.until > other.until)
