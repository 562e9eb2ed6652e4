"""The one decision of greylisting (RFC 6647), used by every back-end, so that they cannot disagree.

Pure: a remembered row, a time and the terms in; the row to remember and the
answer out. Rows hold whole milliseconds since 1970: integers survive JSON and
SQLite exactly, and a millisecond is finer than any retry.
"""

import msgspec

from gatepost.store.base import Meeting, Outcome, Terms, Triplet

CLOCK_SLACK = 60_000
"""A time this far in the future (ms) was written before the clock was set back."""
REFRESH = 3_600_000
"""When something was last seen is written anew at most this often (ms): reading mail must not cost writes."""
ANY = "*"
"""Sender and recipient of the triplet that a crowded network shares; no normalised sender lacks its @."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a triplet, in milliseconds."""

    first: int
    """Its first try; the wait is counted from here."""
    last: int
    """Its last mail, to within REFRESH; while it waits, `first`."""
    passed: int = 0
    """When it passed first; 0 while it waits."""


class Client(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a network, in milliseconds."""

    successes: int
    """Mails that waited and came back, at most one in each `client_interval`."""
    counted: int
    """When the last of them was counted."""
    first: int
    last: int
    """Its last mail, to within REFRESH."""


def milliseconds(seconds: float) -> int:
    """Seconds as rows count them."""
    return int(seconds * 1000 + 0.5)


def shared(network: str) -> Triplet:
    """The triplet that stands for all further mail of a crowded network."""
    return Triplet(network, ANY, ANY)


def is_over(row: Row, at: int, terms: Terms) -> bool:
    """True when the row says nothing any more: its time is over, or the clock was set back behind it."""
    if row.passed:
        return at - row.last > milliseconds(terms.keep)
    return at - row.first > milliseconds(terms.retry_window) or row.first - at > CLOCK_SLACK


def judge(row: Row | None, now: float, terms: Terms) -> tuple[Row | None, Meeting]:
    """Judge a triplet: the row to remember (None: as it was) and the answer.

    A passed triplet stays passed when the clock is set back; a waiting one
    from the future starts anew, so that nobody waits until then.
    """
    at = milliseconds(now)
    if row is None or is_over(row, at, terms):
        return Row(at, at), Meeting(Outcome.NEW, at / 1000, terms.delay)
    if row.passed:
        seen = Row(row.first, at, row.passed) if _stale(row.last, at, terms) else None
        return seen, Meeting(Outcome.KNOWN, row.first / 1000)
    remaining = row.first + milliseconds(terms.delay) - at
    if remaining > 0:
        return None, Meeting(Outcome.EARLY, row.first / 1000, remaining / 1000)
    return Row(row.first, at, at), Meeting(Outcome.PASSED, row.first / 1000)


def judge_shared(row: Row | None, now: float, terms: Terms) -> tuple[Row | None, Meeting]:
    """Judge the triplet that a crowded network shares: it opens after the delay and is never kept longer.

    Whoever was told to come back may do so for the whole retry window; then
    the network starts anew, so that one flood does not let it in for weeks.
    """
    changed, meeting = judge(row, now, terms)
    return (None if meeting.outcome is Outcome.PASSED else changed), meeting


def accepted(row: Row | None, now: float, terms: Terms) -> Row | None:
    """The row of a triplet that passed along with another; None: as it was."""
    at = milliseconds(now)
    if row is None or is_over(row, at, terms):
        return Row(at, at, at)
    if row.passed:
        return Row(row.first, at, row.passed) if _stale(row.last, at, terms) else None
    return Row(row.first, at, at)


def brought(row: Row | None, other: Row, at: int, terms: Terms) -> Row | None:
    """The row of a triplet that another greylisting remembers as `other`; None: as it was."""
    if row is None or is_over(row, at, terms):
        return other
    if row.passed and not other.passed:
        return None
    first = min(row.first, other.first)
    merged = Row(first, first)
    if row.passed:
        merged = Row(first, max(row.last, other.last), row.passed)
    elif other.passed:
        merged = Row(first, other.last, other.passed)
    return None if merged == row else merged


def brought_client(client: Client | None, other: Client, at: int, terms: Terms) -> Client | None:
    """The client of which another greylisting knows `other`; None: as it was."""
    if is_forgotten(other, at, terms):
        return None
    if client is None or is_forgotten(client, at, terms):
        return other
    merged = Client(
        max(client.successes, other.successes),
        max(client.counted, other.counted),
        min(client.first, other.first),
        max(client.last, other.last),
    )
    return None if merged == client else merged


def is_proven(client: Client, now: float, terms: Terms) -> bool:
    """True when the network came back often enough, and not too long ago."""
    if not 0 < terms.clients_after <= client.successes:
        return False
    return not is_forgotten(client, milliseconds(now), terms)


def is_forgotten(client: Client, at: int, terms: Terms) -> bool:
    """True when the network's last mail is too long ago to count."""
    return at - client.last > milliseconds(terms.keep)


def seen(client: Client, now: float, terms: Terms) -> Client | None:
    """The client after one more mail; None: as it was."""
    at = milliseconds(now)
    if not _stale(client.last, at, terms):
        return None
    return Client(client.successes, client.counted, client.first, at)


def succeeded(client: Client | None, now: float, terms: Terms) -> Client | None:
    """The client after a mail of it waited and came back; None: as it was."""
    if terms.clients_after <= 0:
        return None
    at = milliseconds(now)
    if client is None or is_forgotten(client, at, terms):
        return Client(1, at, at, at)
    since = at - client.counted
    if since >= milliseconds(terms.client_interval) or since < -CLOCK_SLACK:
        return Client(client.successes + 1, at, client.first, at)
    return seen(client, now, terms)


def _stale(last: int, at: int, terms: Terms) -> bool:
    """True when a last-seen time is worth writing anew; also when it lies in the future."""
    return abs(at - last) >= min(REFRESH, milliseconds(terms.keep) // 24)
