"""Regular expressions that people entered, through RE2: time is linear in the text, whatever the pattern.

Raises: PatternError for what RE2 cannot do (look-around, back references) or
what would be too large.
"""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import re2

T = TypeVar("T")

MAX_MEMORY = 4 << 20
"""Octets that one compiled pattern may take."""
MAX_TEXT = 2048
"""Characters of what is looked at that a pattern sees."""


class PatternError(ValueError):
    """Not a pattern, or one that cannot be matched in bounded time; the text says which."""


def compile_pattern(text: str, *, ignore_case: bool = True) -> Any:
    """The compiled pattern, with `search` and `groups`; raises PatternError."""
    options = re2.Options()
    options.case_sensitive = not ignore_case
    return _compile(text, text, options)


def compile_octets(text: str) -> Any:
    """The same for octets that need not be UTF-8, as in a log: each is a character."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return _compile(text, text.encode("latin-1", "backslashreplace"), options)


def _compile(text: str, pattern: str | bytes, options: Any) -> Any:
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(f"/{text}/ cannot be used: {said}{_hint(text)}") from None
    except UnicodeError:
        raise PatternError(f"/{text!a}/ cannot be used: it is not text") from None


def _hint(text: str) -> str:
    if "(?=" in text or "(?!" in text or "(?<=" in text or "(?<!" in text:
        return " (look-around takes unbounded time and is not supported; say it in two entries)"
    return ""


class Patterns(Generic[T]):
    """Many patterns, asked at once: one search for their union, and each by itself only where that hits."""

    def __init__(self) -> None:
        self._items: list[tuple[Any, T]] = []
        self._sources: list[str] = []
        self._union: Any = None

    def add(self, text: str, item: T, *, ignore_case: bool = True) -> Any:
        """Take a pattern; the compiled one is given back. Raises PatternError."""
        pattern = compile_pattern(text, ignore_case=ignore_case)
        self._items.append((pattern, item))
        self._sources.append(f"(?{'i' if ignore_case else '-i'}:{text})")
        self._union = None
        return pattern

    def close(self) -> None:
        """Build the union, when all patterns are in. Without it all is right, but slower."""
        # \Q would quote the parentheses that keep the patterns apart.
        if len(self._items) < 2 or any(r"\Q" in source for source in self._sources):
            return
        try:
            self._union = compile_pattern("|".join(self._sources))
        except PatternError:  # together too large
            self._union = None

    def all(self, text: str) -> Iterator[T]:
        """What belongs to each pattern that is found in `text`, in order."""
        text = text[:MAX_TEXT]
        if not self.may_match(text):
            return
        for pattern, item in self._items:
            if pattern.search(text):
                yield item

    def may_match(self, text: str) -> bool:
        """False when none of them is found in `text`: then nothing more need be asked."""
        if self._union is None:
            return bool(self._items)
        return self._union.search(text) is not None

    def __len__(self) -> int:
        return len(self._items)
