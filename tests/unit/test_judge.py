"""The greylisting decision, row by row: what is said, and what is written only when it must be."""

import pytest

from gatepost.store.base import Meeting, Outcome, Terms
from gatepost.store.judge import Client, Row, accepted, is_proven, judge, judge_shared, seen, succeeded

NOW = 1_700_000_000.0
AT = 1_700_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
TERMS = Terms(delay=60, retry_window=2 * 86400, keep=35 * 86400, clients_after=5, client_interval=3600)

WAITING = Row(AT - 30_000, AT - 30_000)
RIPE = Row(AT - 60_000, AT - 60_000)
PASSED = Row(AT - DAY, AT - HOUR // 2, AT - DAY + 60_000)


@pytest.mark.parametrize(
    ("row", "changed", "outcome", "wait"),
    [
        (None, Row(AT, AT), Outcome.NEW, 60.0),
        (WAITING, None, Outcome.EARLY, 30.0),
        (Row(AT - 59_999, AT - 59_999), None, Outcome.EARLY, 0.001),
        (RIPE, Row(RIPE.first, AT, AT), Outcome.PASSED, 0.0),
        (Row(AT - 2 * DAY, AT - 2 * DAY), Row(AT - 2 * DAY, AT, AT), Outcome.PASSED, 0.0),
        (Row(AT - 2 * DAY - 1, 0), Row(AT, AT), Outcome.NEW, 60.0),
        (PASSED, None, Outcome.KNOWN, 0.0),
        (Row(1, AT - HOUR, 2), Row(1, AT, 2), Outcome.KNOWN, 0.0),
        (Row(1, AT - 35 * DAY, 2), Row(1, AT, 2), Outcome.KNOWN, 0.0),
        (Row(1, AT - 35 * DAY - 1, 2), Row(AT, AT), Outcome.NEW, 60.0),
        (Row(AT + 60_000, AT + 60_000), None, Outcome.EARLY, 120.0),
        (Row(AT + 60_001, AT + 60_001), Row(AT, AT), Outcome.NEW, 60.0),
        (Row(AT + DAY, AT + DAY, AT + DAY), Row(AT + DAY, AT, AT + DAY), Outcome.KNOWN, 0.0),
    ],
)
def test_each_state_of_a_triplet_has_one_answer(row, changed, outcome, wait):
    found, meeting = judge(row, NOW, TERMS)
    assert changed == found
    first = AT if outcome is Outcome.NEW else row.first
    assert Meeting(outcome, first / 1000, wait) == meeting


def test_the_shared_triplet_opens_but_is_never_kept():
    over = Row(AT - 2 * DAY - 1, AT - 2 * DAY - 1)
    assert (None, Meeting(Outcome.PASSED, RIPE.first / 1000)) == judge_shared(RIPE, NOW, TERMS)
    assert (Row(AT, AT), Meeting(Outcome.NEW, NOW, 60.0)) == judge_shared(over, NOW, TERMS)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (None, Row(AT, AT, AT)),
        (WAITING, Row(WAITING.first, AT, AT)),
        (Row(AT - 3 * DAY, AT - 3 * DAY), Row(AT, AT, AT)),
        (PASSED, None),
        (Row(1, AT - HOUR, 2), Row(1, AT, 2)),
    ],
)
def test_what_passes_along_is_remembered_as_passed(row, expected):
    assert expected == accepted(row, NOW, TERMS)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (None, Client(1, AT, AT, AT)),
        (Client(1, AT - HOUR, 7, AT - HOUR), Client(2, AT, 7, AT)),
        (Client(1, AT - HOUR + 1, 7, AT - HOUR + 1), None),
        (Client(1, AT - HOUR + 1, 7, AT - HOUR), Client(1, AT - HOUR + 1, 7, AT)),
        (Client(4, AT - 36 * DAY, 7, AT - 36 * DAY), Client(1, AT, AT, AT)),
        (Client(1, AT + DAY, 7, AT), Client(2, AT, 7, AT)),
    ],
)
def test_a_success_counts_once_an_hour(client, expected):
    assert expected == succeeded(client, NOW, TERMS)


def test_nothing_is_counted_when_networks_cannot_prove_themselves():
    assert succeeded(None, NOW, Terms(clients_after=0)) is None
    assert not is_proven(Client(99, AT, AT, AT), NOW, Terms(clients_after=0))


@pytest.mark.parametrize(
    ("client", "proven"),
    [
        (Client(4, AT, AT, AT), False),
        (Client(5, AT, AT, AT), True),
        (Client(5, AT, AT, AT - 35 * DAY), True),
        (Client(5, AT, AT, AT - 35 * DAY - 1), False),
    ],
)
def test_a_network_is_proven_by_enough_successes_and_recent_mail(client, proven):
    assert proven == is_proven(client, NOW, TERMS)


def test_a_last_mail_is_written_at_most_once_an_hour():
    assert seen(Client(5, AT, AT, AT - HOUR + 1), NOW, TERMS) is None
    assert Client(5, AT, AT, AT) == seen(Client(5, AT, AT, AT - HOUR), NOW, TERMS)
