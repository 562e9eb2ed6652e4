"""Old logs, read once from beginning to end: plain, or packed by gzip, xz or bzip2, told apart by content.

What is packed is unpacked bit by bit: however large it becomes, a block is in
memory. `-` is standard input.

Raises: OldLogError, after all that could be read was given out.
"""

import bz2
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from gatepost.ban.blocks import BLOCK, Lines, cut

MEMORY = 128 << 20
"""Octets that unpacking xz may take; `xz -9` needs 65 MB."""

_MAGIC_LENGTH = 6


class OldLogError(Exception):
    """A log cannot be read, or not to its end; the text says which, where and why."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """Some whole lines."""

    first: int
    """Number of the first of them, from 1."""
    lines: Lines
    """Without newlines; empty ones stand for those that were too long."""


class _Unpacker(Protocol):
    """As bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gunzip:
    """zlib, in the manner of bz2 and lzma."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._zlib.unconsumed_tail or self.eof)

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = BLOCK) -> bytes:
        unpacked = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._full = len(unpacked) == max_length  # then there may be more of it, without any input
        return unpacked


_UNPACKERS: dict[bytes, Callable[[], _Unpacker]] = {
    b"\x1f\x8b": _Gunzip,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY),
    b"BZh": bz2.BZ2Decompressor,
}
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"\x04\x22\x4d\x18": "lz4"}


def read_old(name: str) -> Iterator[Block]:
    """All lines of the log `name`. Raises OldLogError."""
    what = "standard input" if name == "-" else name
    number = 1
    try:
        for lines in _lines(_octets(name)):
            yield Block(number, lines)
            number += len(lines)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = f" after line {number - 1}" if number > 1 else ""
        raise OldLogError(f"{what}: cannot be read{where}: {reason}") from error


def _lines(octets: Iterator[bytes]) -> Iterator[Lines]:
    """Whole lines; the last one needs no newline."""
    rest, skipping = b"", False
    for data in octets:
        rest += data
        while rest:
            found = cut(rest, skipping=skipping)
            rest, skipping = rest[found.used :], found.skipping
            if found.lines:
                yield found.lines
            if not found.used or not found.lines:
                break
    if rest:
        yield Lines.of([rest])


def _octets(name: str) -> Iterator[bytes]:
    """What the log holds, unpacked."""
    if name == "-":
        yield from _unpacked(sys.stdin.buffer)
        return
    with Path(name).open("rb", buffering=0) as file:
        yield from _unpacked(file)


def _unpacked(file: BinaryIO | io.FileIO) -> Iterator[bytes]:
    start = _start(file)
    for magic, packer in _OTHERS.items():
        if start.startswith(magic):
            raise ValueError(f"it is packed by {packer}; unpack it first, and give it as standard input (-)")
    make = next((make for magic, make in _UNPACKERS.items() if start.startswith(magic)), None)
    if make is not None:
        yield from _unpack(start, file, make)
        return
    yield start
    while data := file.read(BLOCK):
        yield data


def _start(file: BinaryIO | io.FileIO) -> bytes:
    """The first octets: a pipe may give fewer at once than the magic number has."""
    start = b""
    while len(start) < _MAGIC_LENGTH and (data := file.read(BLOCK)):
        start += data
    return start


def _unpack(data: bytes, file: BinaryIO | io.FileIO, make: Callable[[], _Unpacker]) -> Iterator[bytes]:
    """One packed stream after another, as `cat a.gz b.gz` makes them. Raises what the unpackers raise."""
    unpacker = make()
    while True:
        yield unpacker.decompress(data, BLOCK)
        if unpacker.eof:
            data = (unpacker.unused_data or file.read(BLOCK) or b"").lstrip(b"\0")
            if not data:
                return
            unpacker = make()
        else:
            data = (file.read(BLOCK) or b"") if unpacker.needs_input else b""
            if unpacker.needs_input and not data:
                raise EOFError("the packed file ends too early")
