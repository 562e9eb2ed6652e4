"""One file of a log, open: its next whole lines, and whether it is still what was read.

Polled with fstat and pread. inotify would save some system calls a second,
miss what happens on network file systems, and need the same care with
rotation on top; a look at a quiet file costs a few microseconds.

Raises: OSError, where it says so.
"""

import os
import stat
from pathlib import Path
from typing import Self

from gatepost.ban.blocks import BLOCK, cut
from gatepost.ban.place import TAIL, Lost, Spot, mark

ROUNDS = 256
"""Blocks passed over in one look, where they hold nothing but lines left out."""


class EmptiedError(Exception):
    """The file does not begin with what was read of it: it was emptied, or written anew."""


class NotPlainError(OSError):
    """What is there is no plain file; the text says what it is."""


class LogFile:
    """One open file and how far it was read."""

    def __init__(self, path: Path) -> None:
        """Open it, without waiting for anything; reading begins at its start. Raises OSError."""
        _refuse(path.stat())
        self._number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            self._status = _refuse(os.fstat(self._number))
        except OSError:
            self.close()
            raise
        self._offset, self._tail, self._skipping = 0, b"", False

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self._status.st_dev, self._status.st_ino

    @property
    def spot(self) -> Spot:
        """How far it was read."""
        return Spot(
            *self.identity, self._offset, mark(self._tail), self._status.st_mtime_ns, skipping=self._skipping
        )

    @property
    def unread(self) -> bool:
        """Whether something is left, as of the last look: of a line without newline, for example."""
        return self._skipping or self._offset < self._status.st_size

    @property
    def empty(self) -> bool:
        """Whether nothing was in it at the last look."""
        return self._status.st_size == 0

    def to_end(self) -> Self:
        """Go to the end; the rest of a line that is being written is left out. Raises OSError."""
        self._status = os.fstat(self._number)
        self._take(self._status.st_size)
        self._skipping = not self._tail.endswith(b"\n") and self._offset > 0
        return self

    def to(self, spot: Spot) -> bool:
        """Go to `spot`, if these octets were read before it; else to the start, and False. Raises OSError."""
        if spot.offset <= self._status.st_size:
            self._take(spot.offset)
            if mark(self._tail) == spot.mark:
                self._skipping = spot.skipping
                return True
        self._offset, self._tail, self._skipping = 0, b"", False
        return False

    def read(self, lost: Lost) -> list[bytes]:
        """The next whole lines, at most a block; empty when there are none now.

        Raises EmptiedError when another content begins, and OSError.
        """
        for _ in range(ROUNDS):
            status = os.fstat(self._number)
            if (status.st_size, status.st_mtime_ns) == (self._offset, self._status.st_mtime_ns):
                break
            lines, done = self._next(status, lost)
            if lines or done:
                return lines
        return []

    def _next(self, status: os.stat_result, lost: Lost) -> tuple[list[bytes], bool]:
        """Some lines, and whether there is nothing after them now."""
        before = len(self._tail)
        if status.st_size < self._offset:
            raise EmptiedError
        data = os.pread(self._number, before + BLOCK, self._offset - before)
        if data[:before] != self._tail:
            raise EmptiedError
        found = cut(data[before:], skipping=self._skipping)
        end = before + found.used
        self._offset += found.used
        self._tail = data[max(0, end - TAIL) : end]
        self._skipping, self._status = found.skipping, status
        lost.too_long += found.too_long
        return found.lines, not found.used or len(data) < before + BLOCK

    def _take(self, offset: int) -> None:
        """Stand at `offset`."""
        before = min(TAIL, offset)
        self._offset, self._tail = offset, os.pread(self._number, before, offset - before)

    def close(self) -> None:
        """Let go of it; again does no harm."""
        if self._number >= 0:
            os.close(self._number)
        self._number = -1


def _refuse(status: os.stat_result) -> os.stat_result:
    """Raises NotPlainError for what lines cannot be followed in."""
    if stat.S_ISREG(status.st_mode):
        return status
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "a device")
    raise NotPlainError(0, f"is {kind}, not a file; name the file that the lines are written to")
