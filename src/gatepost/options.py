"""What options of all parts share: durations, secrets, and how an option carries its own documentation.

Each part declares its options as a frozen msgspec Struct beside the code that
uses them; every field is followed by a docstring, from which the reference
page is generated. `config` only assembles them.
"""

import re

import msgspec

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST = 100 * 366 * _UNITS["d"]
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|m|h|d|w)")


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all option sections."""


class Duration(float):
    """Seconds; written as a number of seconds or as text with units: `"90s"`, `"5m"`, `"1h 30m"`, `"2d"`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f'"{self}"'

    def __str__(self) -> str:
        seconds = float(self)
        for unit in ("w", "d", "h", "m", "s"):
            if seconds and seconds % _UNITS[unit] == 0:
                return f"{int(seconds // _UNITS[unit])}{unit}"
        return f"{round(seconds * 1000)}ms" if seconds % 1 else "0s"


def duration(text: str | float) -> Duration:
    """Seconds from what a person wrote.

    Raises:
        ValueError: not a duration, or negative.
    """
    if isinstance(text, int | float):
        if not 0 <= text <= _LONGEST:
            raise ValueError("a duration cannot be negative, nor longer than a hundred years")
        return Duration(text)
    rest, total = text.strip().lower(), 0.0
    if not rest:
        raise ValueError('expected a duration such as "90s", "5m" or "2d"')
    while rest:
        match = _DURATION.match(rest)
        if not match:
            raise ValueError(f'"{text}" is not a duration; write for example "90s", "5m", "1h 30m" or "2d"')
        total += float(match["number"]) * _UNITS[match["unit"]]
        rest = rest[match.end() :].lstrip()
    if total > _LONGEST:
        raise ValueError(f'"{text[:40]}" is longer than a duration may be: a hundred years')
    return Duration(total)


class Secret:
    """A key or token: prints as stars, so that it cannot slip into a log, a reply or `--json`.

    It is no text: what joins, cuts or encodes text refuses it, json.dumps too.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def from_plain(kind: type, value: object) -> object:
    """Hook for msgspec.convert: text and numbers into Duration and Secret."""
    if kind is Duration:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return duration(value)
        raise ValueError('expected a duration such as "90s", "5m" or "2d"')
    if kind is Secret:
        if isinstance(value, str):
            return Secret(value)
        raise ValueError("expected text")
    raise NotImplementedError(kind)
