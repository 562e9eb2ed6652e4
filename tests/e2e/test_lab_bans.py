"""The act about bans: who guesses, floods or harvests is shut out by the kernel, and nobody else is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = str(Path(__file__).parents[2] / "src")
COMMAND = (sys.executable, "-m", "gatepost", "lab", "--act", "bans", "--json")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def played():
    ran = subprocess.run(
        COMMAND, env={**os.environ, "PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    "story",
    [
        "guesses passwords",
        "opens connections and sends what is no SMTP",
        "tries which recipients there are",
        "guesses passwords from many networks of a /48",
    ],
)
def test_who_offends_is_banned_and_its_packets_are_dropped(played, story):
    (row,) = [row for row in played["rows"] if row["story"] == story]

    assert (True, True, "no answer") == (bool(row["banned"]), row["packets"] > 0, row["last"])


def test_nobody_else_is_ever_shut_out(played):
    spared = [row for row in played["rows"] if row["spared"]]

    assert [([], 0, row["tries"]) for row in spared] == [
        (row["banned"], row["packets"], row["answered"]) for row in spared
    ]
    assert {"250", "450"} == {row["last"][:3] for row in spared}


def test_it_holds_against_flushing_and_restarts(played):
    assert [] == [trial["name"] for trial in played["trials"] if not trial["passed"]]
    assert 14 == len(played["trials"])
    assert [] == played["failures"]
