"""Every rule there is: those of the checks, and the engine's own."""

from collections.abc import Iterable, Mapping

from gatepost.checks.base import Check
from gatepost.engine.verdict import SCORE
from gatepost.model import Rule

ENGINE = (
    Rule(name="ours.network", says="The client is in our own networks (mynetworks); nothing is checked."),
    Rule(name="ours.authenticated", says="The client has authenticated; nothing is checked."),
    Rule(
        name="error.timeout",
        says="A check did not finish before the deadline; what it had found by then counts.",
        enhanced="4.3",
        defer=451,
    ),
    Rule(
        name="error.check",
        says="A check failed; this is a fault of Gatepost, please report it.",
        enhanced="3.0",
        defer=451,
    ),
    Rule(
        name="error.store",
        says="The store could not answer; the mail is not greylisted.",
        enhanced="3.0",
        defer=451,
    ),
    SCORE,
)


def catalogue(checks: Iterable[Check]) -> Mapping[str, Rule]:
    """All rules by name, as the checks are configured."""
    rules = {rule.name: rule for rule in ENGINE}
    for check in checks:
        rules.update((rule.name, rule) for rule in check.rules())
    return rules
