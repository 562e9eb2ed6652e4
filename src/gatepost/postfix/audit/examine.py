"""Lets every topic look, and puts together what they find. No I/O of its own.

A setting that cannot be understood ends the topic that asked for it, an answer
that did not come the question that needed it; both are told as such.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

import msgspec

from gatepost.dns.base import Answer, Kind, Resolver
from gatepost.network import is_public
from gatepost.postfix.audit import topics
from gatepost.postfix.audit.asking import addresses_of
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.audit.topics import Look
from gatepost.postfix.conf.lines import ConfError

MOST_DOMAINS = 100
ENDS_SMTPD = frozenset(("relay.unguarded", "words.class", "patterns.brackets"))
"""Where this is found smtpd ends as soon as it starts."""
AT_ONCE = 8
"""Domains that are looked at together."""
MOST_TOLD = 12
"""Questions without an answer that are told by name."""
SECONDS = 120.0
"""For all questions together."""

UNCLEAR = Fault(
    "config.unclear",
    Severity.WARNING,
    "A setting cannot be understood",
    "What cannot be understood cannot be judged, and Postfix may take it otherwise than you mean.",
    "Repair the setting; `postfix check` and the mail log say what Postfix thinks of it.",
)
SILENT = Fault(
    "dns.silent",
    Severity.NOTE,
    "Something could not be looked at in the DNS",
    "These questions had no usable answer, so nothing is said about what depends on them.",
    "Ask again later; if it stays so, look at the resolver: gatepost status",
)
ILL = Fault(
    "dns.ill",
    Severity.WARNING,
    "The resolver cannot be believed",
    "Answers of such a resolver prove nothing, so no topic was looked up. Postfix's own restrictions that "
    "look names up work with the same answers.",
    "Use a resolver of your own, on this machine, that asks the name servers itself.",
)
LATE = Fault(
    "dns.late",
    Severity.NOTE,
    "Not all was looked at in time",
    f"The questions took more than {SECONDS:.0f} s together; what is missing was not looked at.",
    "Ask again later, or set [ours] domains in the configuration to those that matter.",
)
NO_ADDRESS = Fault(
    "dns.no_address",
    Severity.NOTE,
    "No public address of ours is known",
    "Neither the interfaces nor the name of this host have a public address, so reverse name, SPF and "
    "block lists were not looked at.",
    "Tell Postfix, and so Gatepost, the address that others see, in main.cf: proxy_interfaces = ADDRESS",
)
MANY = Fault(
    "dns.many",
    Severity.NOTE,
    "Not all domains were looked at",
    f"At most {MOST_DOMAINS} domains are looked at in one run.",
    "Set [ours] domains in the configuration to those that matter.",
)
FAULTS = (UNCLEAR, ILL, SILENT, LATE, NO_ADDRESS, MANY)


def judge(scene: Scene) -> list[Finding]:
    """What is wrong with the configuration."""
    looks = [topic.look for topic in topics.find().values() if topic.look]
    return list(dict.fromkeys(finding for look in looks for finding in _carefully(look, scene)))


def _carefully(look: Look, scene: Scene) -> Iterator[Finding]:
    """What a topic finds, up to a setting that it cannot understand."""
    try:
        yield from look(scene)
    except ConfError as error:
        yield UNCLEAR.found(str(error))


class Hearing:
    """A Resolver that remembers which questions had no answer."""

    def __init__(self, own: Own, dns: Resolver) -> None:
        """Ask `dns`; keys of our lists, which stand in questions, are not remembered."""
        self._own = own
        self._dns = dns
        self.silent: dict[str, str] = {}

    async def ask(self, name: str, kind: Kind) -> Answer:
        """The answer of the resolver behind."""
        answer = await self._dns.ask(name, kind)
        if answer.unknown:
            self.silent[self._redact(f"{name} {kind.name}")] = self._redact(answer.why)
        return answer

    def _redact(self, text: str) -> str:
        for which in self._own.lists:
            text = which.redact(text)
        return text


async def ask_around(own: Own, dns: Resolver, ill: str = "", seconds: float = SECONDS) -> list[Finding]:
    """What the DNS says about us; `ill`: why its answers prove nothing."""
    if ill:
        return [ILL.found(ill)]
    hearing = Hearing(own, dns)
    found: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            own = await _with_address(own, hearing)
            places = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(_take(one, found, places) for one in _questions(own, hearing)))
    except TimeoutError:
        found.append(LATE.found(f"{len(own.domains)} domains, {len(own.lists)} lists"))
    return [*dict.fromkeys(found), *_not_seen(own, hearing)]


def _questions(own: Own, dns: Resolver) -> Iterator[AsyncIterator[Finding]]:
    """Every topic, about this server and about each domain."""
    for topic in topics.find().values():
        if topic.ask_server:
            yield topic.ask_server(own, dns)
        if topic.ask_domain:
            for domain in own.domains[:MOST_DOMAINS]:
                yield topic.ask_domain(own, domain, dns)


async def _take(findings: AsyncIterator[Finding], found: list[Finding], places: asyncio.Semaphore) -> None:
    async with places:
        found += [finding async for finding in findings]


async def _with_address(own: Own, dns: Resolver) -> Own:
    """Where only private addresses are known (behind NAT), those of our name in the DNS."""
    if own.addresses or "." not in own.hostname:
        return own
    found = await addresses_of(own.hostname, dns) or ()
    return msgspec.structs.replace(own, addresses=tuple(filter(is_public, found)))


def _not_seen(own: Own, hearing: Hearing) -> Iterable[Finding]:
    """What nobody could look at."""
    if hearing.silent:
        told = [f"{question} ({why})" for question, why in hearing.silent.items()]
        more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        yield SILENT.found(", ".join(told[:MOST_TOLD]) + more)
    if not own.addresses:
        yield NO_ADDRESS.found(
            f"interfaces, inet_interfaces, proxy_interfaces, and {own.hostname} in the DNS"
        )
    if len(own.domains) > MOST_DOMAINS:
        yield MANY.found(f"{len(own.domains)} domains; not looked at: {own.domains[MOST_DOMAINS]} and later")
