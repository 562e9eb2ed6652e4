r"""Source text of regexp: and pcre: tables (regexp_table(5), pcre_table(5)), matched by RE2.

What RE2 cannot do, and what it would read otherwise than Postfix, is refused
by file and line: look-around, back references, `\d` in a regexp: table (the
letter d there), flags that change the syntax.

Raises: AccessMapError, with every line that cannot be honoured.
"""

import re
from typing import Any

import msgspec

from gatepost.access.entry import Entry, EntryMaker
from gatepost.access.lines import SPACE, logical_lines
from gatepost.access.patterns import MAX_TEXT, PatternError, Patterns
from gatepost.access.result import split_word
from gatepost.access.rules import Rules

MAX_SUBSTITUTED = 400
"""Characters of a text with parts of a stranger's input in it."""

_FLAGS = {"regexp": "im", "pcre": "imsE"}
"""Flags whose meaning can be kept: keys have no line ends, so that all but `i` change nothing."""
_PART = re.compile(r"\$(?:(?P<dollar>\$)|(?P<a>\d+)|\{(?P<b>\d+)\}|\((?P<c>\d+)\))")
_PERL_CLASS = re.compile(r"(?<!\\)(?:\\\\)*\\[dDAzpPxQ]")
_BACKSLASH_IN_BRACKET = re.compile(r"\[\^?\]?[^\]\[]*\\[a-zA-Z0-9]")


class RegexpTable:
    """A table of patterns, asked for whole keys."""

    patterns = True

    def __init__(self, rules: Rules[Any], union: Patterns[None]) -> None:
        self._rules = rules
        self._union = union if rules.plain else None

    def find(self, key: str) -> Entry | None:
        """The first entry whose pattern is found in `key`, its text with the parts of `key` it asks for."""
        key = key[:MAX_TEXT]
        if self._union is not None and not self._union.may_match(key):
            return None
        found = self._rules.first(lambda pattern: pattern.search(key) or False)
        if found is None:
            return None
        entry, hit = found
        if entry.match is None or not hit or "$" not in entry.match.text:
            return entry
        text = _PART.sub(lambda part: _substituted(part, hit), entry.match.text)
        return Entry(entry.line, msgspec.structs.replace(entry.match, text=text[:MAX_SUBSTITUTED]))

    def __len__(self) -> int:
        return len(self._rules.steps)


def parse_regexp(data: bytes, make: EntryMaker, *, kind: str = "regexp") -> RegexpTable:
    """The table that `data` is the source of; `kind` is `regexp` or `pcre`. Raises AccessMapError."""
    parser = _Parser(make, kind)
    for number, text in logical_lines(data, make.reading):
        try:
            parser.take(number, text)
        except PatternError as error:
            make.reading.error(number, str(error))
    parser.rules.close(make.reading)
    make.reading.done()
    parser.union.close()
    return RegexpTable(parser.rules, parser.union)


class _Parser:
    def __init__(self, make: EntryMaker, kind: str) -> None:
        self.rules: Rules[Any] = Rules()
        self.union: Patterns[None] = Patterns()
        self.make = make
        self.kind = kind

    def take(self, number: int, text: str) -> None:
        if re.match(r"(?i)endif(?![a-z0-9])", text):
            self.rules.end(number, self.make.reading)
        elif re.match(r"(?i)if(?![a-z0-9])", text):
            pattern, positive, _ = self._pattern(text[2:].lstrip(SPACE))
            self.rules.begin(number, pattern, positive=positive)
        elif text[0].isalnum():
            self.make.reading.warn(number, "skipped, as Postfix does: no pattern begins here")
        else:
            self._rule(number, text)

    def _rule(self, number: int, text: str) -> None:
        pattern, positive, rest = self._pattern(text)
        if rest.startswith("!"):
            raise PatternError("two patterns in one rule are not supported; write: if !/second/ ... endif")
        value = rest.strip(SPACE)
        if not value:
            raise PatternError("the pattern has no result")
        for part in _PART.finditer(value):
            group = part["a"] or part["b"] or part["c"]
            if group and (not positive or not 1 <= int(group) <= pattern.groups):
                raise PatternError(f"{part[0]}: the pattern has no such part")
        if "$" in _PART.sub("", value) or "$" in split_word(value)[0]:
            raise PatternError(f'"{value}": only $1, $2, ... in the text of a result are supported')
        entry = self.make(number, text[: len(text) - len(rest)], value)
        if entry is not None:
            self.rules.rule(pattern, entry, positive=positive)

    def _pattern(self, text: str) -> tuple[Any, bool, str]:
        """Compiled pattern, whether it stands without `!`, and what follows its flags."""
        bare = text.lstrip("!" + SPACE)
        positive = text[: len(text) - len(bare)].count("!") % 2 == 0
        body, behind = _delimited(bare)
        flags = re.match(r"[^\s!]*", behind)
        letters = flags[0] if flags else ""
        for letter in letters:
            if letter not in _FLAGS[self.kind]:
                raise PatternError(f'the flag "{letter}" of a {self.kind}: table is not supported')
        if self.kind == "regexp":
            _refuse_misread(body)
        ignore_case = letters.count("i") % 2 == 0
        return self.union.add(body, None, ignore_case=ignore_case), positive, behind[len(letters) :]


def _delimited(text: str) -> tuple[str, str]:
    """What stands between the delimiters, and what follows."""
    if not text:
        raise PatternError("no pattern")
    at = 1
    while at < len(text) and text[at] != text[0]:
        at += 2 if text[at] == "\\" else 1
    if at >= len(text):
        raise PatternError(f'no closing "{text[0]}"')
    return text[1:at], text[at + 1 :]


def _refuse_misread(body: str) -> None:
    """What POSIX expressions mean otherwise than RE2 does."""
    if _PERL_CLASS.search(body) or _BACKSLASH_IN_BRACKET.search(body) or "(?" in body:
        raise PatternError(
            f"/{body}/ means something else in a regexp: table than it seems "
            r"(\d is the letter d, a backslash in [...] stands for itself, (?...) does not exist); "
            "write [0-9], or name the table pcre:"
        )


def _substituted(part: re.Match[str], hit: Any) -> str:
    if part["dollar"]:
        return "$"
    return str(hit.group(int(part["a"] or part["b"] or part["c"])) or "")
