"""What tables of every kind are made of: entries, each with what it says about a request. Pure."""

from typing import Protocol

import msgspec

from gatepost.access.base import Match
from gatepost.access.result import LooksAt, Result, ResultError, parse_result
from gatepost.access.trouble import Reading


class Entry(msgspec.Struct, frozen=True):
    """One entry of a table."""

    line: int
    match: Match | None
    """What it says about a request; None for DUNNO, which only ends the search."""


def fold(text: str) -> str:
    """A key as tables hold it and as it is looked up."""
    return text.lower() if text.isascii() else text.casefold()


class EntryMaker:
    """Makes entries of one file: the same place, scope and looks_at for all."""

    def __init__(self, reading: Reading, looks_at: LooksAt, scope: str) -> None:
        self.reading = reading
        self.looks_at = looks_at
        self.scope = scope

    def __call__(self, line: int, what: str, value: str) -> Entry | None:
        """The entry; None, and an error in `reading`, when its result cannot be honoured."""
        try:
            result = parse_result(value, self.looks_at)
        except ResultError as error:
            self.reading.error(line, str(error))
            return None
        if result.warning:
            self.reading.warn(line, result.warning)
        return Entry(line, None if result.kind == "dunno" else self._match(line, what, result))

    def _match(self, line: int, what: str, result: Result) -> Match:
        return Match(
            kind=result.kind,
            scope=self.scope if result.kind == "allow" else "all",
            looks_at=self.looks_at,
            what=what,
            source=f"{self.reading.file}:{line}",
            code=result.code,
            enhanced=result.enhanced,
            text=result.text,
            if_permit=result.if_permit,
        )


class Table(Protocol):
    """A table that can be asked."""

    patterns: bool
    """Whether it holds patterns, which are asked for whole keys only, never for parents of a name."""

    def find(self, key: str) -> Entry | None:
        """The entry for this key."""
        ...

    def __len__(self) -> int: ...
