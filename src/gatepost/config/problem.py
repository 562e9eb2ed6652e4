"""What is wrong with a configuration, told so that it can be mended: file, line, key, expected, found."""

import difflib
import json
import re
from collections.abc import Iterable

import msgspec

from gatepost.config.lines import KeyPath

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_FOUND_LIMIT = 60
_RESEMBLES = 0.68
"""Of difflib's ratio: `excuse` for `refuse` would be no help, `helo.short` for `hello.short` is."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong."""

    file: str
    """Empty when it was said on the command line."""
    line: int
    """From 1; 0 when no single line is to blame."""
    key: str
    """Dotted path of the key, e.g. `dnsbl[0].zone`; empty for the file as a whole."""
    text: str
    """What was expected, what was found, and what to do."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds all that is wrong with it, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def key_text(path: KeyPath) -> str:
    """`path` as people write it: `dnsbl[0].zone`, `rules."helo.*"`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            shown = key if _BARE.fullmatch(key) else json.dumps(key)
            text += f".{shown}" if text else shown
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?` when something known resembles `word`, else nothing."""
    candidates = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=_RESEMBLES)
    return f'; did you mean "{candidates[close[0]]}"?' if close else ""


def found_text(value: object) -> str:
    """What was found, shortly."""
    match value:
        case dict():
            return "a table"
        case list() if len(value) > 3 or any(isinstance(item, list | dict) for item in value):
            return "a list"
        case list():
            return f"[{', '.join(map(found_text, value))}]"
        case str() | bool() | int() | float():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else repr(value)
            return text if len(text) <= _FOUND_LIMIT else f"{text[:_FOUND_LIMIT]}…"
    return str(value)  # dates and times
