"""Patterns that can be asked: RE2 where it can do them, else the library regex with a time limit.

What is looked at are octets with one newline at the end. Patterns never raise,
whatever the octets.
"""

from collections.abc import Sequence
from typing import Any

import re2
import regex

from gatepost.ban.fail2ban.addresses import with_groups
from gatepost.ban.fail2ban.dialects import NotLinearError, for_re2, for_regex, roughly_for_re2
from gatepost.ban.fail2ban.needed import Texts, needed
from gatepost.ban.fail2ban.syntax import read
from gatepost.ban.fail2ban.trouble import FilterError

MAX_MEMORY = 16 << 20
"""Octets that one compiled pattern of RE2 may take."""
MAX_SECONDS = 0.02
"""Time that regex gets for one pattern and one line."""

Groups = dict[str, bytes | None]


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

    LEAST = 4
    """Fewer patterns are asked one by one as quickly."""

    def __init__(self, patterns: Sequence["Compiled"]) -> None:
        self._all = range(len(patterns))
        self._set = _set_of(patterns) if len(patterns) >= self.LEAST else None

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

    __slots__ = ("_search", "linear", "names", "needs", "rough", "why")

    def __init__(self, text: str) -> None:
        """Raises FilterError."""
        pattern = read(with_groups(text))
        self.names = pattern.names
        self.needs: Texts | None = needed(pattern.tree)
        self.why = ""
        """Why RE2 cannot do it; empty when it can."""
        self.rough = roughly_for_re2(pattern).encode("ascii")
        """For RE2: finds what this pattern finds; just that when it is linear."""
        try:
            self._search = _of_re2(for_re2(pattern).encode("ascii"))
        except NotLinearError as error:
            self.why = str(error)
            self._search = _of_regex(for_regex(pattern).encode("ascii"))
        self.linear = not self.why

    def search(self, text: bytes, late: Late) -> Any:
        """The match, for `groups` and with `span`, or None."""
        if self.linear:
            return self._search.search(text)
        if late.left <= 0:
            late.times += 1
            return None
        try:
            return self._search.search(text, timeout=MAX_SECONDS)
        except TimeoutError:
            late.met()
            return None

    def groups(self, match: Any) -> Groups:
        """The named groups of a match."""
        if self.linear:  # there, the groups with names are all that there are
            return dict(zip(self.names, match.groups(), strict=True))
        found: Groups = match.groupdict()
        return found


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
