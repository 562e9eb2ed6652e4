"""What is an offence in a mail log: rules as data, asked about events. Pure.

A rule is one file in `rules/`, named as the rule, with sample lines and whom
they blame. Of several rules that fit an event the one that asks for most counts.

Raises: RuleError, when a rule is wrong.
"""

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gatepost.access.patterns import PatternError, compile_octets
from gatepost.wire.mail_event import Event, Kind
from gatepost.wire.maillog import Wanted


class RuleError(ValueError):
    """A rule cannot be used; the text says which, and why."""


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line, and whom the rule blames for it."""

    line: str
    address: str = ""
    """Empty: nobody."""


class BanRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One kind of offence."""

    name: str = ""
    says: str
    """A sentence for people."""
    kind: Kind
    weight: float = 1.0
    """Points."""
    service: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    lowest: int = 0
    """Lowest reply code that counts; with 500 no 4xx ever does."""
    not_code: tuple[int, ...] = ()
    reason: str = ""
    """A regular expression to be found in the reason."""
    not_reason: str = ""
    """A regular expression; where it is found in the reason, the event is no offence."""
    once_per_mail: bool = False
    """Several in one mail (one for each recipient) count once."""
    sample: tuple[Sample, ...] = ()

    @property
    def demands(self) -> int:
        """How much it asks for: the more, the earlier it is asked. Exceptions ask for nothing."""
        given = (self.service, self.command, self.lowest, self.reason)
        return sum(bool(part) for part in given)


def read_rule(name: str, text: str) -> BanRule:
    """The rule that a file says."""
    try:
        rule = msgspec.convert(tomllib.loads(text), BanRule)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RuleError(f"rule {name}: {error}") from None
    return msgspec.structs.replace(rule, name=name)


class Rulebook:
    """All rules that count, asked about one event after the other."""

    __slots__ = ("_by_kind", "rules")

    def __init__(self, rules: Iterable[BanRule], weights: Mapping[str, float] | None = None) -> None:
        """Take the rules; `weights` by patterns over their names, before their own."""
        weighted = (_weighted(rule, weights or {}) for rule in rules)
        self.rules = tuple(sorted(weighted, key=lambda rule: (-rule.demands, rule.name)))
        self._by_kind: dict[Kind, tuple[_Asked, ...]] = {
            kind: tuple(_Asked(rule) for rule in self.rules if rule.kind is kind) for kind in Kind
        }

    @property
    def wanted(self) -> Wanted:
        """What the rules ask about, logins, and what explains why a client hung up."""
        counted = [rule for rule in self.rules if rule.weight > 0]
        lost = [rule for rule in counted if rule.kind is Kind.LOST]
        after = () if any(not rule.command for rule in lost) else {c for rule in lost for c in rule.command}
        codes = [rule.lowest for rule in counted if rule.kind is Kind.REJECT]
        kinds = {Kind.LOGIN, *(rule.kind for rule in counted)}
        if Kind.LOST in kinds:
            kinds.add(Kind.AUTH_TROUBLE)  # it may say why a client hung up
        return Wanted(kinds, after, min(codes, default=0))

    def match(self, event: Event) -> BanRule | None:
        """The rule that `event` offends against; None when it is no offence."""
        for asked in self._by_kind[event.kind]:
            if asked.fits(event):
                return asked.rule
        return None


class _Asked:
    """A rule, ready to be asked."""

    __slots__ = ("_not", "_plain", "_reason", "rule")

    def __init__(self, rule: BanRule) -> None:
        self.rule = rule
        self._plain = not (rule.demands or rule.not_code or rule.not_reason)
        self._reason = _compiled(rule, rule.reason)
        self._not = _compiled(rule, rule.not_reason)

    def fits(self, event: Event) -> bool:
        if self._plain:
            return True
        rule = self.rule
        return (
            event.code >= rule.lowest
            and event.code not in rule.not_code
            and (not rule.service or event.service in rule.service)
            and (not rule.command or event.command in rule.command)
            and (self._reason is None or self._reason.search(event.reason) is not None)
            and (self._not is None or self._not.search(event.reason) is None)
        )


def _compiled(rule: BanRule, pattern: str) -> Any:
    """For octets, as they stand in the log."""
    try:
        return compile_octets(pattern) if pattern else None
    except PatternError as error:
        raise RuleError(f"rule {rule.name}: {error}") from None


def _weighted(rule: BanRule, weights: Mapping[str, float]) -> BanRule:
    for pattern, weight in weights.items():
        if fnmatchcase(rule.name, pattern):
            return msgspec.structs.replace(rule, weight=weight)
    return rule
