"""Patterns that can be asked: RE2 where it can do them, else the library regex with a time limit.

What is looked at are octets with one newline at the end. Patterns never raise,
whatever the octets.
"""

from collections.abc import Callable, Sequence
from typing import Any

import re2
import regex

from gatepost.ban.fail2ban.addresses import with_groups
from gatepost.ban.fail2ban.dialects import NotLinearError, for_re2, for_regex, roughly_for_re2
from gatepost.ban.fail2ban.linear import core, without_end
from gatepost.ban.fail2ban.needed import Texts, needed
from gatepost.ban.fail2ban.syntax import read
from gatepost.ban.fail2ban.tree import Pattern
from gatepost.ban.fail2ban.trouble import FilterError

MAX_MEMORY = 16 << 20
"""Octets that one compiled pattern of RE2 may take."""
MAX_SECONDS = 0.02
"""Time that regex gets for one pattern and one line."""

Groups = dict[str, bytes | None]
Spans = Sequence[tuple[int, int]]
"""Of the whole match, and of its groups; -1 where one took no part."""
Search = Callable[..., Spans | None]
"""Where a pattern matches in a text, from a place on."""


class Late:
    """How often a time limit was met: after too often, patterns without linear time rest for a while."""

    __slots__ = ("left", "times")

    ALLOWED = 20

    def __init__(self) -> None:
        self.times = 0
        self.left = self.ALLOWED

    def met(self) -> None:
        """Once more."""
        self.times += 1
        self.left -= 1

    def rest_is_over(self) -> None:
        """A new block of lines begins."""
        self.left = self.ALLOWED


class Together:
    """Many patterns asked by one search, which tells those that may match."""

    LEAST = 3
    """Fewer patterns are asked one by one as quickly, when RE2 can do all of them."""

    def __init__(self, patterns: Sequence["Compiled"]) -> None:
        self._all = range(len(patterns))
        worth_it = len(patterns) >= self.LEAST or not all(pattern.linear for pattern in patterns)
        self._set = _set_of(patterns) if worth_it else None

    def which(self, text: bytes) -> Sequence[int]:
        """Numbers of the patterns worth asking, in order."""
        return self._all if self._set is None else sorted(self._set.Match(text) or ())


def _set_of(patterns: Sequence["Compiled"]) -> Any:
    said = options()
    said.max_mem = 4 * MAX_MEMORY  # without room it would say "none"
    together = re2.Set.SearchSet(said)
    try:
        for pattern in patterns:
            together.Add(pattern.rough)
        together.Compile()
    except re2.error:  # too large together
        return None
    return together


class Compiled:
    """One pattern."""

    __slots__ = ("_core", "_regex", "_spans", "linear", "names", "needs", "rough", "why")

    def __init__(self, source: str | Pattern) -> None:
        """Raises FilterError."""
        pattern = without_end(read(with_groups(source)) if isinstance(source, str) else source)
        self.names = pattern.names
        self.needs: Texts | None = needed(pattern.tree)
        self.why = ""
        """Why RE2 cannot do it; empty when it can."""
        self.rough = roughly_for_re2(pattern).encode("ascii")
        """For RE2: finds what this pattern finds; just that when it is linear."""
        self._spans: Search | None = None
        self._core: _Core | None = None
        self._regex: Any = None
        try:
            self._spans = spans_of(_of_re2(for_re2(pattern).encode("ascii")))
        except NotLinearError as error:
            self.why = str(error)
            self._regex = _of_regex(for_regex(pattern).encode("ascii"))
            self._core = _core_of(pattern)
        self.linear = not self.why

    def find(self, text: bytes, late: Late) -> tuple[Groups, int] | None:
        """The named groups of the first match, and where it ends; None when there is none."""
        if self._spans is not None:  # there, the groups with names are all that there are
            spans = self._spans(text)
            if spans is None:
                return None
            return dict(zip(self.names, _cut(text, spans), strict=True)), spans[0][1]
        if self._core is not None and self._core.unless(text) is None:
            return self._core.find(text)
        match = self._slow(text, late)
        return None if match is None else (match.groupdict(), match.end())

    def search(self, text: bytes, late: Late) -> Groups | None:
        """The named groups of the first match; None when there is none."""
        found = self.find(text, late)
        return None if found is None else found[0]

    def place(self, name: str, text: bytes, late: Late) -> tuple[int, int] | None:
        """Where a named group of the first match is; None when there is none."""
        if self._spans is not None:
            spans = self._spans(text)
            return None if spans is None else spans[self.names.index(name) + 1]
        match = self._slow(text, late)
        return None if match is None else match.span(name)

    def _slow(self, text: bytes, late: Late) -> Any:
        if late.left <= 0:
            late.times += 1
            return None
        try:
            return self._regex.search(text, timeout=MAX_SECONDS)
        except TimeoutError:
            late.met()
            return None


class _Core:
    """The ways of a pattern that RE2 can do, for texts in which the others have no part."""

    __slots__ = ("_names", "_nothing", "_spans", "unless")

    def __init__(self, spans: Search, names: Sequence[str], every: Sequence[str], unless: Search) -> None:
        self._spans = spans
        self._names = names
        self._nothing: Groups = dict.fromkeys(every)
        self.unless = unless
        """Finds what makes it a matter for the whole pattern."""

    def find(self, text: bytes) -> tuple[Groups, int] | None:
        """As the whole pattern."""
        spans = self._spans(text)
        if spans is None:
            return None
        return self._nothing | dict(zip(self._names, _cut(text, spans), strict=True)), spans[0][1]


def _core_of(pattern: Pattern) -> _Core | None:
    found = core(pattern)
    if found is None:
        return None
    try:
        spans = spans_of(_of_re2(for_re2(found.pattern).encode("ascii")))
    except NotLinearError:  # too large
        return None
    return _Core(spans, found.pattern.names, pattern.names, one_of(found.unless))


def one_of(texts: Texts) -> Search:
    """Finds any of these texts; case does not count."""
    said = options()
    said.case_sensitive = False
    return spans_of(re2.compile(b"|".join(re2.escape(text) for text in sorted(texts)), said))


def _cut(text: bytes, spans: Spans) -> list[bytes | None]:
    """The texts of the groups, without that of the whole match."""
    return [text[start:end] if start >= 0 else None for start, end in spans[1:]]


def options() -> Any:
    """How RE2 is to take all patterns of ours."""
    said = re2.Options()
    said.encoding = re2.Options.Encoding.LATIN1
    said.log_errors = False
    said.max_mem = MAX_MEMORY
    return said


def _of_re2(text: bytes) -> Any:
    try:
        return re2.compile(text, options())
    except re2.error as error:
        raise NotLinearError(str(error.args[0] if error.args else "refused")) from None


def _of_regex(text: bytes) -> Any:
    try:
        return regex.compile(text, flags=regex.VERSION0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise FilterError(f"a pattern that cannot be used: {error}") from None


def spans_of(compiled: Any) -> Search:
    """Where a pattern of RE2 matches.

    The library wraps each match in an object that asks the engine again for each group. Its extension tells
    all of it at once, which makes a filter twice as quick on lines that match; so that is asked where it is.
    """
    match = getattr(getattr(compiled, "_regexp", None), "Match", None)
    anywhere = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
    if match is None or anywhere is None:
        return lambda text, start=0: _spans(compiled.search(text, start), compiled.groups)

    def search(text: bytes, start: int = 0) -> Spans | None:
        spans: Spans = match(anywhere, text, start, len(text))
        return spans if spans[0][0] >= 0 else None

    return search


def _spans(match: Any, groups: int) -> Spans | None:
    return None if match is None else [match.span(group) for group in range(groups + 1)]
