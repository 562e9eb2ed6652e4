"""Is the client banned? Asked first and anew each time: bans begin and end at any moment.

The firewall stops a banned client before Postfix meets it. Without the firewall
this is what stops its mail; it cannot stop who guesses passwords, unless Postfix
is told to ask before AUTH (`gatepost postfix plan --ban-at-connect`).
"""

from collections.abc import Iterable

from gatepost.checks.base import Check
from gatepost.context import Context
from gatepost.model import Finding, Report, Request, Rule

RULES = (
    Rule(
        name="banned.client",
        says="The client is banned for a time: `gatepost ban why ADDRESS` says why.",
        enhanced="7.1",
        hangs_up=True,
    ),
)


class Banned(Check):
    """Looks at the client's address only."""

    remembered = False

    def rules(self) -> Iterable[Rule]:
        return RULES

    def look(self, request: Request, context: Context, report: Report) -> None:
        ban = context.bans.covering(request.client_address)
        if ban is not None:
            text = f"{request.client_address} is shut out for a time, because of what came from there before"
            report(Finding("banned.client", text, f"{ban.network}: {ban.reason} ({ban.origin})"))
