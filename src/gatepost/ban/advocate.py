"""Asks whether anybody speaks for a client before it is banned: own lists, and public allow lists.

Never raises. What cannot be asked now speaks for nobody: the client offended,
and the resolver's own illness is looked at elsewhere.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from gatepost.checks.base import Check
from gatepost.context import Context
from gatepost.engine.fence import Fence
from gatepost.model import Finding, Request, Stage

SECONDS = 2.0
"""How long lists are waited for."""
ASKED = ("access", "dnswl")
"""The checks that can speak for a client."""


class Advocate:
    """Asks the checks, as for a mail of this client."""

    def __init__(self, checks: Iterable[Check], context: Context) -> None:
        self._checks = [check for check in checks if check.name in ASKED]
        self._context = context

    async def speaks_for(self, address: str) -> str:
        """Who speaks for this client: `own list`, `allow list`, or nobody (empty)."""
        request = Request(stage=Stage.CONNECT, client_address=address)
        found: list[Finding] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                for check in self._checks:
                    with Fence(check, found.append):
                        check.look(request, self._context, found.append)
                        await check.look_up(request, self._context, found.append)
        rules = [finding.rule for finding in found]
        if "access.allow" in rules:
            return "own list"
        if any(speaks(rule) for rule in rules):
            return "allow list"
        return ""


def speaks(rule: str) -> bool:
    """Whether a finding says that a public allow list knows the client and trusts it."""
    return rule.startswith("dnswl.") and not rule.endswith(".none")
