"""From a request to a verdict: runs the checks, cheap ones first, under one deadline.

The way of a request: exempt clients pass; what was found out about this
client, HELO name and sender lately is recalled, or else looked up; own lists
are asked; `decide` judges; while nothing has decided, greylisting is asked.
Where nothing has to be waited for, the answer comes at once, without a task.

`answer` never raises and never refuses for our own trouble: a check that
fails or is late leaves an `error.*` finding, and the mail goes on.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from random import Random

import msgspec

from gatepost.address import MAX_KEY
from gatepost.checks.base import Check
from gatepost.checks.greylist import MAX_RECIPIENTS, Greylist, Mail, Mails, normal_recipient
from gatepost.context import Context
from gatepost.dns.base import Answer, Kind, Resolver
from gatepost.engine.exempt import ASKED, BAN, exempt
from gatepost.engine.fence import Fence
from gatepost.engine.header import x_greylist
from gatepost.engine.memory import Memory
from gatepost.engine.profile import ScoreOptions
from gatepost.engine.verdict import SCORE, Terms, decide, excused
from gatepost.model import Action, Finding, Request, Stage, Verdict

LATER = frozenset({Stage.DATA, Stage.END_OF_MESSAGE})
FAIR_SECONDS = 600.0
"""Our own trouble defers one sender for at most this long, if configured to defer at all."""
MAX_FAIR = 10_000
BANNED = "banned"
"""The check that alone is asked where Postfix asks before the greeting."""
OUR_DOMAIN = "sender_domain.ours"
"""Who is no correspondent, although our users write to each other."""

_random = Random()  # seeded by the system once: a reference has to be unique, not secret
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_PAIRS = tuple(one + other for one in _ALPHABET for other in _ALPHABET)


def reference() -> str:
    """Eight letters and digits that people can read out: about 10^12 of them."""
    bits = _random.getrandbits(40)
    first, second, third, last = bits & 1023, bits >> 10 & 1023, bits >> 20 & 1023, bits >> 30
    return _PAIRS[first] + _PAIRS[second] + _PAIRS[third] + _PAIRS[last]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the pipeline is configured."""

    terms: Terms
    score: ScoreOptions
    when: str
    """Whom greylisting asks: `doubtful`, `stranger` or `never`."""
    observe: bool = False
    thorough: bool = False
    """Run every check even when one has decided already: for `ask`."""
    host: str = "localhost"
    """Our name in header fields."""


class _Asked:
    """A resolver that remembers how long its answers may be believed."""

    __slots__ = ("dns", "ttl", "unknown")

    def __init__(self, dns: Resolver) -> None:
        self.dns = dns
        self.ttl = float("inf")
        self.unknown = False

    async def ask(self, name: str, kind: Kind) -> Answer:
        answer = await self.dns.ask(name, kind)
        self.ttl = min(self.ttl, answer.ttl)
        self.unknown = self.unknown or answer.unknown
        return answer


class Pipeline:
    """Answers requests. Frozen in what it checks; a reload builds another beside it."""

    def __init__(self, checks: Sequence[Check], context: Context, settings: Settings) -> None:
        """Take every check; the greylist among them is asked last."""
        self.checks = tuple(checks)
        self.context = context
        self.settings = settings
        self.mails = Mails(context.clock)
        self._memory = Memory(context.clock)
        self._greylist = next((c for c in checks if isinstance(c, Greylist)), None)
        others = [c for c in checks if not isinstance(c, Greylist)]
        self._before_greeting = tuple(c for c in others if c.name == BANNED)
        self._due = {stage: tuple(c for c in others if stage in c.stages) for stage in Stage}
        self._fresh = {s: tuple(c for c in due if not c.remembered) for s, due in self._due.items()}
        alike = list(dict.fromkeys(self._due.values()))
        self._kinds = {stage: alike.index(due) for stage, due in self._due.items()}
        """A number for each set of checks: stages that ask the same ones share what is remembered."""
        self._explains = {r.name: c for c in others if _overrides(c, "after_verdict") for r in c.rules()}
        self._data_is_asked = False
        self._deferred: dict[tuple[str, str], float] = {}
        later = [
            settings.terms.worths.of(r.name) for c in others if _overrides(c, "look_up") for r in c.rules()
        ]
        self._pass_may_come = "pass" in later
        self._points_may_go = any(not isinstance(worth, str) and worth < 0 for worth in later)

    def answer(self, request: Request) -> Verdict | Awaitable[Verdict]:
        """The verdict on a request: at once where it can be, else to be awaited."""
        started = self.context.clock.monotonic()
        self._data_is_asked = self._data_is_asked or request.stage is Stage.DATA
        passed = exempt(request, self.context)
        if passed is not None:
            return self._finish(request, passed, None, started)
        if request.policy_context == BAN:
            found = self._look(self._before_greeting, request)
            return self._finish(request, decide(found, self.settings.terms), None, started)
        if request.stage in LATER:
            mail = self.mails.known(request)
            checked = mail is not None and mail.checked
            bounce = not request.sender and request.stage is Stage.DATA
            if (checked and not bounce) or (request.policy_context == ASKED and not checked):
                return self._finish(request, Verdict(action=Action.PASS), mail, started)
        remembered = self._memory.recall(self._key(request))
        if remembered is None:
            return self._look_and_judge(request, started)
        findings = self._look(self._fresh[request.stage], request) + remembered
        return self._judge(request, findings, started)

    def forget(self) -> None:
        """Ask everything anew from now on."""
        self._memory.clear()

    def _key(self, request: Request) -> tuple[object, ...]:
        _, at, domain = request.sender.rpartition("@")
        return (
            request.client_address,
            request.helo_name,
            at,
            domain,
            request.client_name,
            request.reverse_client_name,
            self._kinds[request.stage],
            self.context.watch.version,
        )

    # --- looking ------------------------------------------------------------------------------------

    def _look(self, checks: Sequence[Check], request: Request) -> list[Finding]:
        findings: list[Finding] = []
        for check in checks:
            with Fence(check, findings.append):
                check.look(request, self.context, findings.append)
        return findings

    async def _look_and_judge(self, request: Request, started: float) -> Verdict:
        due = self._due[request.stage]
        fresh = self._look([c for c in due if not c.remembered], request)
        found = self._look([c for c in due if c.remembered], request)
        if self.settings.thorough or not self._is_final(fresh + found):
            asked = _Asked(self.context.dns)
            complete = await self._look_up(due, request, asked, found, started)
            if complete and not asked.unknown and not self.context.health.ill and _is_short(request):
                seconds = min(asked.ttl, self.settings.score.remember)
                self._memory.keep(self._key(request), tuple(found), seconds)
        judged = self._judge(request, fresh + found, started)
        return judged if isinstance(judged, Verdict) else await judged

    def _is_final(self, findings: Sequence[Finding]) -> bool:
        """Whether nothing that the DNS may say can change the verdict."""
        verdict = decide(findings, self.settings.terms)
        if verdict.action is Action.REJECT:
            if verdict.decided_by == SCORE.name and self._points_may_go:
                return False
            return not self._pass_may_come or verdict.decided_by == "access.deny"
        return verdict.action is Action.PASS and verdict.decided_by != ""

    async def _look_up(
        self, due: Sequence[Check], request: Request, asked: _Asked, found: list[Finding], started: float
    ) -> bool:
        """Let every check ask the DNS at once; False when the deadline came first."""
        context = replace(self.context, dns=asked)
        open_for_reports = True

        def report(finding: Finding) -> None:
            if open_for_reports:
                found.append(finding)

        async def one(check: Check) -> None:
            with Fence(check, report):
                await check.look_up(request, context, report)

        tasks = {asyncio.ensure_future(one(c)): c for c in due if _overrides(c, "look_up")}
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=self._time_left(started))
        open_for_reports = False
        for task in late:
            task.cancel()
            found.append(Finding("error.timeout", "", f"{tasks[task].name} did not finish in time"))
        return not late

    def _time_left(self, started: float) -> float:
        passed = self.context.clock.monotonic() - started
        return max(0.01, self.settings.score.deadline - passed)

    # --- judging ------------------------------------------------------------------------------------

    def _judge(
        self, request: Request, findings: list[Finding], started: float
    ) -> Verdict | Awaitable[Verdict]:
        ill = self.context.health.ill
        verdict = decide(findings, self.settings.terms, resolver_ill=bool(ill))
        mail = self.mails.get(request)
        if verdict.action is Action.REJECT and verdict.decided_by in self._explains:
            return self._told_more(request, verdict, findings, started)
        if (
            verdict.action is Action.PASS
            and not verdict.decided_by
            and self._subject(request, verdict, findings, mail)
        ):
            more = self._greylisted(request, findings, mail)
            if not isinstance(more, list):
                return self._judge_slowly(request, findings, more, mail, started)
            verdict = decide(findings + more, self.settings.terms, resolver_ill=bool(ill))
        return self._finish(request, verdict, mail, started)

    async def _judge_slowly(
        self,
        request: Request,
        findings: list[Finding],
        more: Awaitable[list[Finding]],
        mail: Mail,
        started: float,
    ) -> Verdict:
        assert self._greylist is not None
        found: list[Finding] = []
        with Fence(self._greylist, found.append):
            async with asyncio.timeout(self._time_left(started)):
                found += await more
        ill = self.context.health.ill
        verdict = decide(findings + found, self.settings.terms, resolver_ill=bool(ill))
        return self._finish(request, verdict, mail, started)

    def _subject(self, request: Request, verdict: Verdict, findings: Sequence[Finding], mail: Mail) -> bool:
        """Whether greylisting is asked about this recipient, now."""
        if self._greylist is None or request.stage not in self._greylist.stages:
            return False
        when = self.settings.when
        if when == "never" or (when == "doubtful" and verdict.score < self.settings.score.greylist):
            return False
        if excused("greylist.new", findings, self.settings.terms.worths):
            mail.excused = True
            return False
        if request.stage is Stage.RCPT:
            if request.sender:
                return True
            if len(mail.recipients) < MAX_RECIPIENTS:
                mail.recipients.append(normal_recipient(request.recipient))
            return False
        return not mail.excused and bool(mail.recipients or request.recipient)

    def _greylisted(
        self, request: Request, findings: Sequence[Finding], mail: Mail
    ) -> list[Finding] | Awaitable[list[Finding]]:
        assert self._greylist is not None
        forged = any(f.rule == OUR_DOMAIN for f in findings)
        trouble: list[Finding] = []
        with Fence(self._greylist, trouble.append):
            return self._greylist.ask(mail, request, self.context, forged=forged)
        return trouble

    async def _told_more(
        self, request: Request, verdict: Verdict, findings: Sequence[Finding], started: float
    ) -> Verdict:
        finding = next(f for f in findings if f.rule == verdict.decided_by)
        check = self._explains[verdict.decided_by]
        more, untold = "", list[Finding]()  # the verdict stands: what fails now is only logged
        with Fence(check, untold.append):
            async with asyncio.timeout(self._time_left(started)):
                more = await check.after_verdict(request, self.context, finding)
        if more:
            verdict = msgspec.structs.replace(verdict, text=f"{verdict.text}: {more}")
        return self._finish(request, verdict, self.mails.get(request), started)

    # --- answering ----------------------------------------------------------------------------------

    def _finish(self, request: Request, verdict: Verdict, mail: Mail | None, started: float) -> Verdict:
        clock, settings = self.context.clock, self.settings
        action = verdict.action
        if action is Action.DEFER and verdict.decided_by.startswith("error.") and not self._is_fair(request):
            verdict = msgspec.structs.replace(verdict, action=Action.PASS, decided_by="", code=0)
        header = ""
        if mail is not None and (verdict.action is Action.PASS or settings.observe):
            header = "" if settings.observe else self._header(request, mail)
            mail.checked = mail.checked or request.stage is Stage.RCPT
        ill = self.context.health.ill
        elapsed = clock.monotonic() - started
        return msgspec.structs.replace(
            verdict,
            reference=reference(),
            header=header,
            observed=settings.observe and verdict.action is not Action.PASS,
            delay=0.0
            if settings.observe
            else min(verdict.delay, max(0.0, settings.score.deadline - elapsed)),
            notes=(ill,) if ill else (),
            ms=elapsed * 1000,
        )

    def _header(self, request: Request, mail: Mail) -> str:
        """`X-Greylist`, once a mail: at DATA where Postfix asks then, else at the first recipient."""
        if not mail.waited or mail.header_done or self._greylist is None or not self._greylist.options.header:
            return ""
        if request.stage is not Stage.DATA and (self._data_is_asked or request.stage is not Stage.RCPT):
            return ""
        mail.header_done = True
        return x_greylist(mail.waited, self.settings.host, self.context.clock.now())

    def _is_fair(self, request: Request) -> bool:
        """Whether this sender may still be deferred for our own trouble."""
        now = self.context.clock.monotonic()
        key = (request.client_address, request.sender[:MAX_KEY])
        first = self._deferred.setdefault(key, now)
        if len(self._deferred) > MAX_FAIR:
            self._deferred.pop(next(iter(self._deferred)))
        return now - first <= FAIR_SECONDS


def _is_short(request: Request) -> bool:
    """Whether its names can be names: longer ones are not worth remembering, and would fill the memory."""
    names = (request.helo_name, request.sender, request.client_name, request.reverse_client_name)
    return max(map(len, names)) <= MAX_KEY


def _overrides(check: Check, method: str) -> bool:
    return getattr(type(check), method) is not getattr(Check, method)
