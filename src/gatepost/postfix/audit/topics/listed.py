"""Public lists that Gatepost asks: whether they answer our resolver, and whether we are on them ourselves."""

from collections.abc import AsyncIterator

from gatepost.dns.base import Kind, Resolver
from gatepost.dnslist.base import Trusting
from gatepost.dnslist.lists import List, ask, judge, kind_of, labels_of, text_of
from gatepost.dnslist.state import Seen, Trial, examine
from gatepost.network import reverse_labels
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own

MOST = 16
"""Own addresses, and own domains, that are looked at."""

OURSELVES = Fault(
    "listed.ourselves",
    Severity.SERIOUS,
    "We are on a block list",
    "Servers that ask this list refuse our mail.",
    "Find and stop the cause (a broken-into account, a web form, another host of the network), then ask to "
    "be taken off.",
)
REFUSED = Fault(
    "listed.refused",
    Severity.WARNING,
    "A list refuses to answer our resolver",
    "Public and large resolvers are refused. Gatepost does not believe such answers; a restriction of "
    "Postfix's without a filter takes them for a listing, and refuses everybody.",
    "Use a resolver of your own, on this machine, that asks the name servers itself.",
)
UNWELL = Fault(
    "listed.unwell",
    Severity.WARNING,
    "A list does not behave like one",
    "Its test entries (RFC 5782, 5: 127.0.0.2 is listed, 127.0.0.1 is not) are not as they must be: it may "
    "be dead, list everything, or not know us. Gatepost puts it aside.",
    "Take it out of the configuration, unless its operator says that it is alive.",
)
FAULTS = (OURSELVES, REFUSED, UNWELL)
OWN_RESOLVER = (
    "apt-get install unbound, then in /etc/gatepost/gatepost.toml:\n"
    '[dns]\nservers = ["127.0.0.1"]\nand "nameserver 127.0.0.1" in /etc/resolv.conf for Postfix'
)


async def ask_server(own: Own, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at every list, then for ourselves on it."""
    for which in own.lists:
        trials = [trial async for trial in _trials(which, dns)]
        outcome = examine(trials, key=bool(which.key))
        if any(trial.seen is Seen.ERROR for trial in trials):
            yield REFUSED.found(f"{which.zone}: {outcome.fault}", OWN_RESOLVER)
        elif all(trial.seen is Seen.UNKNOWN for trial in trials):
            continue
        elif outcome.fault:
            yield UNWELL.found(f"{which.zone}: {outcome.fault}")
        elif which.purpose != "dnswl":
            async for finding in _ourselves(own, which, dns):
                yield finding


async def _trials(which: List, dns: Resolver) -> AsyncIterator[Trial]:
    """What its test entries answer."""
    entries = [*((one, True) for one in which.must_list), *((one, False) for one in which.must_not_list)]
    for entry, must in entries:
        kind, labels = labels_of(entry)
        answer = await dns.ask(which.question(labels), Kind.A)
        if not answer.found:
            seen = Seen.UNKNOWN if answer.unknown else Seen.ABSENT
            yield Trial(kind, entry, must, seen, which.redact(answer.why))
            continue
        error = judge(which, answer.records).error
        yield Trial(kind, entry, must, Seen.ERROR if error else Seen.LISTED, error)


async def _ourselves(own: Own, which: List, dns: Resolver) -> AsyncIterator[Finding]:
    found = {
        str(address): reverse_labels(address)
        for address in own.addresses[:MOST]
        if kind_of(address) in which.kinds
    }
    if "name" in which.kinds:
        names = dict.fromkeys((own.helo_name, *own.domains[:MOST]))
        found |= {name: name for name in names if which.takes(name)}
    for ours, labels in found.items():
        judgement = await ask(which, labels, dns, Trusting())
        if judgement.listings:
            says = " ".join(one.says for one in judgement.listings)
            answers = ", ".join(one.answer for one in judgement.listings)
            text = await text_of(which, labels, dns)
            evidence = f"{ours} is on {which.zone}: {answers}: {says} {text}".strip()
            yield OURSELVES.found(evidence, f"{OURSELVES.remedy} {which.url}".strip())
