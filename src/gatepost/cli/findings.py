"""Findings as a table, for `ask` and `explain`."""

from collections.abc import Iterable, Mapping
from typing import Any

from gatepost.cli.show import say_table


def say_findings(findings: Iterable[Mapping[str, Any]]) -> None:
    """Print every finding: rule, worth, what it says, and what excused it."""
    say_table(("rule", "worth", "what it says"), [_row(finding) for finding in findings])


def _row(finding: Mapping[str, Any]) -> tuple[str, str, str]:
    worth = finding["worth"]
    shown = worth if isinstance(worth, str) else f"{worth:g}"
    said = " | ".join(str(part) for part in (finding.get("text"), finding.get("detail")) if part)
    if excuse := finding.get("excused_by"):
        return str(finding["rule"]), f"({shown})", f"{said} [does not count: {_excuse(str(excuse))}]"
    return str(finding["rule"]), shown, said


def _excuse(rule: str) -> str:
    return "our own resolver is ill" if rule == "resolver" else f"excused by {rule}"
