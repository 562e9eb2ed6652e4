"""Own lists: what the administrator allows, refuses, or lets somebody expect.

Entries come from the store (`gatepost allow`, `deny`, `expect`), from the
configuration and from files that Postfix or postgrey read as well. An entry
with a scope excuses the findings of that scope, which stay visible.
"""

from collections.abc import Iterable
from typing import ClassVar

from gatepost.access.base import Match
from gatepost.access.options import AccessOptions
from gatepost.checks.base import CLIENT_KNOWN, Check
from gatepost.context import Context
from gatepost.model import Finding, Report, Request, Rule, Stage

RULES = (
    Rule(
        name="access.deny",
        says="An own list refuses this client, HELO name, sender or recipient.",
        reject=554,
    ),
    Rule(
        name="access.defer",
        says="An own list tells this client, HELO name, sender or recipient to come back later.",
    ),
    Rule(name="access.allow", says="An own list lets this mail in, whatever else is found."),
    Rule(name="access.allow_helo", says="An own list (helo_access) excuses this HELO name from HELO rules."),
    Rule(name="access.allow_lists", says="An own list (rbl_override) excuses this client from block lists."),
    Rule(
        name="access.allow_client",
        says="An own list (client_override) excuses this client from block lists and reverse name rules.",
    ),
    Rule(name="access.allow_greylist", says="An own list excuses this mail from greylisting."),
    Rule(name="access.expect", says="The recipient expects mail now, so that it is not greylisted."),
    Rule(name="access.note", says="An own list asks only to write down that this mail came (INFO, WARN)."),
)

_EXCUSES = {
    "helo": ("access.allow_helo", ("helo.*",)),
    "lists": ("access.allow_lists", ("dnsbl.*", "rhsbl.*")),
    "client": ("access.allow_client", ("ptr.*", "dnsbl.*", "rhsbl.*")),
    "greylist": ("access.allow_greylist", ("greylist.*",)),
}
_THING = {
    "client": "this client",
    "helo": "this HELO name",
    "sender": "this sender",
    "recipient": "this recipient",
}


class Access(Check):
    """Asks the own lists."""

    Options = AccessOptions
    stages: ClassVar[frozenset[Stage]] = CLIENT_KNOWN
    remembered: ClassVar[bool] = False  # it depends on the recipient, and people change entries at any time

    def rules(self) -> Iterable[Rule]:
        return RULES

    def look(self, request: Request, context: Context, report: Report) -> None:
        for match in context.access.matches(request):
            report(_finding(match))


def _finding(match: Match) -> Finding:
    detail = f"{match.looks_at} {match.what} ({match.source})" + (
        f": {match.comment}" if match.comment else ""
    )
    if match.kind == "allow":
        if match.scope not in _EXCUSES:
            return Finding("access.allow", "", detail)
        rule, excuses = _EXCUSES[match.scope]
        return Finding(rule, "", detail, excuses)
    if match.kind == "expect":
        return Finding("access.expect", "", detail, ("greylist.*",))
    if match.kind == "note":
        return Finding("access.note", "", f"{detail}: {match.text}" if match.text else detail)
    return Finding(
        "access.deny" if match.kind == "deny" else "access.defer",
        match.text or _default_text(match),
        detail,
        code=match.code,
        enhanced=match.enhanced,
        if_permit=match.if_permit,
    )


def _default_text(match: Match) -> str:
    if match.kind == "deny":
        return f"Access denied: {_THING[match.looks_at]} is not accepted here"
    return f"Service unavailable for {_THING[match.looks_at]}, please try again later"
