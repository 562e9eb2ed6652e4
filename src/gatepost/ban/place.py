"""Where reading of a log stands: small enough to be stored after each block. Pure."""

from hashlib import blake2b

import msgspec

AROUND = 256
"""Octets before and behind a spot, and at the start of its file, by which it is known again."""


class Spot(msgspec.Struct, frozen=True, gc=False):
    """How far one file was read."""

    device: int
    inode: int
    offset: int
    """Octets done with; the next line begins here."""
    ahead: int
    """Octets known behind, at most AROUND."""
    mark: str
    """By which its content is known again, in a copy as well: see `mark`."""
    modified: int
    """When it, and the parts that are older, were last written to, in nanoseconds since 1970."""
    skipping: bool = False
    """The place is within a line that is left out."""

    @property
    def blank(self) -> bool:
        """Whether nothing was in the file: any fits then."""
        return not self.offset + self.ahead


class Place(msgspec.Struct, frozen=True, gc=False):
    """How far a log was read."""

    spots: tuple[Spot, ...] = ()
    """The oldest file first: while a log is rotated, two are written to."""


class Lost(msgspec.Struct):
    """What was not handed out, counted since the start."""

    too_long: int = 0
    """Lines longer than MAX_LINE."""
    unfinished: int = 0
    """Files that ended without a newline, and were followed by another."""
    gone: int = 0
    """Files that were not read to their end and are not there any more."""


def mark(head: bytes, around: bytes) -> str:
    """By what a spot is known: the first octets of its file, and those around it.

    Strangers choose much of a line, but not the time in the first one of a file.
    """
    return blake2b(head + b"\n\n" + around, digest_size=12).hexdigest()
