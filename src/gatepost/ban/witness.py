"""What is seen of clients, in our own verdicts and in logs, brought before the court.

Nothing waits and nothing raises. A refusal of ours is counted from the verdict,
where nothing has to be guessed; when its line comes in the log it is known by
its reference and not counted a second time.
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TypeVar

from gatepost.ban.advocate import speaks
from gatepost.ban.blocks import Lines
from gatepost.ban.court import Court
from gatepost.ban.jail import Jail
from gatepost.ban.offence import MAX_EVIDENCE, Offence
from gatepost.ban.reading import Filter, RuleReader
from gatepost.ban.rule import Rulebook
from gatepost.clock import Clock
from gatepost.model import Action, Request, Verdict
from gatepost.network import known_address

T = TypeVar("T")
V = TypeVar("V")

log = logging.getLogger("gatepost.ban")

FINAL = "refused.final"
"""The rule that our own final refusals offend against."""
REFERENCES = 20_000
"""References of refusals remembered, and mails, so that each counts once."""
NOT_THEIRS = ("banned.", "error.")
"""Refusals that a ban caused, or trouble of ours."""


class Witness:
    """Turns what is seen into offences, for every jail that looks at it."""

    def __init__(
        self,
        court: Court,
        book: Rulebook,
        filters: Mapping[str, Filter],
        sources: Mapping[str, Sequence[str]],
        clock: Clock,
    ) -> None:
        """Bring before `court` what `book` and `filters` (by jail) call offences.

        Args:
            court: takes the offences.
            book: our own rules.
            filters: of the jails that have one.
            sources: which jails look at which log, by the log's name.
            clock: says what year a stamp without one means.
        """
        self._court = court
        self._clock = clock
        self._filters = filters
        self._jails = {name: tuple(court.jails[jail] for jail in jails) for name, jails in sources.items()}
        self._book = book
        self._readers: dict[str, RuleReader] = {}
        self._weight = next((rule.weight for rule in book.rules if rule.name == FINAL), 0.0)
        self._own = tuple(j for j in court.jails.values() if not j.options.filter and j.wants(FINAL))
        self._references: OrderedDict[str, str] = OrderedDict()
        """And to whom they were given."""
        self._mails: OrderedDict[tuple[str, str], None] = OrderedDict()

    def saw_verdict(self, request: Request, verdict: Verdict) -> None:
        """Take note of a verdict of ours."""
        if verdict.action is Action.REJECT:
            if not verdict.observed and not verdict.decided_by.startswith(NOT_THEIRS):
                self._saw_refusal(request, verdict)
        elif request.sasl_username:
            self._court.speak(request.client_address, "login")
        elif verdict.findings:
            for judged in verdict.findings:
                if judged.rule == "known.correspondent" and verdict.action is Action.PASS:
                    self._court.speak(request.client_address, "correspondent")
                elif speaks(judged.rule) and judged.excused_by == "":
                    self._court.speak(request.client_address, "allow list")

    def _saw_refusal(self, request: Request, verdict: Verdict) -> None:
        _remember(self._references, verdict.reference, request.client_address)
        if request.instance and _remember(self._mails, (request.client_address, request.instance), None):
            return
        seen = f"{verdict.code} {verdict.text} (by {verdict.decided_by}, ref {verdict.reference})"
        offence = Offence(self._clock.now(), request.client_address, FINAL, self._weight, seen[:MAX_EVIDENCE])
        for jail in self._own:
            self._court.accuse(jail, offence)

    def _gave(self, reference: str, address: str) -> bool:
        given = known_address(self._references.get(reference, ""))
        return given is not None and str(given) == address

    def saw_lines(self, source: str, lines: Lines) -> None:
        """Take note of whole lines of a log."""
        jails = self._jails.get(source, ())
        if not jails or not lines:
            return
        by_rules = [jail for jail in jails if not jail.options.filter]
        if by_rules:
            self._read(source, lines, by_rules)
        for jail in jails:
            if (found := self._filters.get(jail.name)) is not None:
                for _, offence in found.offences(lines, self._clock.now()):
                    self._court.accuse(jail, offence)

    def _read(self, source: str, lines: Lines, jails: Sequence[Jail]) -> None:
        reader = self._readers.get(source)
        if reader is None:
            reader = RuleReader(self._book, self._clock.now(), self._gave)
            self._readers[source] = reader
        reader.parser.stamps.now = self._clock.now()
        for seen in reader.read(lines.block):
            if seen.offence is None:
                self._court.speak(seen.login, "login")
                continue
            for jail in jails:
                if jail.wants(seen.offence.rule):
                    self._court.accuse(jail, seen.offence)


def _remember(known: OrderedDict[T, V], key: T, value: V) -> bool:
    """Whether `key` was known; it is from now on."""
    if key in known:
        return True
    known[key] = value
    if len(known) > REFERENCES:
        known.popitem(last=False)
    return False
