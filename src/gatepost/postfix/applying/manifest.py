"""What a backup says of itself, and which earlier state follows from several of them. Pure.

A state is named by the stamp of the change it was before: `20261128T091500Z`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

KEPT = 100
"""Backups kept at least; of older ones the first, and those without which an earlier state would be lost."""


class Saved(msgspec.Struct, frozen=True):
    """A file's state; its octets stand in a copy."""

    copy: str
    """Name of the copy in the backup's folder."""
    sha256: str
    mode: int
    uid: int
    gid: int
    attributes: dict[str, bytes]


class SavedFile(msgspec.Struct, frozen=True):
    """A file before and after a change; None where there is none."""

    path: str
    target: str
    """Where `path` led, all symbolic links followed."""
    before: Saved | None
    after: Saved | None
    reasons: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """One change of several files."""

    kind: str
    """`apply` or `rollback`."""
    time: float
    """Seconds since 1970."""
    config_dir: str
    files: tuple[SavedFile, ...]
    folders: tuple[str, ...] = ()
    """Made for these files, outermost first."""
    emptied: tuple[str, ...] = ()
    """Removed after these files, where nothing else is in them, outermost first."""
    version: int = 1


class Outcome(msgspec.Struct, frozen=True):
    """How a change ended."""

    result: str
    """`done` or `undone`."""
    why: str = ""


class Backup(msgspec.Struct, frozen=True):
    """A change with what was kept of it."""

    stamp: str
    manifest: Manifest
    outcome: Outcome | None = None
    """None: it is under way, or was killed."""

    @property
    def paths(self) -> list[str]:
        """Of its files."""
        return [file.path for file in self.manifest.files]

    @property
    def done(self) -> bool:
        """Whether the change is one that counts."""
        return self.outcome is not None and self.outcome.result == "done"


def stamp_after(newest: str, now: float) -> str:
    """A stamp for now; later than `newest` even where the clock was set back."""
    made = datetime.fromtimestamp(int(now), UTC)
    if newest:
        made = max(made, _time(newest) + timedelta(seconds=1))
    return made.strftime(_FORMAT)


_FORMAT = "%Y%m%dT%H%M%SZ"
_STAMP = re.compile(r"\d{8}T\d{6}Z")


def is_stamp(name: str) -> bool:
    """Whether a folder's name is a stamp."""
    return _STAMP.fullmatch(name) is not None


def _time(stamp: str) -> datetime:
    return datetime.strptime(stamp, _FORMAT).replace(tzinfo=UTC)


class Earlier(msgspec.Struct, frozen=True):
    """A file as it was before some change, and which backup holds it."""

    backup: Backup
    file: SavedFile


def state_before(stamp: str, backups: Sequence[Backup]) -> list[Earlier]:
    """Every file that this change or a later one touched, as it was before the first of those.

    `backups` are oldest first.
    """
    found: dict[str, Earlier] = {}
    for backup in backups:
        if backup.stamp >= stamp and backup.done:
            for file in backup.manifest.files:
                found.setdefault(file.path, Earlier(backup, file))
    return list(found.values())


def last_written(path: str, backups: Sequence[Backup]) -> Saved | None:
    """What the newest change left at `path`; None where nothing is known or nothing was left."""
    for backup in reversed(backups):
        for file in backup.manifest.files:
            if file.path == path:
                return file.after if backup.done else file.before
    return None


class NoSuchStateError(Exception):
    """No backup, or several, go by this name."""


def choose(wanted: str, backups: Sequence[Backup]) -> Backup:
    """The backup meant by a stamp, the beginning of one, or `last`.

    Raises:
        NoSuchStateError: it is none, or not clear.
    """
    done = [backup for backup in backups if backup.done]
    if not done:
        raise NoSuchStateError("there is no earlier state: nothing was changed yet")
    if wanted == "last":
        return done[-1]
    found = [backup for backup in done if backup.stamp.startswith(wanted.upper())]
    if len(found) > 1:
        stamps = ", ".join(backup.stamp for backup in found[-5:])
        raise NoSuchStateError(f"{wanted} could be any of {len(found)} states ({stamps}); say more of it")
    if not found:
        raise NoSuchStateError(f"there is no state {wanted}; see: gatepost postfix rollback --list")
    return found[0]


def superfluous(backups: Sequence[Backup], keep: int = KEPT) -> list[Backup]:
    """Backups that can go: not the first, not of the newest `keep`, and no other state is lost by it.

    A later change's backup completes an earlier state where it was the first to
    touch a file, so it can go only when the one before it holds the same files.
    """
    gone = []
    before: set[str] = set()
    for number, backup in enumerate(backups):
        paths = set(backup.paths)
        if 0 < number < len(backups) - keep and (paths <= before or not backup.done):
            gone.append(backup)
        elif backup.done:
            before = paths
    return gone
