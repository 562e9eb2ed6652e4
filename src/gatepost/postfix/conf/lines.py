"""Physical and logical lines of main.cf and master.cf, as Postfix reads them (postconf(5), master(5)).

A line whose first visible character is `#` is a comment and a line of blanks
is nothing, wherever they stand, also within a setting. A line that begins with
a blank goes on with the logical line before it. Every character of a logical
line knows where it stands in the file, so that a change can be made in place
and all else stays as it is.

Pure. Raises ConfError, which names the line.
"""

from collections.abc import Iterator

import msgspec

BLANKS = " \t\n\v\f\r"
"""isspace(3) in the C locale, which is what Postfix asks."""
MAX_OCTETS = 4_000_000


class ConfError(Exception):
    """This file cannot be understood safely; says where and why."""

    def __init__(self, reason: str, line: int = 0, file: str = "") -> None:
        self.reason = reason
        self.line = line
        self.file = file
        super().__init__(reason)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.reason}" if place else self.reason


class LogicalLine(msgspec.Struct, frozen=True):
    """What Postfix takes for one line."""

    text: str
    """Without comments, blank lines and line ends."""
    places: tuple[int, ...]
    """Where each character of `text` stands in the file; one more for the place after the last."""
    number: int
    """Of its first physical line, from 1."""


class Source(msgspec.Struct, frozen=True):
    """A file's text and its logical lines."""

    text: str
    """Octets that are no UTF-8 as surrogates, so that they can be given back."""
    lines: tuple[LogicalLine, ...]
    stray: tuple[int, ...] = ()
    """Numbers of lines that begin with a blank before any logical line: Postfix warns and ignores them."""

    @property
    def octets(self) -> bytes:
        """The file as it was."""
        return self.text.encode("utf-8", "surrogateescape")


def read_source(octets: bytes) -> Source:
    """The logical lines in `octets`.

    Raises:
        ConfError: a NUL octet, at which Postfix would cut the line, or too large a file.
    """
    if len(octets) > MAX_OCTETS:
        raise ConfError(f"is larger than {MAX_OCTETS} octets")
    if b"\0" in octets:
        line = octets.count(b"\n", 0, octets.index(b"\0")) + 1
        raise ConfError("holds a NUL octet, where Postfix would cut the line", line)
    text = octets.decode("utf-8", "surrogateescape")
    lines: list[LogicalLine] = []
    stray: list[int] = []
    pieces: list[tuple[int, int, int]] = []
    for number, start, end in _physical(text):
        if not text[start].isascii() or text[start] not in BLANKS:
            lines += _joined(text, pieces)
            pieces = [(number, start, end)]
        elif pieces:
            pieces.append((number, start, end))
        else:
            stray.append(number)
    lines += _joined(text, pieces)
    return Source(text, tuple(lines), tuple(stray))


def _physical(text: str) -> Iterator[tuple[int, int, int]]:
    """Number, start and end (before the line's end) of lines that are neither comments nor blank."""
    start = number = 0
    while start < len(text):
        number += 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        seen = text[start:end].strip(BLANKS)
        if seen and not seen.startswith("#"):
            yield number, start, end
        start = end + 1


def _joined(text: str, pieces: list[tuple[int, int, int]]) -> list[LogicalLine]:
    if not pieces:
        return []
    joined = "".join(text[start:end] for _, start, end in pieces)
    places = [place for _, start, end in pieces for place in range(start, end)]
    return [LogicalLine(joined, (*places, pieces[-1][2]), pieces[0][0])]


def line_number(text: str, place: int) -> int:
    """The number of the physical line in which `place` lies, from 1."""
    return text.count("\n", 0, place) + 1


class Splice(msgspec.Struct, frozen=True, order=True):
    """Text to stand in a file instead of what is between two places in it."""

    start: int
    end: int
    text: str


def spliced(text: str, splices: list[Splice]) -> str:
    """`text` with all of them made; they may touch, but not overlap."""
    made = []
    at = 0
    for splice in sorted(splices):
        assert splice.start >= at, "two changes of one place"
        made += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join((*made, text[at:]))
