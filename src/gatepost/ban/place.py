"""Where reading of a log stands: small enough to be stored after each block. Pure."""

from hashlib import blake2b

import msgspec

TAIL = 256
"""Octets before a spot by which it is known again."""


class Spot(msgspec.Struct, frozen=True, gc=False):
    """How far one file was read."""

    device: int
    inode: int
    offset: int
    """Octets done with; the next line begins here."""
    mark: str
    """Of the octets before: another content in the same file has another one, a copy the same. See `mark`."""
    modified: int
    """When the file was last written to, in nanoseconds since 1970."""
    skipping: bool = False
    """The place is within a line that is left out."""


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


def mark(tail: bytes) -> str:
    """By what a spot is known whose last octets before it are `tail`."""
    return blake2b(tail, digest_size=12).hexdigest()
