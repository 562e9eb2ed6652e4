"""Is a name that the client brings on a public block list of domains? (RFC 5782, 2.3)

The HELO name, the reverse name (also where it is not verified: whoever owns
the address wrote it) and the sender's domain. Addresses in the place of a
name, names without a dot and what is no name at all are never asked: lists
answer such questions with an error, or list them all.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from gatepost.address import domain_of
from gatepost.checks.base import Check
from gatepost.context import Context
from gatepost.dnslist.lists import List, Listing, ask, normal_name, text_of
from gatepost.dnslist.options import DEFAULTS, ListOptions
from gatepost.dnslist.resolve import lists_of, resolve
from gatepost.model import Finding, Report, Request, Rule

CALLED = {"helo": "HELO name", "reverse": "reverse name", "sender": "sender domain"}


class Rhsbl(Check):
    """Looks at the HELO name, the reverse name and the sender's domain."""

    Options = tuple[ListOptions, ...]
    defaults = DEFAULTS["rhsbl"]

    def __init__(self, options: Sequence[ListOptions]) -> None:
        """Make the lists ready.

        Raises:
            ListsError: a list cannot be asked as it is configured.
        """
        super().__init__(options)
        self.lists: tuple[List, ...] = lists_of("rhsbl", options)
        self._by_rule = {rule: which for which in self.lists for rule in which.codes()}

    @classmethod
    def problems(cls, options: Sequence[ListOptions]) -> Iterable[tuple[tuple[int], str]]:
        return [((problem.number,), str(problem)) for problem in resolve("rhsbl", options).problems]

    def rules(self) -> Iterable[Rule]:
        for which in self.lists:
            for name, listing in which.codes().items():
                yield Rule(name=name, says=listing.says, reject=554, url=which.url)

    async def look_up(self, request: Request, context: Context, report: Report) -> None:
        due = [which for which in self.lists if not context.watch.aside(which.zone, "name")]
        await asyncio.gather(*(_look_up(which, names(which, request), context, report) for which in due))

    async def after_verdict(self, request: Request, context: Context, finding: Finding) -> str:
        """What the list itself says about the name."""
        which = self._by_rule.get(finding.rule)
        if which is None or context.watch.aside(which.zone, "name"):
            return ""
        for name, called in names(which, request).items():
            if finding.text.startswith(_head(name, called)):
                return await text_of(which, name, context.dns)
        return ""


def names(which: List, request: Request) -> Mapping[str, str]:
    """The distinct names that this list is asked about, and what each is called."""
    given = {
        "helo": normal_name(request.helo_name),
        "reverse": normal_name(request.reverse_client_name),
        "sender": domain_of(request.sender),
    }
    found: dict[str, str] = {}
    for identity, name in given.items():
        if identity in which.looks_at and which.takes(name):
            called = CALLED[identity]
            found[name] = f"{found[name]} and {called}" if name in found else called
    return found


async def _look_up(which: List, asked: Mapping[str, str], context: Context, report: Report) -> None:
    judgements = await asyncio.gather(*(ask(which, name, context.dns, context.watch) for name in asked))
    hits: dict[str, list[tuple[str, Listing]]] = {}
    for name, judgement in zip(asked, judgements, strict=True):
        for listing in judgement.listings:
            hits.setdefault(which.rule(listing), []).append((name, listing))
    see = f"; see {which.url}" if which.url else ""
    for rule, found in hits.items():
        name, listing = found[0]
        details = (
            f"{which.zone} answers {seen.answer} for the {asked[hit]} {hit}: {seen.says}"
            for hit, seen in found
        )
        report(
            Finding(
                rule,
                f"{_head(name, asked[name])}is listed by {which.zone} ({_plainly(listing.name)}){see}",
                "; ".join(details),
                rests_on_dns=True,
            )
        )


def _head(name: str, called: str) -> str:
    return f"your {called} {name} "


def _plainly(code: str) -> str:
    return code.replace("_", " ")
