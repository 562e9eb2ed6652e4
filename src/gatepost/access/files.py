"""Files of entries: read, and followed when they change.

A new version that is broken changes nothing: the old one stays, and the
reasons are kept, by file and line, until it is mended. A file that is missing
is told, and read when it appears. Nothing here raises.
"""

import os
from collections.abc import Callable, Iterator, Sequence

import msgspec

from gatepost.access.base import Match
from gatepost.access.cidr_table import parse_cidr
from gatepost.access.entry import EntryMaker, Table
from gatepost.access.index import Index
from gatepost.access.options import AccessOptions
from gatepost.access.postfix_map import parse_map
from gatepost.access.postgrey import parse_clients, parse_recipients
from gatepost.access.regexp_table import parse_regexp
from gatepost.access.result import LooksAt
from gatepost.access.trouble import AccessMapError, Reading, Trouble

MAX_BYTES = 32 << 20
"""A larger file is refused."""
SETTLED = 1.0
"""Seconds since its last change after which a file is taken to be written to the end."""

INDEXED = ("hash", "btree", "lmdb", "dbm", "cdb", "sdbm", "texthash")
PATTERNS = ("cidr", "regexp", "pcre")

Content = Table | Index[Match]


class Wanted(msgspec.Struct, frozen=True):
    """A file of the configuration."""

    path: str
    kind: str
    """Type of the table, or `postgrey`."""
    looks_at: LooksAt
    scope: str


def wanted_files(options: AccessOptions) -> Iterator[Wanted]:
    """Every file that the options name."""
    maps: tuple[tuple[Sequence[str], LooksAt, str], ...] = (
        (options.client_access, "client", "all"),
        (options.helo_access, "helo", "helo"),
        (options.sender_access, "sender", "all"),
        (options.recipient_access, "recipient", "all"),
        (options.rbl_override, "client", "lists"),
        (options.client_override, "client", "client"),
    )
    for names, looks_at, scope in maps:
        for name in names:
            kind, colon, path = name.partition(":")
            if colon and "/" not in kind:
                yield Wanted(path.strip(), kind.strip(), looks_at, scope)
            else:
                yield Wanted(name, "texthash", looks_at, scope)
    for name in options.postgrey_clients:
        yield Wanted(name, "postgrey", "client", "greylist")
    for name in options.postgrey_recipients:
        yield Wanted(name, "postgrey", "recipient", "greylist")


def parse(wanted: Wanted, data: bytes, reading: Reading) -> Content:
    """What the file holds; raises AccessMapError."""
    if wanted.kind == "postgrey":
        return (
            parse_clients(data, reading) if wanted.looks_at == "client" else parse_recipients(data, reading)
        )
    make = EntryMaker(reading, wanted.looks_at, wanted.scope)
    if wanted.kind == "cidr":
        return parse_cidr(data, make)
    if wanted.kind in PATTERNS:
        return parse_regexp(data, make, kind=wanted.kind)
    if wanted.kind not in INDEXED:
        reading.error(0, f'a table of type "{wanted.kind}" cannot be read; there are {_KINDS}')
        reading.done()
    return parse_map(data, make)


_KINDS = ", ".join((*INDEXED, *PATTERNS))


class AccessFile:
    """One file, as it was when it was last right."""

    def __init__(self, wanted: Wanted, now: Callable[[], float]) -> None:
        """Read nothing yet; `now` gives seconds since 1970."""
        self.wanted = wanted
        self.content: Content | None = None
        self.errors: tuple[Trouble, ...] = ()
        self.warnings: tuple[Trouble, ...] = ()
        self.missing = ""
        self._stamp: tuple[int, ...] | None = None
        self._now = now

    def refresh(self, *, at_once: bool = False) -> bool:
        """Read the file if it changed; True when what it holds is different from now on."""
        try:
            with open(self.wanted.path, "rb") as file:  # noqa: PTH123 - a path of the configuration is text
                status = os.fstat(file.fileno())
                stamp = _stamp(status)
                if stamp == self._stamp or not (at_once or self._settled(status)):
                    return False
                data = file.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            return self._gone(error)
        self._stamp, self.missing = stamp, ""
        return self._take(data)

    def _settled(self, status: os.stat_result) -> bool:
        """Somebody may be writing it just now."""
        return not 0 <= self._now() - status.st_mtime_ns / 1e9 < SETTLED

    def _gone(self, error: Exception) -> bool:
        """What it held stays, as with Postfix, until it is there again."""
        reason = getattr(error, "strerror", None) or str(error)
        self.missing = f"cannot be read: {reason}"
        self._stamp = None
        return False

    def _take(self, data: bytes) -> bool:
        reading = Reading(self.wanted.path)
        try:
            if len(data) > MAX_BYTES:
                reading.error(0, f"larger than {MAX_BYTES >> 20} MB")
                reading.done()
            content = parse(self.wanted, data, reading)
        except AccessMapError as error:
            self.errors = error.troubles
            return False
        self.content, self.errors, self.warnings = content, (), tuple(reading.warnings)
        return True

    def troubles(self) -> Iterator[str]:
        """What people should know about it now."""
        if self.missing:
            stays = "" if self.content is None else "; what it held before still counts"
            yield f"{self.wanted.path}: {self.missing}{stays}"
        for trouble in self.errors:
            yield str(trouble) + ("" if self.content is None else " (the last right version still counts)")
        for trouble in self.warnings:
            yield str(trouble)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size
