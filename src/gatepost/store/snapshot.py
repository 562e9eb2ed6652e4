"""Snapshots of what people entered: whole databases beside the file, the newest is number 0.

Each is written under another name, synced, and then renamed, so that a
snapshot is either there and whole or not there.

Raises: sqlite3.Error and OSError while one is made; `restore` raises StoreError.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from gatepost.store import migrate
from gatepost.store.base import StoreError
from gatepost.store.file import connect
from gatepost.store.places import make_file

SCHEMA = "kept"
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW


def name(path: Path, number: int) -> Path:
    """Where a snapshot stands."""
    return path.with_name(f"{path.name}.snapshot-{number}")


def make(connection: sqlite3.Connection, path: Path, keep: int, *, further: bool) -> None:
    """Write the newest snapshot; a `further` one moves the older ones on, else it takes their first place."""
    new = path.with_name(f"{path.name}.snapshot-new")
    new.unlink(missing_ok=True)
    make_file(new)
    connection.execute("VACUUM INTO ?", (str(new),))
    _sync(new)
    if further:
        for number in range(keep - 1, 0, -1):
            if name(path, number - 1).exists():
                name(path, number - 1).replace(name(path, number))
    new.replace(name(path, 0))
    _sync(path.parent)


def is_due(path: Path, now: float, every: float) -> bool:
    """True when the newest snapshot is of an earlier hour (of whatever length), or there is none."""
    try:
        return name(path, 0).stat().st_mtime // every != now // every
    except FileNotFoundError:
        return True


def rescue(path: Path, keep: int) -> str:
    """Put the newest good snapshot in the place of a lost file; a sentence about it, empty without any."""
    for number in range(max(keep, 1)):
        snapshot = name(path, number)
        if snapshot.exists() and is_good(snapshot):
            _put(snapshot, path)
            return f"{path} was restored from {snapshot.name}"
    return ""


def restore(path: Path, number: int = 0) -> str:
    """Put a snapshot in the place of the file, while nobody uses it; the present file is kept as `.replaced`.

    Raises:
        StoreError: there is no such snapshot, it is damaged, or files cannot be written.
    """
    snapshot = name(path, number)
    if not snapshot.exists():
        raise StoreError(f"there is no snapshot {snapshot}")
    if not is_good(snapshot):
        raise StoreError(f"{snapshot} is damaged; try a higher number")
    try:
        for ending in ("-wal", "-shm", ""):
            present = Path(f"{path}{ending}")
            if present.exists():
                present.replace(f"{path}.replaced{ending}")
        _put(snapshot, path)
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror or error}") from error
    return f"{path} was restored from {snapshot.name}; what it held before is in {path.name}.replaced"


def is_good(snapshot: Path) -> bool:
    """True when the snapshot is whole and of a schema that this version knows."""
    try:
        with closing(connect(snapshot, "ro", 0)) as connection:
            migrate.refuse_newer(connection, SCHEMA, snapshot)
            found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            connection.execute("SELECT count(*) FROM entry").fetchone()
            return found == "ok"
    except (sqlite3.Error, StoreError):
        return False


def _put(snapshot: Path, path: Path) -> None:
    new = path.with_name(f"{path.name}.restored-new")
    new.unlink(missing_ok=True)
    make_file(new)
    with snapshot.open("rb") as source, os.fdopen(os.open(new, _WRITE), "wb") as target:
        shutil.copyfileobj(source, target)
    _sync(new)
    new.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
