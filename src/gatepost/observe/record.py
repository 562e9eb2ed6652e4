"""Hands each verdict, once, to everything that keeps it: journal, log line, counters."""

from collections import Counter

from gatepost.clock import Clock
from gatepost.engine.exempt import BAN, LEARN
from gatepost.model import Action, Request, Verdict
from gatepost.observe.log import LineWriter, line
from gatepost.store.base import Journal, JournalEntry
from gatepost.wire.policy import encode


class Recorder:
    """Journal, log and counters behind one call that never waits and never raises."""

    def __init__(self, journal: Journal, clock: Clock, lines: LineWriter | None, which: str = "all") -> None:
        """`which`: `all`, `refusals` or `none` of the verdicts get a log line."""
        self._journal = journal
        self._clock = clock
        self._lines = lines if which != "none" else None
        self._all = which == "all"
        self.actions: Counter[str] = Counter()
        self.decided: Counter[str] = Counter()

    def record(self, request: Request, verdict: Verdict) -> None:
        """Keep one verdict, unless there was nothing to judge: the learning line, asked about a stranger, and
        that before the greeting, asked about somebody who is not banned.
        """
        if request.policy_context in (LEARN, BAN) and not verdict.findings:
            return
        self.actions[verdict.action] += 1
        if verdict.decided_by:
            self.decided[verdict.decided_by] += 1
        self._journal.write(entry(request, verdict, self._clock.now()))
        if self._lines is not None and (self._all or verdict.action is not Action.PASS):
            self._lines.write(line(request, verdict))


def entry(request: Request, verdict: Verdict, now: float) -> JournalEntry:
    """What the journal keeps of a verdict; `now` in seconds since 1970."""
    return JournalEntry(
        time=now,
        reference=verdict.reference,
        stage=request.stage,
        action=Action.PASS if verdict.observed else verdict.action,
        reply=reply(request, verdict),
        score=verdict.score,
        decided_by=verdict.decided_by,
        client_address=request.client_address,
        client_name=request.client_name,
        reverse_client_name=request.reverse_client_name,
        helo_name=request.helo_name,
        sender=request.sender,
        recipient=request.recipient,
        instance=request.instance,
        queue_id=request.queue_id,
        sasl_username=request.sasl_username,
        policy_context=request.policy_context,
        observed=verdict.action if verdict.observed else "",
        findings=tuple(
            {"rule": j.rule, "worth": j.worth, "text": j.text, "detail": j.detail, "excused_by": j.excused_by}
            for j in verdict.findings
        ),
        notes=verdict.notes,
        ms=verdict.ms,
    )


def reply(request: Request, verdict: Verdict) -> str:
    """The action Postfix gets, as text."""
    if verdict.observed or (verdict.action is Action.PASS and not verdict.header):
        return "DUNNO"
    return encode(verdict, request.stage).decode("ascii").strip().removeprefix("action=")
