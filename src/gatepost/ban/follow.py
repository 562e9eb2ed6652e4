"""A log in a file, followed by its name: no line is lost and none comes twice, whatever rotates it.

- Renamed (logrotate's `create`): the old file is read to its end first, and for LINGER seconds more.
- Emptied (`copytruncate`): the copy is read from where we were, then the file from its start. What is written
  between copying and emptying is lost by copytruncate itself.
- Rotated while nobody read: the older parts beside it are looked through for the place that was remembered.

Two kinds of place are no file of a log: what is not there is waited for, and
what is no plain file, or may not be read, is told in `trouble` and tried again.

Nothing raises. All of it blocks: it belongs into a thread (see `following`).
"""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gatepost.ban.blocks import NOTHING, Lines
from gatepost.ban.logfile import EmptiedError, LogFile, NotPlainError
from gatepost.ban.place import Lost, Place, Spot
from gatepost.ban.rotated import Part, is_part, younger
from gatepost.clock import Clock

LINGER = 10.0
"""Seconds of silence after which a file that was renamed is let go: its writer has the new one by then."""
PATIENCE = 5.0
"""Seconds that a log may be away while it is rotated, before that is told."""
MAX_FILES = 40
"""Files of one log held open at once; of more, the oldest are not read."""


class _Held(msgspec.Struct, eq=False):
    file: LogFile
    heard: float
    """When a line came from it last (monotonic)."""


class Follower:
    """One log: `read` until nothing comes, wait, and again."""

    def __init__(self, path: Path, place: Place | None, clock: Clock) -> None:
        """Open nothing yet.

        Args:
            path: the log, as its writer names it.
            place: where reading stood; without one it begins at the end of what is there.
            clock: for what is waited for.
        """
        self.path = path
        self.lost = Lost()
        self.trouble = ""
        """What people should know about it now: a sentence, or empty."""
        self._clock = clock
        self._owed = place.spots if place else ()
        self._awaited = place is not None
        self._held: list[_Held] = []
        self._away: float | None = None
        self._found = ""

    @property
    def place(self) -> Place | None:
        """Where reading stands: after the lines that `read` answered last. None when it has not begun."""
        spots = self._spots()
        return Place(spots) if spots or self._awaited else None

    def read(self) -> Lines:
        """The next whole lines, at most a block; empty when there are none now."""
        self._found = ""
        lines = self._lines()
        while not lines and self._look():  # only now: what is left in the old file comes first
            lines = self._lines()
        if not lines:
            self._let_go()
            self.trouble = self._found
        return lines

    def _lines(self) -> Lines:
        """The next of the files that are open."""
        for held in tuple(self._held):
            try:
                lines = held.file.read(self.lost, named=held is self._held[-1])
            except EmptiedError:
                self._emptied(held)
            except OSError as error:
                self._cannot(error)
            else:
                if lines:
                    held.heard = self._clock.monotonic()
                    return lines
        return NOTHING

    def close(self) -> None:
        """Let go of all files; what was read is remembered in `place`."""
        self._owed = self._spots()
        for held in self._held:
            held.file.close()
        self._held.clear()

    # --- which files ---

    def _spots(self) -> tuple[Spot, ...]:
        return (*(held.file.spot for held in self._held), *self._owed)

    def _look(self) -> bool:
        """See whether another file has the name of the log now, and begin with it; True then."""
        try:
            status = self.path.stat()
            arrived = bool(self._owed) or not self._is_last((status.st_dev, status.st_ino))
            if arrived:
                self._arrived(LogFile(self.path))
        except OSError as error:
            self._cannot(error)
            return False
        except ValueError as error:  # a name that no file can have
            self._cannot(OSError(0, str(error)))
            return False
        self._away = None
        return arrived

    def _is_last(self, identity: tuple[int, int]) -> bool:
        """Whether the newest of the files has this identity; one that got its old name back becomes that."""
        self._held.sort(key=lambda held: held.file.identity == identity)
        return bool(self._held) and self._held[-1].file.identity == identity

    def _arrived(self, file: LogFile) -> None:
        """Go on with `file`, after what is left in older ones."""
        spots = self._spots()
        parts = [part for part in _parts(self._real.parent) if (part.device, part.inode) != file.identity]
        file.after = max((part.modified for part in parts if is_part(self._real.name, part.name)), default=0)
        try:
            if not spots and not self._awaited:
                file.to_end()
            files = self._caught_up(spots, file, parts) if spots else [file]
        except OSError:
            file.close()
            raise
        now = self._clock.monotonic()
        before = {held.file: held for held in self._held}
        for left in before.keys() - set(files):
            left.close()
        self._held = [before.get(file) or _Held(file, now) for file in files]
        self._owed, self._awaited = (), True

    def _emptied(self, held: _Held) -> None:
        """What was read is not in this file any more: perhaps in a copy."""
        if held is self._held[-1]:
            self._owed = (held.file.spot, *self._owed)
        self._held.remove(held)
        held.file.close()

    def _let_go(self) -> None:
        """Close what was renamed and is silent, once there is something in a newer one."""
        now = self._clock.monotonic()
        for index, held in reversed(tuple(enumerate(self._held[:-1]))):
            newer = any(not later.file.empty for later in self._held[index + 1 :])
            if newer and now - held.heard > LINGER:
                self.lost.unfinished += held.file.unread
                held.file.close()
                del self._held[index]

    def _cannot(self, error: OSError) -> None:
        """Tell why the log cannot be read now."""
        now = self._clock.monotonic()
        if isinstance(error, FileNotFoundError):
            self._awaited = True
            self._away = now if self._away is None else self._away
            if self._held and now - self._away < PATIENCE:
                return
            self._found = f"{self.path}: is not there; it is read as soon as it is"
        elif isinstance(error, PermissionError):
            self._found = f"{self.path}: may not be read; {_MAY_READ}"
        elif isinstance(error, NotPlainError):
            self._found = f"{self.path}: {error.strerror}"
        else:
            self._found = f"{self.path}: cannot be read: {error.strerror}"

    # --- older parts ---

    @property
    def _real(self) -> Path:
        """Older parts lie beside the file itself, not beside a link to it."""
        return Path(os.path.realpath(self.path))

    def _caught_up(self, spots: Sequence[Spot], file: LogFile, parts: Sequence[Part]) -> list[LogFile]:
        """All files to read, the oldest first, `file` last, each where reading goes on. Raises OSError."""
        ours: list[LogFile] = []
        for spot in sorted(spots, key=lambda spot: spot.blank):  # what fits any file comes last
            found = self._of(spot, None if file in ours else file, parts)
            if found is None:
                self.lost.gone += not spot.blank
            elif found not in ours:
                ours.append(found)
        older = [one for one in ours if one is not file]
        if file in ours and not file.spot.blank:
            return [*older, file]
        return [*older, *self._between(spots, [*older, file], parts), file]

    def _of(self, spot: Spot, file: LogFile | None, parts: Sequence[Part]) -> LogFile | None:
        """The file that a spot is in, or a copy of it: an editor may have put one in its place."""
        identity = spot.device, spot.inode
        if file and (file.identity == identity or not spot.blank) and file.to(spot):
            return file
        for held in self._held:
            if held.file.identity == identity:
                return held.file
        if spot.blank:  # told apart by time: a number may have gone to another file, and any content fits
            return None
        for part in sorted(parts, key=lambda part: (part.device, part.inode) != identity):
            same = (part.device, part.inode) == identity
            if (same or is_part(self._real.name, part.name)) and (found := self._opened(part, spot)):
                return found
        return None

    def _opened(self, part: Part, spot: Spot | None = None) -> LogFile | None:
        """A part, at `spot` or at its start; None when that does not fit or it cannot be read."""
        try:
            file = LogFile(self._real.with_name(part.name))
        except OSError:
            return None
        try:
            if spot is None or file.to(spot):
                return file
        except OSError:
            pass
        file.close()
        return None

    def _between(
        self, spots: Sequence[Spot], have: Sequence[LogFile], parts: Sequence[Part]
    ) -> list[LogFile]:
        """The parts younger than where we were last, without copies of what was read."""
        identities = {one.identity for one in have}
        last = have[-2].identity if len(have) > 1 else None
        than = next((part for part in parts if (part.device, part.inode) == last), None)
        found = []
        for part in younger(self._real.name, parts, than, spots[-1].modified)[-MAX_FILES:]:
            if (part.device, part.inode) in identities or self._is_copy(part, spots):
                continue
            if file := self._opened(part):
                found.append(file)
        return found

    def _is_copy(self, part: Part, spots: Sequence[Spot]) -> bool:
        for spot in spots:
            if not spot.blank and (file := self._opened(part, spot)):
                file.close()
                return True
        return False


_MAY_READ = (
    "let the daemon's user read it (on Debian: make it a member of the group adm), and restart the daemon"
)


def _parts(folder: Path) -> list[Part]:
    """The files of a folder; none where it may not be listed."""
    parts = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # renamed just now
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    parts.append(Part(entry.name, status.st_dev, status.st_ino, status.st_mtime_ns))
    return parts
