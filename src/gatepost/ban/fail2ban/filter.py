"""A filter that can be asked: which lines tell of a failure, and whose.

Pure but for the time limits of patterns that need them. No line makes it raise.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import msgspec

from gatepost.ban.fail2ban.addresses import SUBJECTS
from gatepost.ban.fail2ban.definition import Definition
from gatepost.ban.fail2ban.engine import Compiled, Groups, Late, Search, Together, one_of
from gatepost.ban.fail2ban.needed import Texts, better, whole
from gatepost.ban.fail2ban.prefix import Prefix
from gatepost.ban.fail2ban.sessions import Sessions
from gatepost.ban.fail2ban.stamps import Stamps
from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.network import parse_address
from gatepost.wire.syslog import Stamps as Times

MAX_LINE = 4096
"""Octets of a line that is looked at. A longer one is passed over: its writer would choose the cut."""
MAX_USER = 320
"""Characters kept of a user's name."""


class Match(msgspec.Struct, frozen=True, gc=False):
    """A failure that a line tells of."""

    address: str
    """Whose it is, in its one form; empty when the line has only a name, which is never looked up."""
    user: str
    """The name that was tried, for people; empty when none is told."""
    rule: str
    """Name of the filter, as offences carry it."""
    source: bytes
    """The line that tells the address: this one, or an earlier one of the same session."""
    stamp: bytes = b""
    """The line's own time stamp, as it is written; empty when it has none."""
    host: str = ""
    """The name in place of an address."""
    pattern: int = 0
    """Which failregex it was, the first is 0."""


class Filter:
    """The patterns of one filter. It remembers sessions: lines come in order, and once."""

    def __init__(self, definition: Definition, rule: str) -> None:
        """Raises FilterError."""
        self.rule = rule
        self.definition = definition
        if definition.maxlines > 1:
            raise self._error("maxlines", "it needs more than one line at once, which we do not look at")
        self._prefix = self._of_prefix()
        self._failures = self._compiled("failregex", definition.failregex)
        self._ignored = self._compiled("ignoreregex", definition.ignoreregex)
        self._stamps = self._of_dates()
        self._sessions = Sessions()
        self._times = Times(0.0)  # only how far stamps are apart counts here
        self._late = Late()
        self._check_subjects()
        self._together = Together(self._failures)
        needs = self._needs()
        self._candidates = one_of(needs) if needs else None
        self._ignore_first = bool(self._ignored) and len(self._ignored) < len(self._failures) - 2
        self.passed_over = 0
        """Lines longer than MAX_LINE so far."""

    @property
    def late(self) -> int:
        """How often a pattern was given up for its time so far."""
        return self._late.times

    @property
    def engine(self) -> str:
        """What its patterns are matched with, for people."""
        every = [one.linear for one in (*self._failures, *self._ignored)]
        every += [self._prefix.linear] if self._prefix else []
        slow = every.count(False)
        if slow in (0, len(every)):
            return "regex" if slow else "RE2"
        return f"RE2, {slow} of {len(every)} with regex"

    def matches(self, line: bytes) -> Match | None:
        """What one line, without its newline, tells."""
        return next((match for _, match in self.scan([line])), None)

    def scan(self, lines: Sequence[bytes]) -> Iterator[tuple[int, Match]]:
        """What many lines tell, each with its number in `lines`, the first is 0."""
        self._late.rest_is_over()
        for number in self._worth_looking(lines):
            line = lines[number]
            if len(line) > MAX_LINE:
                self.passed_over += 1
                continue
            match = self._look(line)
            if match is not None:
                yield number, match

    def forget(self) -> None:
        """Begin anew: sessions of before are over."""
        self._sessions.forget()

    # --- one line ---

    def _look(self, line: bytes) -> Match | None:
        rest, stamp = self._stamps.cut(line, self._late)
        text = rest + b"\n"
        if self._ignore_first and self._ignores(text):
            return None
        before: Groups = {}
        if self._prefix is not None:
            found = self._prefix.search(text, self._late)
            if found is None:
                return None
            before, text = found
        return self._failure(line, text, before, stamp)

    def _failure(self, line: bytes, text: bytes, before: Groups, stamp: bytes) -> Match | None:
        for number in self._together.which(text):
            found = self._failures[number].search(text, self._late)
            if found is None:
                continue
            if self._ignored and self._ignores(text):
                return None
            return self._of(line, {**before, **found}, stamp, number)
        return None

    def _of(self, line: bytes, found: Groups, stamp: bytes, number: int) -> Match | None:
        found = _merged(found)
        source, said = line, found
        session_name = found.get("mlfid")
        if session_name is not None:
            tells = any(found.get(key) is not None for key in ("ip4", "ip6", "dns", "fid"))
            time = self._times.seconds(stamp) if stamp else None
            session = self._sessions.take(session_name, found, line if tells else b"", time)
            if session is None:
                return None
            said, source = dict(session.said), session.source
        address, host = _whose(said)
        return Match(address, _text(said.get("user"))[:MAX_USER], self.rule, source, stamp, host, number)

    def _ignores(self, text: bytes) -> bool:
        return any(one.search(text, self._late) is not None for one in self._ignored)

    # --- many lines ---

    def _worth_looking(self, lines: Sequence[bytes]) -> Iterator[int]:
        if self._candidates is None:
            return iter(range(len(lines)))
        return _found(self._candidates, lines)

    # --- building ---

    def _compiled(self, option: str, texts: Sequence[str]) -> list[Compiled]:
        try:
            return [Compiled(text) for text in texts]
        except FilterError as error:
            raise self._error(option, error.reason) from None

    def _of_prefix(self) -> Prefix | None:
        try:
            return Prefix(self.definition.prefregex) if self.definition.prefregex else None
        except FilterError as error:
            raise self._error("prefregex", error.reason) from None

    def _of_dates(self) -> Stamps:
        try:
            return Stamps(self.definition.datepattern)
        except FilterError as error:
            raise self._error("datepattern", error.reason) from None

    def _error(self, option: str, reason: str) -> FilterError:
        return FilterError(f"{option}: {reason}", *self.definition.places.get(option, ("", 0)))

    def _check_subjects(self) -> None:
        told = SUBJECTS.intersection(self._prefix.names if self._prefix else ())
        for failure in self._failures:
            if not told and not SUBJECTS.intersection(failure.names):
                raise self._error(
                    "failregex", "a pattern without <HOST>, <ADDR> or <F-ID>, that tells nobody"
                )

    def _needs(self) -> Texts | None:
        """Texts of which one stands in each line that can match; None when some line needs none."""
        if not self._stamps.between_words:
            return None
        before = whole(self._prefix.needs) if self._prefix else None
        found: set[bytes] = set()
        for failure in self._failures:
            best = better(before, whole(failure.needs))
            if best is None:
                return None
            found |= best
        return frozenset(found)


def _merged(found: Groups) -> Groups:
    """With `<F-ALT_USER>` and its kind where the thing itself is not told."""
    for name in [name for name in found if name.startswith("alt_")]:
        base = name.removeprefix("alt_").rstrip("0123456789").rstrip("_")
        if found[name] and not found.get(base):
            found[base] = found[name]
    return found


def _whose(said: Mapping[str, bytes | None]) -> tuple[str, str]:
    """Address, and name in place of one."""
    for group in ("ip4", "ip6", "fid"):
        told = said.get(group)
        if told is not None:
            address = _address(told)
            return (address, "") if address else ("", _text(told)[:MAX_USER])
    return "", _text(said.get("dns"))[:MAX_USER]


@lru_cache(maxsize=16384)
def _address(told: bytes) -> str:
    """In its one form; empty when it is none."""
    address = parse_address(_text(told).strip("[]"))
    return "" if address is None else str(address)


def _text(octets: bytes | None) -> str:
    return "" if octets is None else octets.decode("utf-8", "replace")


def _found(search: Search, lines: Sequence[bytes]) -> Iterator[int]:
    """Numbers of the lines in which the search finds something: they are searched as one text."""
    block = b"\n".join(lines)
    ends = list(accumulate(len(line) + 1 for line in lines))
    at = 0
    while at < len(block):
        hit = search(block, at)
        if hit is None:
            return
        number = bisect_right(ends, hit[0][0])
        yield number
        at = ends[number]
