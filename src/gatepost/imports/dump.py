r"""Records from what db_dump(1) prints of a Berkeley DB: `format=print` and `format=bytevalue`.

A header of `name=value` lines, then keys and values in turns, each on a line
with a space before it, octets that are not printable as `\xx`. All of it is
taken for hostile: lines are bounded, and what is broken is counted.

Pure; raises nothing.
"""

import re
from collections.abc import Iterable, Iterator

MAX_LINE = 16 * 1024
"""Octets of a line; a key of postgrey's has two mail addresses at most."""

_ESCAPE = re.compile(rb"\\(\\|[0-9a-fA-F]{2})")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})*")


class Dump:
    """Reads one dump, and counts what is wrong in it."""

    def __init__(self) -> None:
        self.broken = 0
        """Keys or values that cannot be read, each costing its record."""
        self.complete = False
        """Whether the end was reached."""
        self._plain = True

    def records(self, lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Keys with their values. A line longer than MAX_LINE may come in pieces, see `cut`."""
        data, key, is_value = False, None, False
        for line in lines:
            text = line.rstrip(b"\r\n")
            if not data:
                data = self._header(text)
            elif text == b"DATA=END":
                self.complete = True
                self.broken += is_value
                return
            elif is_value:
                value = self._octets(text)
                if key is not None and value is not None:
                    yield key, value
                else:
                    self.broken += 1
                is_value = False
            else:
                key, is_value = self._octets(text), True

    def _header(self, text: bytes) -> bool:
        if text.startswith(b"format="):
            self._plain = text == b"format=print"
        return text == b"HEADER=END"

    def _octets(self, text: bytes) -> bytes | None:
        if not text.startswith(b" ") or len(text) > MAX_LINE:
            return None
        text = text[1:]
        if not self._plain:
            return bytes.fromhex(text.decode("ascii")) if _HEX.fullmatch(text) else None
        if b"\\" in _ESCAPE.sub(b"", text):
            return None
        return _ESCAPE.sub(
            lambda found: b"\\" if found[1] == b"\\" else bytes.fromhex(found[1].decode()), text
        )


def cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines from pieces of at most MAX_LINE octets each; of a longer line only its begin, made too long."""
    begin = b""
    for piece in pieces:
        begin = (begin + piece)[: MAX_LINE + 2]
        if piece.endswith(b"\n"):
            yield begin
            begin = b""
    if begin:
        yield begin
