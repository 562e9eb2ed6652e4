"""Each verdict is kept once, and only what was judged."""

import asyncio
import io

import pytest

from gatepost.clock import FakeClock
from gatepost.model import Action, Judged, Request, Verdict
from gatepost.observe.log import LineWriter, harmless, line
from gatepost.observe.record import Recorder, entry
from gatepost.store.memory import MemoryStore

REQUEST = Request(client_address="192.0.2.7", helo_name="mail.example.org", sender="a@example.org")
REFUSED = Verdict(
    action=Action.REJECT,
    findings=(Judged("ptr.missing", "reject", "no name"),),
    decided_by="ptr.missing",
    code=550,
    enhanced="5.7.25",
    text="no name",
    reference="ABCDEFGH",
)


def recorded(request, verdict, **options):
    store, stream = MemoryStore(), io.StringIO()
    lines = LineWriter(stream, interval=0.01)
    recorder = Recorder(store.journal, FakeClock(), lines, **options)
    recorder.record(request, verdict)
    lines.start()
    lines.stop()
    return asyncio.run(store.journal.find("192.0.2.7")), stream.getvalue(), recorder


def test_a_verdict_is_in_the_journal_the_log_and_the_counts():
    entries, log, recorder = recorded(REQUEST, REFUSED)

    assert ["ABCDEFGH"] == [e.reference for e in entries]
    assert "550 5.7.25 no name (ref ABCDEFGH)" == entries[0].reply
    assert "by=ptr.missing" in log
    assert {"reject": 1} == dict(recorder.actions)


@pytest.mark.parametrize("context", ["learn", "ban"])
def test_a_line_that_judged_nothing_is_not_kept(context):
    request = Request(client_address="192.0.2.7", policy_context=context)

    assert ([], "") == recorded(request, Verdict(action=Action.PASS))[:2]


def test_only_refusals_are_logged_where_that_is_wanted():
    assert "" == recorded(REQUEST, Verdict(action=Action.PASS), which="refusals")[1]
    assert "" != recorded(REQUEST, REFUSED, which="refusals")[1]
    assert "" == recorded(REQUEST, REFUSED, which="none")[1]


def test_what_was_only_observed_says_what_would_have_been():
    seen = entry(REQUEST, Verdict(action=Action.REJECT, observed=True), 1.0)

    assert ("pass", "reject", "DUNNO") == (seen.action, seen.observed, seen.reply)


def test_no_line_can_be_forged():
    request = Request(sender="a\nverdict action=pass ref=FORGED", helo_name="x y\x1b[2J\u202e")

    text = line(request, REFUSED)

    assert 1 == len(text.splitlines())
    assert text.isascii()
    assert text.isprintable()
    assert 1 == text.count(" ref=")


def test_an_empty_value_stands_as_a_dash():
    assert "-" == harmless("")
