"""Expanding `$name` in Postfix's settings (postconf(5), "parameter expansion").

Known are `$name`, `${name}`, `$(name)`, `${name?text}`, `${name:text}`, `${name?{text}:{text}}` and
`${{text} op {text} ? {text} : {text}}`. Text is itself expanded. `$$` is a dollar.

Pure. Raises ConfError for what Postfix could not expand either.
"""

import re
from collections.abc import Callable
from itertools import zip_longest

from gatepost.postfix.conf.lines import BLANKS, ConfError

Lookup = Callable[[str], str | None]
"""The value of a setting, not expanded; None when there is none."""

MAX_DEPTH = 100
MAX_LENGTH = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_OPERATOR = re.compile(r"(==|!=|<=|>=|<|>)(level)?", re.ASCII)
_CLOSE = {"{": "}", "(": ")"}


def expand(text: str, lookup: Lookup, depth: int = 0) -> str:
    """`text` with every reference replaced by what it stands for; an unknown name by nothing.

    Raises:
        ConfError: the expression is none, or refers to itself.
    """
    if depth > MAX_DEPTH:
        raise ConfError("a setting refers to itself")
    made = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        made.append(text[at:dollar])
        value, at = _reference(text, dollar + 1, lookup, depth)
        made.append(value)
    made.append(text[at:])
    whole = "".join(made)
    if len(whole) > MAX_LENGTH:
        raise ConfError("a setting expands to more than can be read")
    return whole


def depends_on(text: str, lookup: Lookup) -> set[str]:
    """The names that `text` asks for, and those that these ask for."""
    asked = set()

    def note(name: str) -> str | None:
        asked.add(name)
        return lookup(name)

    expand(text, note)
    return asked


def whole_reference(text: str) -> str:
    """The name when `text` is one plain reference and nothing else; else empty."""
    found = re.fullmatch(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))", text, re.ASCII)
    return next(filter(None, found.groups())) if found else ""


def _reference(text: str, at: int, lookup: Lookup, depth: int) -> tuple[str, int]:
    """What the reference after a dollar stands for, and the place after it."""
    opening = text[at : at + 1]
    if opening == "$":
        return "$", at + 1
    if opening in _CLOSE:
        end = _closing(text, at)
        return _inside(text[at + 1 : end], lookup, depth), end + 1
    name = _NAME.match(text, at)
    if name is None:
        raise ConfError(f'a name is missing after "$" in "{text[:60]}"')
    return _value(name[0], lookup, depth), name.end()


def _closing(text: str, at: int) -> int:
    """The place of the bracket that closes the one at `at`."""
    opening, closing = text[at], _CLOSE[text[at]]
    level = 0
    for place in range(at, len(text)):
        level += (text[place] == opening) - (text[place] == closing)
        if level == 0:
            return place
    raise ConfError(f'"${text[at : at + 60]}" is never closed')


def _inside(text: str, lookup: Lookup, depth: int) -> str:
    """The value of what stands between the brackets."""
    text = text.lstrip(BLANKS)
    if text.startswith("{"):
        so, rest = _comparison(text, lookup, depth)
        return _chosen(rest, lookup, depth, so=so)
    name = _NAME.match(text)
    if name is None:
        raise ConfError(f'a name is missing in "${{{text[:60]}}}"')
    rest = text[name.end() :].lstrip(BLANKS)
    if not rest:
        return _value(name[0], lookup, depth)
    so = bool(_value(name[0], lookup, depth))
    return _chosen(rest, lookup, depth, so=so)


def _value(name: str, lookup: Lookup, depth: int) -> str:
    return expand(lookup(name) or "", lookup, depth + 1)


def _comparison(text: str, lookup: Lookup, depth: int) -> tuple[bool, str]:
    """Whether `{left} op {right}` is so, and the rest of the text."""
    left, rest = _braced(text)
    operator = _OPERATOR.match(rest)
    if operator is None:
        raise ConfError(f'expected == or another comparison in "${{{text[:60]}}}"')
    right, rest = _braced(rest[operator.end() :].lstrip(BLANKS))
    one, other = (expand(side, lookup, depth + 1) for side in (left, right))
    return _compare(one, other, operator[1], level=bool(operator[2])), rest


def _compare(one: str, other: str, operator: str, *, level: bool) -> bool:
    order = _order_of_levels(one, other) if level else _order(one, other)
    return {
        "==": order == 0,
        "!=": order != 0,
        "<": order < 0,
        "<=": order <= 0,
        ">": order > 0,
        ">=": order >= 0,
    }[operator]


def _order(one: str, other: str) -> int:
    """Below 0, 0 or above 0: as numbers when both are some, else as texts."""
    if one.isascii() and other.isascii() and one.isdigit() and other.isdigit():
        return (int(one) > int(other)) - (int(one) < int(other))
    return (one > other) - (one < other)


def _order_of_levels(one: str, other: str) -> int:
    """The same for compatibility levels: `3.10` is above `3.6`."""
    for left, right in zip_longest(_level(one), _level(other), fillvalue=0):
        if left != right:
            return -1 if left < right else 1
    return 0


def _level(text: str) -> list[int]:
    parts = text.strip(BLANKS).split(".")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfError(f'"{text[:60]}" is no compatibility level')
    return [int(part) for part in parts]


def _chosen(rest: str, lookup: Lookup, depth: int, *, so: bool) -> str:
    """What `?text`, `:text` or `?{text}:{text}` comes to."""
    mark, rest = rest[:1], rest[1:].lstrip(BLANKS)
    if mark not in "?:" or not mark:
        raise ConfError(f'"{mark}" is not expected in "${{…{mark}{rest[:60]}}}"')
    other = ""
    if rest.startswith("{"):
        text, rest = _braced(rest)
        if mark == "?" and rest.startswith(":"):
            other = rest[1:].strip(BLANKS)
            other = _braced(other)[0] if other.startswith("{") else other
        elif rest:
            raise ConfError(f'"{rest[:60]}" is not expected after a "}}"')
    else:
        text = rest
    wanted = text if so == (mark == "?") else other
    return expand(wanted.lstrip(BLANKS), lookup, depth + 1)


def _braced(text: str) -> tuple[str, str]:
    """What stands in the braces that `text` begins with, and what follows them."""
    if not text.startswith("{"):
        raise ConfError(f'a "{{" is missing before "{text[:60]}"')
    end = _closing(text, 0)
    return text[1:end].lstrip(BLANKS), text[end + 1 :].lstrip(BLANKS)
