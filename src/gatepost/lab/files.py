"""What files are like, to see whether a rollback brought all of it back."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec


class FileState(msgspec.Struct, frozen=True):
    """All of a file that a rollback has to bring back."""

    sha256: str
    mode: int
    owner: int
    group: int


def state(*places: Path) -> dict[str, FileState]:
    """Files, and the files of folders, by their names."""
    paths = [path for place in places for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return {path.name: _file_state(path) for path in paths if path.is_file()}


def _file_state(path: Path) -> FileState:
    facts = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return FileState(digest, facts.st_mode, facts.st_uid, facts.st_gid)


def changed_files(before: Mapping[str, FileState], now: Mapping[str, FileState]) -> list[str]:
    """Names of files that are not as they were, that are new, or gone."""
    return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
