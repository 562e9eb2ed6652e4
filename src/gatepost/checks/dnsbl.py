"""Is the client's address on a public block list? (RFC 5782)

All lists are asked at once. An answer counts when the list's filter takes
it; error answers, unexpected ones and silence never do, and a list that is
put aside (`dnslist.watch`) is not asked. Several answers of one list are
several findings, one for each code.
"""

import asyncio
from collections.abc import Iterable, Sequence

from gatepost.checks.base import Check
from gatepost.context import Context
from gatepost.dnslist.lists import List, ask, kind_of, text_of
from gatepost.dnslist.options import DEFAULTS, ListOptions
from gatepost.dnslist.resolve import lists_of, resolve
from gatepost.model import Finding, Report, Request, Rule
from gatepost.network import Address, parse_address, reverse_labels


class Dnsbl(Check):
    """Looks at the client's address only."""

    Options = tuple[ListOptions, ...]
    defaults = DEFAULTS["dnsbl"]

    def __init__(self, options: Sequence[ListOptions]) -> None:
        """Make the lists ready.

        Raises:
            ListsError: a list cannot be asked as it is configured.
        """
        super().__init__(options)
        self.lists: tuple[List, ...] = lists_of("dnsbl", options)
        self._by_rule = {rule: which for which in self.lists for rule in which.codes()}

    @classmethod
    def problems(cls, options: Sequence[ListOptions]) -> Iterable[tuple[tuple[int], str]]:
        return [((problem.number,), str(problem)) for problem in resolve("dnsbl", options).problems]

    def rules(self) -> Iterable[Rule]:
        for which in self.lists:
            for name, listing in which.codes().items():
                yield Rule(name=name, says=listing.says, reject=554, url=which.url)

    async def look_up(self, request: Request, context: Context, report: Report) -> None:
        address = parse_address(request.client_address)
        if address is None:
            return
        due = [which for which in self.lists if kind_of(address) in which.kinds]
        due = [which for which in due if not context.watch.aside(which.zone, kind_of(address))]
        await asyncio.gather(*(_look_up(which, address, context, report) for which in due))

    async def after_verdict(self, request: Request, context: Context, finding: Finding) -> str:
        """What the list itself says about the address."""
        address = parse_address(request.client_address)
        which = self._by_rule.get(finding.rule)
        if address is None or which is None or context.watch.aside(which.zone, kind_of(address)):
            return ""
        return await text_of(which, reverse_labels(address), context.dns)


async def _look_up(which: List, address: Address, context: Context, report: Report) -> None:
    judgement = await ask(which, reverse_labels(address), context.dns, context.watch)
    for listing in judgement.listings:
        see = f"; see {which.url}" if which.url else ""
        report(
            Finding(
                which.rule(listing),
                f"your address [{address}] is listed by {which.zone} ({listing.name.upper()}){see}",
                f"{which.zone} answers {listing.answer} for {address}: {listing.says}",
                rests_on_dns=True,
            )
        )
