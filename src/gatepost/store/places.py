"""Where the files of a SQLite store stand, and how they are made.

Raises: OSError.
"""

import os
from contextlib import suppress
from pathlib import Path


def kept_path(path: Path) -> Path:
    """Where what people entered stands."""
    return path.with_name(f"{path.stem}-kept{path.suffix}")


def journal_path(path: Path) -> Path:
    """Where the journal stands."""
    return path.with_name(f"{path.stem}-journal{path.suffix}")


def lock_path(path: Path) -> Path:
    """The lock of the process that owns the triplets."""
    return path.with_name(path.name + ".lock")


def make_directory(directory: Path) -> None:
    """Make the directory for our files, for us and our group only."""
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o750, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file for us and our group only; SQLite gives the files beside it the same mode.

    Never opens one that exists: closing it would drop SQLite's locks on it (fcntl(2)).
    """
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o640)
        try:
            give_to_owner(descriptor, path.parent)
        finally:
            os.close(descriptor)


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Root makes files for whoever owns the directory: else a command would shut the daemon out."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
