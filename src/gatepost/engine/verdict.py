"""Findings and what they are worth become a verdict: the one place where it is decided. Pure.

Precedence, the first that holds (docs/precedence.md has the same table, and a
test compares them):

1. own deny (or own defer)
2. own allow for everything, and any other rule worth `pass`
3. a rule worth `reject`
4. a rule worth `defer`
5. the sum of points against the threshold
6. greylisting

Before that, exceptions are taken into account: a finding worth `excuse` takes
the findings it names out of the sum; they stay visible as excused. While our
own resolver is ill, findings that rest on the DNS are taken out as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from gatepost.engine.profile import Worth
from gatepost.model import Action, Finding, Judged, Rule, Verdict

SCORE = Rule(
    name="score",
    says="No single rule refused the mail, but the points of several together did.",
    enhanced="7.1",
)
OWN_DENY = ("access.deny", "access.defer")
BY_SCORE = 5
BY_GREYLISTING = 6
UNDECIDED = 9
"""Places in the precedence above."""
_NOTHING = Verdict(action=Action.PASS)


class Worths:
    """Patterns over rule names, ordered: the first that matches says what a rule is worth."""

    __slots__ = ("_delays", "_known", "_table")

    def __init__(self, table: Mapping[str, Worth], delays: Mapping[str, float] | None = None) -> None:
        """Take the patterns of the configuration and the profile, in order; `delays` in seconds."""
        self._table = tuple(table.items())
        self._delays = tuple((delays or {}).items())
        self._known: dict[str, tuple[Worth, float]] = {}

    def of(self, rule: str) -> Worth:
        """What `rule` is worth; 0, only watched, when no pattern names it."""
        return self._look(rule)[0]

    def delay(self, rule: str) -> float:
        """Seconds an answer waits when `rule` was found (tarpit)."""
        return self._look(rule)[1]

    def _look(self, rule: str) -> tuple[Worth, float]:
        known = self._known.get(rule)
        if known is None:
            worth = next((w for pattern, w in self._table if fnmatchcase(rule, pattern)), 0)
            delay = next((d for pattern, d in self._delays if fnmatchcase(rule, pattern)), 0.0)
            known = self._known[rule] = (worth, delay)
        return known


def layered(own: Mapping[str, Worth], profile: Mapping[str, Worth]) -> dict[str, Worth]:
    """The configuration's patterns, then those of the profile that it does not replace."""
    return {**own, **{pattern: worth for pattern, worth in profile.items() if pattern not in own}}


class Terms(msgspec.Struct, frozen=True):
    """Everything `decide` needs beside the findings."""

    worths: Worths
    rules: Mapping[str, Rule]
    refuse: float
    """Points at which a mail is refused."""


def decide(findings: Sequence[Finding], terms: Terms, *, resolver_ill: bool = False) -> Verdict:
    """The verdict on `findings`: action, score, reply, and every finding with what it was worth."""
    if not findings:  # so it is with most mail
        return _NOTHING
    judged = _judge(findings, terms.worths, resolver_ill=resolver_ill)
    score, delay = _sums(judged, terms.worths)
    rank, index, action = _strongest(judged)
    if rank > BY_SCORE and score >= terms.refuse:
        return _refused_by_score(judged, score, delay)
    if index is None:
        return Verdict(action=Action.PASS, score=score, findings=judged, delay=delay)
    if action is Action.PASS:
        return Verdict(action=Action.PASS, score=score, findings=judged, decided_by=judged[index].rule)
    rule = terms.rules.get(judged[index].rule, SCORE)
    code, enhanced, if_permit = _codes(findings[index], rule, action)
    return Verdict(
        action=action,
        score=score,
        findings=judged,
        decided_by=judged[index].rule,
        code=code,
        enhanced=enhanced,
        text=findings[index].text,
        if_permit=if_permit,
        hangs_up=rule.hangs_up and action is Action.REJECT,
        delay=delay,
    )


def excused(rule: str, findings: Iterable[Finding], worths: Worths) -> str:
    """The rule whose exception covers `rule`; empty when none does."""
    for finding in findings:
        if finding.excuses and worths.of(finding.rule) == "excuse":
            for pattern in finding.excuses:
                if fnmatchcase(rule, pattern):
                    return finding.rule
    return ""


def _judge(findings: Sequence[Finding], worths: Worths, *, resolver_ill: bool) -> tuple[Judged, ...]:
    exceptions = [f for f in findings if f.excuses]
    judged = []
    for f in findings:
        by = excused(f.rule, exceptions, worths) if exceptions else ""
        if resolver_ill and f.rests_on_dns:
            by = "resolver"
        judged.append(Judged(f.rule, worths.of(f.rule), f.text, f.detail, by))
    return tuple(judged)


def _sums(judged: Sequence[Judged], worths: Worths) -> tuple[float, float]:
    """Points, and the longest delay in seconds, of the findings that count."""
    score, delay = 0.0, 0.0
    for j in judged:
        if not j.excused_by:
            score += 0 if isinstance(j.worth, str) else j.worth
            delay = max(delay, worths.delay(j.rule))
    return score, delay


def _strongest(judged: Sequence[Judged]) -> tuple[int, int | None, Action]:
    """Place in the precedence, index and action of the finding that decides by itself."""
    best: tuple[int, int | None, Action] = (UNDECIDED, None, Action.PASS)
    for index, j in enumerate(judged):
        if j.excused_by or not isinstance(j.worth, str) or j.worth == "excuse":
            continue
        rank = _rank(j)
        if rank < best[0]:
            best = (rank, index, Action(j.worth))
    return best


def _rank(j: Judged) -> int:
    if j.worth == "pass":
        return 2
    if j.rule in OWN_DENY:
        return 1
    if j.rule.startswith("greylist."):
        return BY_GREYLISTING
    return 3 if j.worth == "reject" else 4


def _codes(finding: Finding, rule: Rule, action: Action) -> tuple[int, str, bool]:
    """Basic code, enhanced code of the same class, and whether a later refusal may still win."""
    if action is Action.REJECT:
        code = finding.code if 500 <= finding.code <= 599 else rule.reject
    else:
        code = finding.code if 400 <= finding.code <= 499 else rule.defer
    own = finding.enhanced.partition(".")[2]
    if_permit = (rule.if_permit or finding.if_permit) and action is Action.DEFER
    return code, f"{code // 100}.{own or rule.enhanced}", if_permit


def _refused_by_score(judged: tuple[Judged, ...], score: float, delay: float) -> Verdict:
    counted = [j for j in judged if not j.excused_by and not isinstance(j.worth, str) and j.worth > 0]
    heaviest = sorted(counted, key=lambda j: -float(j.worth))[:3]
    return Verdict(
        action=Action.REJECT,
        score=score,
        findings=judged,
        decided_by=SCORE.name,
        code=SCORE.reject,
        enhanced=f"5.{SCORE.enhanced}",
        text="; ".join(j.text for j in heaviest),
        delay=delay,
    )
