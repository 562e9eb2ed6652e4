"""Backups of one Postfix configuration directory: made whole or not at all, and kept for root alone.

    /var/backups/gatepost/postfix/etc-postfix-1a2b3c4d/
        lock
        20261128T091500Z/manifest.json, outcome.json, 0.before, 0.after, ...

A backup without an outcome belongs to a change that is under way or was killed:
`transaction` undoes it. What lies here under a name that begins with a dot was
never finished and is removed.

Raises: BackupError, with a sentence for people.
"""

import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from gatepost.postfix.applying.filestate import FileError, FileState, read_state, stage, sync_folder
from gatepost.postfix.applying.manifest import (
    Backup,
    Manifest,
    Outcome,
    Saved,
    SavedFile,
    is_stamp,
    stamp_after,
    superfluous,
)

BACKUPS = Path("/var/backups/gatepost/postfix")
"""Not in the daemon's state: that belongs to a user without privileges."""

Kind = TypeVar("Kind", Manifest, Outcome)


class BackupError(Exception):
    """Backups cannot be made or read."""


class Change(msgspec.Struct, frozen=True):
    """A file before and after, with all its state. None where there is none."""

    path: str
    target: Path
    before: FileState | None
    after: FileState | None
    reasons: tuple[str, ...] = ()


class Backups:
    """The backups of one configuration directory; a context manager that holds their lock.

    Without the lock (`for_reading`), only what is there can be read.
    """

    def __init__(self, root: Path, config_dir: Path) -> None:
        """Write nothing yet."""
        self.config_dir = Path(os.path.realpath(config_dir))
        digest = hashlib.sha256(os.fsencode(self.config_dir)).hexdigest()[:8]
        name = str(self.config_dir).strip("/").replace("/", "-")[-100:]
        self.folder = Path(root) / f"{name}-{digest}"
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            self._make_folder()
            self._take_lock()
            self._tidy()
        except OSError as error:
            self._release()
            raise BackupError(f"{error.filename or self.folder}: {(error.strerror or '').lower()}") from None
        except BackupError:
            self._release()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._release()

    def _make_folder(self) -> None:
        """Our folder, closed to everybody else; what is missing above it is made so, too."""
        missing = [place for place in (self.folder, *self.folder.parents) if not place.is_dir()]
        for place in reversed(missing):
            place.mkdir(mode=0o700)
            sync_folder(place.parent)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise BackupError(
                f"{self.folder}: backups are kept in a folder of our own that nobody else may write to; "
                "chown and chmod it, or name another with --backups"
            )

    def _take_lock(self) -> None:
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(self.folder / "lock", flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"{self.config_dir}: another gatepost is changing it now; wait for it"
            ) from None

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _tidy(self) -> None:
        for place in self.folder.iterdir():
            if place.name.startswith("."):
                shutil.rmtree(place)

    # --- reading ---

    def all(self) -> list[Backup]:
        """Oldest first."""
        try:
            names = sorted(place.name for place in self.folder.iterdir() if is_stamp(place.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise BackupError(f"{self.folder}: {(error.strerror or '').lower()}") from None
        return [self._read(name) for name in names]

    def pending(self) -> Backup | None:
        """The change that is under way or was killed."""
        return next((backup for backup in self.all() if backup.outcome is None), None)

    def _read(self, stamp: str) -> Backup:
        manifest = _decode(self.folder / stamp / "manifest.json", Manifest)
        if manifest is None:
            raise BackupError(f"{self.folder / stamp}: has no manifest.json; move this folder away")
        return Backup(stamp, manifest, _decode(self.folder / stamp / "outcome.json", Outcome))

    def state(self, backup: Backup, saved: Saved | None) -> FileState | None:
        """The whole state that a backup holds.

        Raises:
            BackupError: its copy is missing, or is not what was written.
        """
        if saved is None:
            return None
        copy = self.folder / backup.stamp / saved.copy
        try:
            found = read_state(copy)
        except FileError as error:
            raise BackupError(str(error)) from None
        if found is None or hashlib.sha256(found.content).hexdigest() != saved.sha256:
            raise BackupError(f"{copy}: this copy is missing or damaged")
        return FileState(found.content, saved.mode, saved.uid, saved.gid, saved.attributes)

    # --- writing, under the lock ---

    def create(self, kind: str, changes: Sequence[Change], now: float, emptied: Sequence[str] = ()) -> Backup:
        """Keep the files before and after a change. From now on it is under way."""
        known = self.all()
        stamp = stamp_after(known[-1].stamp if known else "", now)
        beside = self.folder / f".{stamp}"
        with self._as_backup_error():
            beside.mkdir(mode=0o700)
            files = tuple(_keep(beside, number, change) for number, change in enumerate(changes))
            folders = _missing_folders(changes)
            manifest = Manifest(kind, now, str(self.config_dir), files, folders, tuple(emptied))
            _write(beside / "manifest.json", _json(manifest))
            sync_folder(beside)
            beside.rename(self.folder / stamp)
            sync_folder(self.folder)
        return Backup(stamp, manifest)

    def end(self, backup: Backup, outcome: Outcome) -> None:
        """Write down how a change ended; then it is no longer under way."""
        folder = self.folder / backup.stamp
        with self._as_backup_error():
            (folder / ".outcome").unlink(missing_ok=True)
            _write(folder / ".outcome", _json(outcome))
            (folder / ".outcome").rename(folder / "outcome.json")
            sync_folder(folder)

    def keep_found(self, backup: Backup, number: int, state: FileState) -> Path:
        """Keep what somebody else wrote into file `number` meanwhile; where it lies."""
        path = self.folder / backup.stamp / f"{number}.found"
        with self._as_backup_error():
            path.unlink(missing_ok=True)
            _write(path, state.content)
        return path

    def drop_superfluous(self) -> None:
        """Remove old backups that no state needs (`manifest.superfluous`)."""
        with self._as_backup_error():
            for backup in superfluous(self.all()):
                away = self.folder / f".{backup.stamp}"
                (self.folder / backup.stamp).rename(away)
                shutil.rmtree(away)

    @contextmanager
    def _as_backup_error(self) -> Any:
        try:
            yield
        except FileError as error:
            raise BackupError(f"a backup cannot be made: {error}") from None
        except OSError as error:
            where = error.filename or self.folder
            raise BackupError(f"a backup cannot be made: {where}: {error.strerror}".lower()) from None


def _json(value: Manifest | Outcome) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _decode(path: Path, kind: type[Kind]) -> Kind | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BackupError(f"{path}: cannot be read: {error}") from None


def _write(path: Path, content: bytes) -> None:
    stage(FileState(content, 0o600, os.geteuid(), os.getegid()), path)


def _keep(folder: Path, number: int, change: Change) -> SavedFile:
    before = _save(folder, f"{number}.before", change.before)
    after = _save(folder, f"{number}.after", change.after)
    return SavedFile(change.path, str(change.target), before, after, change.reasons)


def _save(folder: Path, name: str, state: FileState | None) -> Saved | None:
    if state is None:
        return None
    _write(folder / name, state.content)
    digest = hashlib.sha256(state.content).hexdigest()
    return Saved(name, digest, state.mode, state.uid, state.gid, state.attributes)


def _missing_folders(changes: Sequence[Change]) -> tuple[str, ...]:
    """Folders that have to be made for these files, outermost first."""
    missing = {place for c in changes if c.after for place in c.target.parents if not place.exists()}
    return tuple(sorted(map(str, missing), key=len))
