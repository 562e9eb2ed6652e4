"""docs/rules.md: every rule there is, what it says, and what it is worth in each profile."""

from collections.abc import Iterable

from gatepost import checks
from gatepost.config.schema import check_defaults
from gatepost.engine.profile import PROFILES, ScoreOptions
from gatepost.engine.rules import ENGINE
from gatepost.engine.verdict import SCORE, Worths
from gatepost.model import Rule

HEAD = f"""\
# Rules

A rule is a name for a fact that a check can find. What it is worth is configuration: points, `pass`, `defer`,
`reject`, `excuse` (it takes other findings out of the sum, see the check's page), or 0 to only watch. Change
it by patterns in `[rules]`, see [config.md](config.md). {ScoreOptions().refuse:g} points refuse a mail.
How all of it comes to one answer stands in [precedence.md](precedence.md).

Codes are what the sender gets when the rule alone refuses or defers (RFC 5321, 3463, 5248, 7372, 7505).
The rules of public lists are those of the lists that are on by default; more in [lists.md](lists.md).

This page is made from the code by `gatepost config rules`.
"""


def rules_page() -> str:
    """The page."""
    blocks = [HEAD.rstrip()]
    for name, check in checks.find().items():
        blocks.append(f"## {name}\n\nSee [checks/{name}.md](checks/{name}.md).")
        blocks.append(_table(check(check_defaults(check)).rules()))
    blocks.append("## The engine's own")
    blocks.append(_table(rule for rule in ENGINE if rule.name != SCORE.name))
    blocks.append(f"`{SCORE.name}` stands in verdicts where points decided. {SCORE.says}")
    return "\n\n".join(blocks) + "\n"


def _table(rules: Iterable[Rule]) -> str:
    lines = ["| rule | what is so | balanced | strict | codes |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, rules)])


def _row(rule: Rule) -> str:
    worths = [Worths(PROFILES[profile]).of(rule.name) for profile in ("balanced", "strict")]
    shown = " | ".join(worth if isinstance(worth, str) else f"{worth:g}" for worth in worths)
    speaks = any(worth not in ("pass", "excuse", 0) for worth in worths)
    codes = f"{rule.reject} 5.{rule.enhanced}, {rule.defer} 4.{rule.enhanced}" if speaks else ""
    return f"| `{rule.name}` | {rule.says} | {shown} | {codes} |"
