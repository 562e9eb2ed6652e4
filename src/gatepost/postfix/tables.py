"""Asking Postfix's look-up tables through `postmap -q` (postmap(1)).

Answers are three-valued: a table that cannot be asked (its server is down, its
file may not be read) is None, never "no". Answers are kept for a while, so
that a flood of senders starts few programs. Never raises, except when cancelled.
"""

import asyncio
from collections.abc import Sequence

from gatepost.address import name_fault
from gatepost.clock import Clock
from gatepost.postfix.program import Ran, Run

SECONDS = 2.0
"""For one answer, the wait for a free place included: Postfix gives us 6."""
PLACES = 4
"""Programs at once."""
KEEP = 300.0
KEEP_FAILURE = 30.0
"""Seconds an answer, or that there was none, is believed."""
MAX_KEPT = 10_000
PROBE = "gatepost-probe.invalid"
"""A domain that no table can hold (RFC 6761): one that answers for it answers for everything."""


class Tables:
    """Is a domain in one of these tables?"""

    def __init__(self, tables: Sequence[str], config_dir: str, clock: Clock, run: Run) -> None:
        self._tables = tuple(tables)
        self._config = ("-c", config_dir) if config_dir else ()
        self._clock = clock
        self._run = run
        self._places = asyncio.Semaphore(PLACES)
        self._kept: dict[str, tuple[float, bool | None]] = {}

    async def holds(self, domain: str) -> bool | None:
        """True when a table has `domain`; None when that cannot be known now."""
        if name_fault(domain):
            return False
        kept = self._recall(domain)
        if kept is not None:
            return kept[1]
        try:
            async with asyncio.timeout(SECONDS), self._places:
                kept = self._recall(domain)
                return kept[1] if kept is not None else await self._ask(domain)
        except TimeoutError:
            return self._keep(domain, said=None)

    async def probe(self) -> list[str]:
        """Leave out tables that answer for everything; sentences about these and those that fail."""
        probed = await asyncio.gather(*(self._probe(table) for table in self._tables))
        self._tables = tuple(table for table, _ in probed if table)
        return [sentence for _, sentence in probed if sentence]

    async def _probe(self, table: str) -> tuple[str, str]:
        """The table to be asked, and what there is to say about it; either may be empty."""
        for form in dict.fromkeys((table, table.removeprefix("proxy:"))):
            async with self._places:
                ran = await self._query(PROBE, form)
            said = answer_of(ran)
            if said:
                return "", f"the table {table} holds every domain, so it is not asked which are ours"
            if said is False:
                return form, ""
        why = (ran.err.strip().splitlines() or ["no reason given"])[-1]
        return table, (
            f"the table {table} cannot be asked ({why}): helo.ours and sender_domain.ours are off "
            "for its domains; let Gatepost read it, or name the domains in [ours] domains"
        )

    async def _ask(self, domain: str) -> bool | None:
        said: bool | None = False
        for table in self._tables:
            answer = answer_of(await self._query(domain, table))
            if answer:
                return self._keep(domain, said=True)
            said = None if answer is None else said
        return self._keep(domain, said=said)

    async def _query(self, domain: str, table: str) -> Ran:
        return await self._run(["postmap", *self._config, "-q", domain, table], SECONDS)

    def _recall(self, domain: str) -> tuple[float, bool | None] | None:
        kept = self._kept.get(domain)
        return kept if kept is not None and kept[0] > self._clock.monotonic() else None

    def _keep(self, domain: str, *, said: bool | None) -> bool | None:
        self._kept.pop(domain, None)
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[domain] = (self._clock.monotonic() + (KEEP_FAILURE if said is None else KEEP), said)
        return said


def answer_of(ran: Ran) -> bool | None:
    """Status 0: found. 1 and nothing said: not found. Whatever else is said is trouble."""
    if ran.code == 0:
        return True
    troubles = [line for line in ran.err.splitlines() if "is older than source file" not in line]
    return None if ran.code != 1 or troubles else False
