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

from gatepost.ban.blocks import BLOCK, NOTHING, Lines, cut
from gatepost.ban.place import AROUND, Lost, Spot, mark

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
            self._take(0, AROUND)
        except OSError:
            self.close()
            raise
        self.after = 0
        """When the youngest of the older parts was written to last, as they were when this one was opened."""
        self._skipping = False

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self._status.st_dev, self._status.st_ino

    @property
    def spot(self) -> Spot:
        """How far it was read."""
        return Spot(
            *self.identity,
            self._offset,
            len(self._behind),
            mark(self._head, self._before + self._behind),
            max(self._status.st_mtime_ns, self.after),
            skipping=self._skipping,
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
        self._take(self._status.st_size, 0)
        self._skipping = not self._before.endswith(b"\n") and self._offset > 0
        return self

    def to(self, spot: Spot) -> bool:
        """Go to `spot`, if these octets were around it; else to the start, and False. Raises OSError."""
        self._take(spot.offset, spot.ahead)
        self._skipping = spot.skipping
        if mark(self._head, self._before + self._behind) == spot.mark:
            return True
        self._skipping = False
        self._take(0, AROUND)
        return False

    def _take(self, offset: int, ahead: int) -> None:
        """Stand at `offset`."""
        before = min(AROUND, offset)
        around = os.pread(self._number, before + min(AROUND, ahead), offset - before)
        self._offset, self._before, self._behind = offset, around[:before], around[before:]
        self._head = os.pread(self._number, before, 0)

    def read(self, lost: Lost, *, named: bool = True) -> Lines:
        """The next whole lines, at most a block; empty when there are none now.

        Raises OSError, and EmptiedError when another content begins; also when one that has the log's name
        (`named`) had no content until now: it may have been filled, copied and emptied meanwhile.
        """
        for _ in range(ROUNDS):
            status = os.fstat(self._number)
            changed = status.st_mtime_ns != self._status.st_mtime_ns
            if not changed and status.st_size == self._offset:
                break
            if changed and named and not (self._offset or self._behind):
                raise EmptiedError
            lines, done = self._next(status, lost)
            if lines or done:
                return lines
        return NOTHING

    def _next(self, status: os.stat_result, lost: Lost) -> tuple[Lines, bool]:
        """Some lines, and whether there is nothing after them now."""
        before = len(self._before)
        data = os.pread(self._number, before + BLOCK, self._offset - before)
        head = os.pread(self._number, AROUND, 0)
        if not (data.startswith(self._before + self._behind) and head.startswith(self._head)):
            raise EmptiedError
        found = cut(data[before:], skipping=self._skipping)
        end = before + found.used
        self._offset += found.used
        self._head = head[: self._offset]
        self._before, self._behind = data[max(0, end - AROUND) : end], data[end : end + AROUND]
        self._skipping, self._status = found.skipping, status
        lost.too_long += found.too_long
        return found.lines, not found.used or len(data) < before + BLOCK

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
