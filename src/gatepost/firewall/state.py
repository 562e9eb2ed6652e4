"""The last bans, on our own disk: in force at boot before the daemon is up, and while it is away.

One file, replaced as a whole and synced. It is ours alone, but what stands in it is looked at as a
stranger's: bounded, and refused with a sentence.

Raises StateError, and nothing else.
"""

import errno
import fcntl
import os
from pathlib import Path

import msgspec

from gatepost.firewall.told import MAX_BANS, MAX_LINE, MAX_NEVER, Row

NAME, LOCK = "bans.json", "lock"
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW


class StateError(Exception):
    """The state cannot be read or written; the text is a sentence for people."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept."""

    version: int = 1
    bans: list[Row] = []
    never: list[str] = []
    made: str = ""
    """The script our table was made with, without elements."""
    shape: str = ""
    """What nft said of it then."""


class State:
    """The folder; `open` it before anything else."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._lock = -1

    def open(self) -> None:
        """Make the folder when it is missing, and be the only one to use it.

        Raises:
            StateError: it cannot be, or another firewall uses it.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR | _OPEN, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise StateError(f"another gatepost firewall is running: it uses {self.folder}") from None
        except OSError as error:
            self.close()
            raise StateError(f"{self.folder} cannot be used: {error.strerror}") from None

    def close(self) -> None:
        """Let another use it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def read(self) -> Kept:
        """What was kept last; nothing when there is no file.

        Raises:
            StateError: there is one, and it is none of ours.
        """
        path = self.folder / NAME
        try:
            octets = _octets(path)
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            raise StateError(f"{path} cannot be read: {error.strerror}") from None
        try:
            kept = msgspec.json.decode(octets, type=Kept)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StateError(f"{path} is damaged ({error})") from None
        if kept.version != 1 or len(kept.bans) > MAX_BANS or len(kept.never) > MAX_NEVER:
            raise StateError(f"{path} is of another version, or holds more than it may")
        return kept

    def write(self, kept: Kept) -> None:
        """Keep it: on the disk when this returns.

        Raises:
            StateError: it is not there.
        """
        path = self.folder / NAME
        new = path.with_suffix(".new")
        try:
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(kept))
                file.flush()
                os.fdatasync(descriptor)
            new.replace(path)
            _sync(self.folder)
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}") from None


def _octets(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | _OPEN), "rb") as file:
        found = file.read(MAX_LINE + 1)
    if len(found) > MAX_LINE:
        raise OSError(errno.EFBIG, "it is too long to be ours")
    return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
