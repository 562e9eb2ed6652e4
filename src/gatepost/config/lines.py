"""Where each key of a TOML text stands.

tomllib tells what a file says, not where; people want the line. The text has
been accepted by tomllib before: nothing is checked here a second time, and on
text that tomllib refuses the result means nothing.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""Keys from the top of the file; numbers count the elements of arrays, from 0."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]+")


def index(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every table, key and array element, in the order in which they stand."""
    return _Scanner(text).scan()


def nearest_line(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Line of `path`, or of the innermost table around it that the file has; 0 when it has none."""
    for length in range(len(path), 0, -1):
        if line := lines.get(path[:length]):
            return line
    return 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._found: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        """How many elements each array of tables has so far."""

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._peek():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise AssertionError("tomllib accepted what is no TOML")
        self._at = match.end()
        return match[0]

    def _peek(self) -> str:
        """The next octet that is no blank or comment; empty at the end."""
        self._skip(_BLANK)
        return self._text[self._at : self._at + 1]

    def _note(self, path: KeyPath) -> None:
        self._found.setdefault(path, bisect_left(self._newlines, self._at) + 1)

    def _header(self) -> KeyPath:
        """`[table]` or `[[table]]`; the path of what follows."""
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        path: KeyPath = ()
        *parents, last = self._keys()
        for key in parents:
            path = self._newest((*path, key))
        path = (*path, last)
        if brackets == 2:
            self._note(path)
            self._counts[path] = self._counts.get(path, 0) + 1
        path = self._newest(path)
        self._at = self._text.index("]", self._at) + brackets
        return path

    def _newest(self, path: KeyPath) -> KeyPath:
        """`path`, or its newest element when it is an array of tables."""
        self._note(path)
        if count := self._counts.get(path):
            path = (*path, count - 1)
            self._note(path)
        return path

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            if self._text[self._at] in "\"'":
                keys.append(tomllib.loads(f"key = {self._skip(_STRING)}")["key"])
            else:
                keys.append(self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _pair(self, table: KeyPath) -> None:
        """`key = value`."""
        path, start = table, self._at
        keys = self._keys()
        end, self._at = self._at, start
        for key in keys:
            path = (*path, key)
            self._note(path)
        self._at = end + 1
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._skip(_STRING)
            case _:
                self._skip(_PLAIN_VALUE)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        count = 0
        while (following := self._peek()) != "]":
            if following == ",":
                self._at += 1
                continue
            self._note((*path, count))
            self._value((*path, count))
            count += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while (following := self._peek()) != "}":
            if following == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1
