"""What the act about bans says must not be."""

import io

import pytest
from rich.console import Console

from gatepost.lab.bans_report import BansReport, Row, Trial, show

SHUT_OUT = {
    "story": "guesses",
    "address": "198.18.66.1",
    "tries": 4,
    "answered": 3,
    "last": "no answer",
    "banned": ("198.18.66.1: auth.failed 5x",),
    "packets": 2,
    "spared": False,
}
LET_IN = SHUT_OUT | {
    "story": "honest",
    "answered": 4,
    "last": "250 Ok",
    "banned": (),
    "packets": 0,
    "spared": True,
}


def row(who, **more):
    return Row(**(who | more))


@pytest.mark.parametrize("who", [SHUT_OUT, LET_IN])
def test_nothing_is_wrong_when_all_is_as_it_must_be(who):
    assert [] == row(who).failures


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (row(SHUT_OUT, banned=()), "guesses: was not banned"),
        (row(SHUT_OUT, packets=0), "guesses: was not shut out"),
        (row(SHUT_OUT, last="535 no"), "guesses: was not shut out"),
        (row(LET_IN, banned=("198.18.66.1: x",)), "honest: was shut out"),
        (row(LET_IN, packets=1), "honest: was shut out"),
        (row(LET_IN, answered=3), "honest: was shut out"),
    ],
)
def test_what_must_not_be_is_told(wrong, told):
    assert [told] == wrong.failures


def test_people_see_clients_trials_and_what_failed():
    said = io.StringIO()
    report = BansReport(
        rows=(row(LET_IN, packets=7),),
        trials=(Trial("heals [in time]", passed=False, seconds=3.5),),
        seconds=9,
    )
    show(report, Console(file=said, width=180))

    for text in (
        "honest",
        "198.18.66.1",
        "no   heals [in time] (3.5 s)",
        "Must not be: honest: was shut out",
    ):
        assert text in said.getvalue()
