"""Is the client's address, or the sender's domain, on a public allow list? (RFC 5782)

A listing of enough trust excuses block lists and greylisting and nothing
else: a listed server with a false HELO name still has a false HELO name.
Error answers (127.0.0.255 at dnswl.org, 127.255.255.x) never count.

A sender domain is a claim that nobody has verified here, so it is looked at
only where the configuration says so.
"""

import asyncio
from collections.abc import Iterable, Sequence

from gatepost.address import domain_of
from gatepost.checks.base import Check
from gatepost.context import Context
from gatepost.dnslist.lists import TRUST, List, ask, kind_of
from gatepost.dnslist.options import DEFAULTS, ListOptions
from gatepost.dnslist.resolve import lists_of, resolve
from gatepost.model import Finding, Report, Request, Rule
from gatepost.network import parse_address, reverse_labels

EXCUSES = ("dnsbl.*", "rhsbl.*", "greylist.*")


class Dnswl(Check):
    """Looks at the client's address, and at the sender's domain where that is configured."""

    Options = tuple[ListOptions, ...]
    defaults = DEFAULTS["dnswl"]

    def __init__(self, options: Sequence[ListOptions]) -> None:
        """Make the lists ready.

        Raises:
            ListsError: a list cannot be asked as it is configured.
        """
        super().__init__(options)
        self.lists: tuple[List, ...] = lists_of("dnswl", options)

    @classmethod
    def problems(cls, options: Sequence[ListOptions]) -> Iterable[tuple[tuple[int], str]]:
        return [((problem.number,), str(problem)) for problem in resolve("dnswl", options).problems]

    def rules(self) -> Iterable[Rule]:
        for which in self.lists:
            for name, listing in which.codes().items():
                yield Rule(name=name, says=f"{listing.says} Trust: {TRUST[listing.trust]}.", url=which.url)

    async def look_up(self, request: Request, context: Context, report: Report) -> None:
        due = [
            _look_up(which, what, labels, context, report)
            for which in self.lists
            for kind, what, labels in questions(which, request)
            if not context.watch.aside(which.zone, kind)
        ]
        await asyncio.gather(*due)


def questions(which: List, request: Request) -> Iterable[tuple[str, str, str]]:
    """What this list is asked about: kind, what people call it, labels."""
    address = parse_address(request.client_address)
    if "client" in which.looks_at and address is not None and kind_of(address) in which.kinds:
        yield kind_of(address), f"your address [{address}]", reverse_labels(address)
    domain = domain_of(request.sender)
    if "sender" in which.looks_at and which.takes(domain):
        yield "name", f"your sender domain {domain}", domain


async def _look_up(which: List, what: str, labels: str, context: Context, report: Report) -> None:
    judgement = await ask(which, labels, context.dns, context.watch)
    for listing in judgement.listings:
        trust = TRUST[listing.trust]
        report(
            Finding(
                which.rule(listing),
                f"{what} is listed by {which.zone} ({listing.name.replace('_', ' ')}, trust {trust})",
                f"{which.zone} answers {listing.answer}: {listing.says}",
                excuses=EXCUSES if listing.trust >= which.min_trust else (),
                rests_on_dns=True,
            )
        )
