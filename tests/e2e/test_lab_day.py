"""The scripted day in the lab: real Postfix, NSD and Gatepost in a network namespace, real SMTP.

What each actor comes to is written down here for both profiles and compared
with what the lab saw. The lab itself does not know it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

SOURCE = str(Path(__file__).parents[2] / "src")
COMMAND = (sys.executable, "-m", "gatepost", "lab")
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE}

BALANCED = {
    # clean strangers pass at once, doubtful ones wait
    "honest": "in",
    "honest6": "in",
    "literal": "in",
    "stranger": "waited greylist.new",
    "bot": "deferred 450 greylist.new",
    "trio": "in",
    "trio-doubtful": "waited greylist.new greylist.mail",
    "second-mx": "waited greylist.new",
    "bounce": "waited greylist.new",
    "bounce-two": "waited greylist.new",
    "shop": "in",
    "guesser": "refused 550 postfix",
    "relayer": "refused 554 postfix",
    # weak evidence adds up
    "no-ptr": "waited greylist.new",
    "ptr-mismatch": "waited greylist.new",
    "helo-missing": "waited greylist.new",
    "helo-malformed": "waited greylist.new",
    "helo-short": "waited greylist.new",
    "helo-bare": "waited greylist.new",
    "helo-literal": "waited greylist.new",
    "helo-reserved": "waited greylist.new",
    "helo-nowhere": "waited greylist.new",
    "helo-excused": "in",
    "sum": "refused 550 score",
    "own-domain": "deferred 450 greylist.new",
    "zen-pbl": "waited greylist.new",
    # hard evidence refuses
    "helo-ours": "refused 550 helo.ours",
    "sender-nowhere": "deferred 450 sender_domain.unresolvable",
    "null-mx": "refused 550 sender_domain.null_mx",
    "mx-loopback": "refused 550 sender_domain.bad_mx",
    "zen-sbl": "refused 554 dnsbl.zen.sbl",
    "zen-xbl": "refused 554 dnsbl.zen.xbl",
    "zen6": "refused 554 dnsbl.zen.css",
    "dbl-sender": "refused 554 rhsbl.dbl.spam",
    "dbl-helo": "refused 554 rhsbl.dbl.phish",
    # exceptions, friends and ourselves
    "zen-excused": "in",
    "dnswl": "in",
    "dnswl-zen": "in",
    "user": "in",
    "printer": "in",
    "carol": "in",
    "dave": "in",
    "erin": "in",
    "frank": "in",
}
STRICT = BALANCED | {
    # every stranger waits, but for those who are excused
    "honest": "waited greylist.new",
    "honest6": "waited greylist.new",
    "literal": "waited greylist.new",
    "trio": "waited greylist.new greylist.mail",
    "helo-excused": "waited greylist.new",
    "zen-excused": "waited greylist.new",
    # each rule refuses by itself, with the code of Postfix's own restriction
    "no-ptr": "deferred 450 ptr.missing",
    "ptr-mismatch": "deferred 450 ptr.mismatch",
    "helo-missing": "refused 503 helo.missing",
    "helo-malformed": "refused 501 helo.malformed",
    "helo-short": "refused 504 helo.short",
    "helo-bare": "refused 501 helo.bare_address",
    "helo-literal": "refused 550 helo.literal_mismatch",
    "helo-reserved": "deferred 450 helo.reserved",
    "helo-nowhere": "deferred 450 helo.unresolvable",
    "sum": "refused 504 helo.short",
    "own-domain": "refused 550 sender_domain.ours",
    "zen-pbl": "refused 554 dnsbl.zen.pbl",
}


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, "--json", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, complaints = process.communicate(timeout=100)
    assert output, complaints
    return json.loads(output)


def short(row):
    """A row in the words of the tables above."""
    codes = sorted({str(one["code"]) for one in row["recipients"]}) if row["outcome"] != "waited" else []
    return " ".join([row["outcome"], *codes, *row["decided_by"]]) if row["outcome"] != "in" else "in"


def outcomes(report):
    return {row["key"]: short(row) for row in report["rows"]}


def leftovers():
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in names.splitlines() if line.startswith("gatepost-lab-")]


@pytest.fixture(scope="module")
def days():
    """Both profiles, each in a lab of its own, side by side."""
    running = {profile: start("--profile", profile) for profile in ("balanced", "strict")}
    return {profile: finish(process) for profile, process in running.items()}


def test_a_day_in_the_balanced_profile(days):
    assert BALANCED == outcomes(days["balanced"])


def test_a_day_in_the_strict_profile(days):
    assert STRICT == outcomes(days["strict"])


def test_clients_postfix_mailboxes_and_journal_agree(days):
    assert {profile: [] for profile in days} == {p: report["problems"] for p, report in days.items()}


def test_every_refusal_of_gatepost_can_be_found_by_the_reference_in_the_reply(days):
    for report in days.values():
        for row in report["rows"]:
            replies = [one["reply"] for one in row["recipients"] if one["outcome"] in ("refused", "deferred")]
            if row["decided_by"] != ["postfix"]:
                assert all(any(ref in reply for ref in row["references"]) for reply in replies), row


def test_mail_that_waited_says_so_once_and_no_other_does(days):
    for report in days.values():
        for row in report["rows"]:
            for one in row["recipients"]:
                marked = one["header"].startswith("X-Greylist:")
                assert marked == (one["outcome"] == "waited"), (row["key"], one)


def test_lists_that_went_wrong_are_put_aside_and_refuse_nobody(days):
    for report in days.values():
        aside = [note for note in report["notes"] if "put aside" in note]
        assert ["refuses-open-resolvers", "lists-the-world"] == [
            name for note in aside for name in ("refuses-open-resolvers", "lists-the-world") if name in note
        ]
        counted = [
            f["rule"] for row in report["rows"] for f in row["findings"] if f["rule"].startswith("dnsbl")
        ]
        assert [rule for rule in counted if not rule.startswith("dnsbl.zen.")] == []


def test_with_one_check_off_just_the_rows_that_depend_on_it_change(days):
    without = outcomes(finish(start("--profile", "strict", "--set", 'rules."ptr.missing" = 0')))
    before = outcomes(days["strict"])
    changed = {key: (before[key], without[key]) for key in before if before[key] != without[key]}
    assert {"no-ptr": ("deferred 450 ptr.missing", "waited greylist.new")} == changed


@pytest.mark.parametrize("profile", ["balanced", "strict"])
def test_the_simulation_comes_to_the_same(days, profile):
    simulated = finish(start("--simulate", "--profile", profile))
    assert simulated["simulated"]
    assert outcomes(days[profile]) == outcomes(simulated)


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_nothing_is_left_of(name):
    assert name not in leftovers()
    assert not Path("/etc/netns", name).exists()
    assert [] == list(Path(tempfile.gettempdir()).glob(f"{name}-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lab_that_is_ended_while_it_is_built_leaves_nothing(number):
    process = start("--profile", "strict")
    name = f"gatepost-lab-{process.pid}"
    wait_until(lambda: name in leftovers())
    process.send_signal(number)
    process.communicate(timeout=60)
    assert 128 + number == process.returncode
    assert_nothing_is_left_of(name)


def test_a_lab_that_is_kept_answers_until_it_is_interrupted():
    process = start("--keep")
    name = f"gatepost-lab-{process.pid}"
    for line in process.stderr:
        if "stays up" in line:
            break
    banner = subprocess.run(
        ["ip", "netns", "exec", name, sys.executable, "-c", GREET], capture_output=True, text=True, check=True
    )
    assert banner.stdout == "220 mx.gatepost.example ESMTP Postfix"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert_nothing_is_left_of(name)


GREET = (
    "import socket; connection = socket.create_connection(('192.0.2.25', 25));"
    "print(connection.makefile().readline().strip(), end='')"
)


def test_where_no_namespace_can_be_made_the_day_is_simulated_and_that_is_said():
    unprivileged = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = subprocess.run(
        [*unprivileged, *COMMAND, "--json"], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert "Network namespaces cannot be made here" in done.stderr
    assert BALANCED == outcomes(json.loads(done.stdout))


def test_a_wrong_setting_is_told_and_nothing_is_left():
    done = subprocess.run(
        [*COMMAND, "--set", 'greylist.dely = "1s"'],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert 'did you mean "delay"?' in done.stderr
