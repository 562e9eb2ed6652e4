"""One SQLite file: opened, migrated, checked, and mended when it is damaged.

Belongs to one thread at a time (see `worker`). A file that cannot be opened is
tried again later, with a pause that grows to PAUSE_MAX; a damaged one is set
aside as `<name>.corrupt-<UTC time>` and started afresh, or from a snapshot
where there is one. A file written by a newer version is never touched.

Raises: StoreError from `connection`; `failed` turns what SQLite or the system
raised during work into one. https://www.sqlite.org/wal.html
"""

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from gatepost.clock import Clock
from gatepost.store import migrate
from gatepost.store.base import StoreError
from gatepost.store.lock import Lock
from gatepost.store.places import make_directory, make_file

log = logging.getLogger("gatepost.store")

PAUSE_MIN = 0.1
PAUSE_MAX = 2.0
"""Seconds between two tries to open: a dead disk must not be asked for every mail."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether the file is still where it was."""
ASIDE_KEPT = 5
"""Damaged files kept for people to look at; a disk that rots must not fill up with them."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
"""Errors after which the connection is as good as before."""

_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program holds its lock; end that program",
    sqlite3.SQLITE_LOCKED: "another program holds its lock; end that program",
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_READONLY: "it may not be written; check owner, mode and how the file system is mounted",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the directory exists and may be written",
    sqlite3.SQLITE_PERM: "access is denied; check owner and mode",
    sqlite3.SQLITE_IOERR: "the disk reports errors; look at the system's log",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is not a database, or damaged",
}


class File:
    """A database file and the one connection to it."""

    def __init__(
        self,
        path: Path,
        schema: str,
        clock: Clock,
        *,
        busy: float,
        pragmas: tuple[str, ...] = (),
        check: bool = True,
        lock: Lock | None = None,
        rescue: Callable[[], str] | None = None,
    ) -> None:
        """Describe a file; nothing is opened yet.

        Args:
            path: where it is.
            schema: which migrations it needs.
            clock: for pauses between tries, and names of what is set aside.
            busy: seconds to wait for other programs' locks.
            pragmas: further settings, before all others.
            check: look through the whole file when it is opened.
            lock: held while the file is open.
            rescue: put something better in the place of a lost file; a sentence about what it did.
        """
        self.path = path
        self.trouble = ""
        """What is wrong now, for people; empty when all is well."""
        self.mended: deque[str] = deque(maxlen=ASIDE_KEPT)
        """What was wrong and is mended."""
        self.fresh = 0
        """Grows whenever rows went that copies in memory may still stand for."""
        self._schema = schema
        self._clock = clock
        self._busy = busy
        self._pragmas = (*pragmas, *_PRAGMAS)
        self._check = check
        self._lock = lock
        self._rescue = rescue
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, ...] = ()
        self._look_at = 0.0
        self._pause = 0.0
        self._retry_at = 0.0

    @property
    def is_paused(self) -> bool:
        """True while a failed file is not tried again yet."""
        return self._pause > 0 and self._clock.monotonic() < self._retry_at

    def connection(self) -> sqlite3.Connection:
        """The open connection; opens it when due.

        Raises:
            StoreError: it cannot be opened now.
        """
        if self.is_paused:
            raise StoreError(self.trouble)
        try:
            if self._connection is not None and self._is_moved():
                self.close()
                self._mend(f"{self.path} was taken away while in use: a new one was made")
                self.fresh += 1
            if self._connection is None:
                self._open()
        except (sqlite3.Error, OSError, StoreError) as error:
            raise self.failed(error) from error
        assert self._connection is not None
        return self._connection

    def well(self) -> None:
        """Work succeeded: whatever was wrong is over."""
        if self.trouble:
            log.warning("store: %s works again", self.path)
            self.trouble = ""
        self._pause = 0.0

    def failed(self, error: Exception) -> StoreError:
        """Work did not succeed: what to tell those who asked."""
        code = _code(error)
        text = str(error) if isinstance(error, StoreError) else told(self.path, error)
        if code in _PASSING and self._connection is not None:
            self._roll_back()
        else:
            self.close()
        if code in _DAMAGE:
            return StoreError(self._set_aside(text))
        if text != self.trouble:
            log.error("store: %s", text)
        self.trouble = text
        self._pause = min(max(self._pause * 2, PAUSE_MIN), PAUSE_MAX)
        self._retry_at = self._clock.monotonic() + self._pause
        return StoreError(text)

    def close(self) -> None:
        """Let go of the file; it may be opened again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
        if self._lock is not None:
            self._lock.release()

    def _open(self) -> None:
        make_directory(self.path.parent)
        if self._lock is not None:
            self._lock.take()
        if self._rescue is not None and _is_lost(self.path):
            rescued = self._rescue()
            if rescued:
                self._mend(rescued)
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGE:
                raise
            self._set_aside(told(self.path, error))
            self._connection = self._connect()
        self._identity = _identity(self.path)
        self._look_at = self._clock.monotonic() + LOOK_EVERY

    def _connect(self) -> sqlite3.Connection:
        make_file(self.path)
        connection = connect(self.path, "rw", self._busy)
        with ExitStack() as undo:
            undo.callback(connection.close)
            migrate.refuse_newer(connection, self._schema, self.path)
            for pragma in self._pragmas:
                connection.execute(pragma).fetchall()
            if self._check:
                _check(connection)
            migrate.migrate(connection, self._schema)
            # Tells now, not at the first mail, that it may not be written.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            undo.pop_all()
        return connection

    def _roll_back(self) -> None:
        assert self._connection is not None
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.rollback()

    def _is_moved(self) -> bool:
        """True when somebody deleted or replaced the file: what is written then is lost."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY
        return _identity(self.path) != self._identity

    def _set_aside(self, text: str) -> str:
        """Put a damaged file out of the way, and say so; the next `connection` starts afresh."""
        aside = _name_aside(self.path, self._clock.now())
        try:
            for ending in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{self.path}{ending}").rename(f"{aside}{ending}")
            _remove_oldest_aside(self.path)
        except OSError as error:
            self.trouble = f"{text}, and cannot be set aside ({error.strerror})"
            self._pause, self._retry_at = PAUSE_MAX, self._clock.monotonic() + PAUSE_MAX
            return self.trouble
        text = f"{text}: kept aside as {aside.name}"
        self.fresh += 1
        rescued = self._rescue() if self._rescue is not None else ""
        self._mend(f"{text}; {rescued or 'started afresh'}")
        return text

    def _mend(self, text: str) -> None:
        log.error("store: %s", text)
        self.mended.append(text)


def connect(path: Path, mode: str, busy: float) -> sqlite3.Connection:
    """A connection in autocommit mode; `mode` as in SQLite's URIs (`rw`, `ro`)."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=busy,
        isolation_level=None,
        check_same_thread=False,
    )


def _check(connection: sqlite3.Connection) -> None:
    """Look through the file.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(found)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _is_lost(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0


def _identity(path: Path) -> tuple[int, ...]:
    """Which files these are; empty when one is gone."""
    try:
        return tuple(os.stat(name).st_ino for name in (path, f"{path}-wal"))  # noqa: PTH116
    except FileNotFoundError:
        return ()


def _name_aside(path: Path, now: float) -> Path:
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    name, again = path.with_name(f"{path.name}.corrupt-{stamp}"), 1
    while name.exists():
        again += 1
        name = path.with_name(f"{path.name}.corrupt-{stamp}-{again}")
    return name


def _remove_oldest_aside(path: Path) -> None:
    aside = sorted(path.parent.glob(f"{path.name}.corrupt-*Z*"))
    names = [name for name in aside if not name.name.endswith(("-wal", "-shm"))]
    for name in names[:-ASIDE_KEPT]:
        for ending in ("", "-wal", "-shm"):
            Path(f"{name}{ending}").unlink(missing_ok=True)


def told(path: Path, error: Exception) -> str:
    """A sentence about an error of SQLite or the system, with what to do."""
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or error}; check the directory, its owner and mode"
    return f"{path}: {_ADVICE.get(_code(error), 'SQLite cannot work with it')} ({error})"


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 when there is none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
