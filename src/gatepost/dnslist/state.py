"""Whether one list may be believed: what its tests and its answers mean. Pure; times come from outside.

    untested ── tests pass ──▶ well ── a failed test, too many answers of no use ─────────▶ aside
        └───── a test fails ─────────────────────────────────────────────────────────────▶ ▲
                                well ◀── all tests pass, tried again with growing pauses ── ┘

RFC 5782, section 5: a list must hold its test entries and must not hold
their opposites; section 7: clients should not use a list that does not. A
name that nobody ever listed is tested too: where a dead domain was given a
wildcard record, the entries beside those of the former list still seem
absent (RFC 4592, 2.2.2), and everybody else is listed.

An error answer about somebody brings the tests forward to now, and they
decide: a list that refuses us refuses its tests too. So one odd record in a
list that works lets in nobody else whom it knows.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from gatepost.dnslist.options import WatchOptions

CALLED = {"ip4": "IPv4 addresses", "ip6": "IPv6 addresses", "name": "names"}


class State(StrEnum):
    """Where a list stands."""

    UNTESTED = "untested"
    """Not tested yet, or without an answer so far: believed meanwhile; error answers never count anyway."""
    WELL = "well"
    ASIDE = "aside"
    """Not asked about anybody until its tests pass."""


class Seen(StrEnum):
    """What a list answered to a test."""

    LISTED = "listed"
    ABSENT = "absent"
    ERROR = "error"
    UNKNOWN = "unknown"


class Trial(msgspec.Struct, frozen=True):
    """One test and its result."""

    kind: str
    """`ip4`, `ip6` or `name`."""
    entry: str
    """The address or name as people write it."""
    must: bool
    """Whether it must be listed."""
    seen: Seen
    why: str = ""
    """Why there was no answer, or what the error answer means."""


class Outcome(msgspec.Struct, frozen=True):
    """What all tests of a list mean together."""

    fault: str = ""
    """Why the list cannot be believed; empty when it can."""
    without: Mapping[str, str] = {}
    """Kinds whose own test entry is missing while others are there: the list is not asked about these."""


def examine(tests: Iterable[Trial], *, key: bool = False) -> Outcome:
    """What the tests mean, the gravest first; `key`: the list answers only to a key."""
    tests = tuple(tests)
    for test in tests:
        if test.seen is Seen.ERROR:
            return Outcome(test.why)
    for test in tests:
        if not test.must and test.seen is Seen.LISTED:
            return Outcome(f"it lists {test.entry}, which must not be listed: it may list everything")
    if tests and all(test.seen is Seen.UNKNOWN for test in tests):
        return Outcome(f"it does not answer ({tests[0].why or 'no reason given'})")
    cause = "is the key right?" if key else "RFC 5782, 5"
    missing = {
        test.kind: f"its test entry {test.entry} for {CALLED[test.kind]} is missing ({cause})"
        for test in tests
        if test.must and test.seen is Seen.ABSENT
    }
    if missing and missing.keys() >= {test.kind for test in tests if test.must}:
        return Outcome(next(iter(missing.values())))
    return Outcome(without=missing)


class Tally:
    """How many of the latest questions had no answer: counted over the last one to two half windows."""

    __slots__ = ("_half", "_now", "_start", "_was")

    def __init__(self, window: float) -> None:
        self._half = max(window / 2, 0.001)
        self._start = 0.0
        self._now = [0, 0]
        self._was = [0, 0]

    def add(self, *, unknown: bool, now: float) -> None:
        """Count a question."""
        self._move(now)
        self._now[0] += unknown
        self._now[1] += 1

    def counts(self, now: float) -> tuple[int, int]:
        """Questions without an answer, and all."""
        self._move(now)
        return self._now[0] + self._was[0], self._now[1] + self._was[1]

    def _move(self, now: float) -> None:
        passed = now - self._start
        if passed < self._half:
            return
        self._was = self._now if passed < 2 * self._half else [0, 0]
        self._now = [0, 0]
        self._start = now


@dataclass(slots=True)
class Standing:
    """How one list stands. Every method that may change it answers whether it did."""

    options: WatchOptions
    tally: Tally
    state: State = State.UNTESTED
    reason: str = ""
    without: Mapping[str, str] = field(default_factory=dict)
    since: float = 0.0
    """When it came into this state, in seconds since 1970."""
    failures: int = 0
    """Tests that failed in a row; pauses grow with them."""
    due: float = 0.0
    """When it is tested next, on the monotonic clock."""
    earliest: float = 0.0
    """Not before this, whatever is heard."""
    doubt: str = ""
    """An error answer heard lately, while its tests pass."""
    doubted: float = -math.inf
    """When it was heard last, on the monotonic clock."""

    def tested(self, outcome: Outcome, now: float, wall: float) -> bool:
        """Take the outcome of its tests."""
        if outcome.fault:
            return self.put_aside(outcome.fault, now, wall)
        changed = self.state is State.ASIDE or self.without != outcome.without
        if self.state is not State.WELL:
            self.state, self.reason, self.since = State.WELL, "", wall
        else:
            self.failures = 0  # only when well twice in a row, so that one that comes and goes waits longer
        if now - self.doubted >= self.options.retry:
            self.doubt = ""
        self.without = outcome.without
        self.due, self.earliest = now + self.options.interval, now + self.options.retry
        return changed

    def put_aside(self, why: str, now: float, wall: float) -> bool:
        """Do not believe it any more, because of `why`."""
        changed = self.state is not State.ASIDE
        if changed:
            self.state, self.since = State.ASIDE, wall
        self.reason, self.doubt = why, ""
        self.due = now + min(self.options.retry * 2 ** min(self.failures, 20), self.options.retry_most)
        self.failures += 1
        self.tally = Tally(self.options.window)
        return changed

    def heard(self, *, unknown: bool, why: str, now: float, wall: float) -> bool:
        """Take an answer to a question about somebody that was no error answer."""
        if self.state is State.ASIDE:
            return False
        self.tally.add(unknown=unknown, now=now)
        if not unknown:
            return False
        self.due = min(self.due, max(now, self.earliest))  # silent altogether? its tests will tell
        return self._fed_up("no answer", why, now, wall)

    def refused(self, why: str, now: float, wall: float) -> bool:
        """Take an error answer to a question about somebody; it never counts, and the tests will tell."""
        if self.state is not State.WELL:
            return self.put_aside(why, now, wall)
        first = not self.doubt
        self.doubt, self.doubted = why, now
        self.due = now if first else min(self.due, max(now, self.earliest))
        self.tally.add(unknown=True, now=now)
        return self._fed_up("no usable answer", why, now, wall) or first

    def _fed_up(self, what: str, why: str, now: float, wall: float) -> bool:
        """Put it aside when too many of the latest questions had no answer of use."""
        missed, all_ = self.tally.counts(now)
        if missed < self.options.unanswered_least or missed < all_ * self.options.unanswered_share:
            return False
        return self.put_aside(f"{missed} of {all_} questions had {what} ({why})", now, wall)

    def postpone(self, now: float) -> None:
        """Nothing was learned: try again soon, and count nothing."""
        self.due = now + self.options.retry
