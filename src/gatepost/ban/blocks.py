"""Octets of a log into blocks of whole lines, without any work of Python for each line.

Pure. A line longer than MAX_LINE is left out as a whole, and counted: a stranger
who fills a line up to where it is cut would choose how it ends, and with that
whom a rule believes it to be about. An empty line stands in its place, so that
line numbers stay right.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Self

import msgspec

BLOCK = 256 << 10
"""Octets read at once."""
MAX_LINE = 64 << 10
"""Octets in a line; syslog daemons write far shorter ones."""
MAX_LINES = 4096
"""Lines in a block: whoever parses one is not held up for longer, however short they are."""


class Lines(Sequence[bytes]):
    """Some whole lines, without their newlines: octets as they stand, taken apart when that is asked for.

    Whoever looks over a whole block at once never needs each line.
    """

    __slots__ = ("_apart", "_count", "block")

    def __init__(self, block: bytes, count: int, apart: list[bytes] | None = None) -> None:
        self.block = block
        """The lines with newlines between them."""
        self._count = count
        self._apart = apart

    @classmethod
    def of(cls, lines: list[bytes]) -> Self:
        """These lines, none of which holds a newline."""
        return cls(b"\n".join(lines), len(lines), lines)

    @property
    def apart(self) -> list[bytes]:
        """Each line."""
        if self._apart is None:
            self._apart = self.block.split(b"\n") if self._count else []
        return self._apart

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self.apart[index]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.apart)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lines | list) and self.apart == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Lines({self.apart!r})"


NOTHING = Lines(b"", 0)


class Cut(msgspec.Struct, frozen=True, gc=False):
    """What `cut` made of some octets."""

    lines: Lines
    used: int
    """So many octets are done with; the rest is for the next time, together with what follows it."""
    skipping: bool
    """The octets done with end within a line that is left out."""
    too_long: int
    """Lines left out; one that goes on is counted when it is met."""


def cut(data: bytes, *, skipping: bool = False) -> Cut:
    """The whole lines at the beginning of `data`, which begins with a line, or within one if `skipping`.

    Octets that are NUL at the beginning are passed over: a writer that kept its
    place while the file was emptied under it leaves a hole before its next line.
    """
    begin = data.find(b"\n") + 1 if skipping else 0
    if skipping and not begin:
        return Cut(NOTHING, len(data), True, 0)
    if data.startswith(b"\0", begin):
        begin = len(data) - len(data[begin:].lstrip(b"\0"))
    lines, used = _whole(data, begin)
    too_long, skips = 0, False
    if _may_hold_long(data):
        too_long = sum(len(line) > MAX_LINE for line in lines)
        lines = Lines.of([line if len(line) <= MAX_LINE else b"" for line in lines])
        if len(data) - used > MAX_LINE and len(lines) < MAX_LINES:
            lines, used, skips = Lines.of([*lines, b""]), len(data), True
            too_long += 1
    return Cut(lines, used, skips, too_long)


def _whole(data: bytes, begin: int) -> tuple[Lines, int]:
    """The whole lines from `begin` on, at most MAX_LINES, and where they end."""
    end = data.rfind(b"\n", begin) + 1
    if not end:
        return NOTHING, begin
    count = data.count(b"\n", begin, end)
    if count <= MAX_LINES:
        return Lines(data[begin : end - 1], count), end
    lines = data[begin:end].split(b"\n", MAX_LINES)
    return Lines.of(lines[:-1]), end - len(lines[-1])


def _may_hold_long(data: bytes) -> bool:
    """Whether a line of `data` may be too long: such a one fills a window. Cheaper than to measure each."""
    window = MAX_LINE // 2
    return any(data.find(b"\n", at, at + window) < 0 for at in range(0, len(data) - window, window))
