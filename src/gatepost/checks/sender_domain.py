"""The domain of the envelope sender: can it be answered, and is it perhaps ours?

As reject_non_fqdn_sender and reject_unknown_sender_domain (postconf(5)), with
RFC 7505 (null MX) and a look at where the mail servers of the domain really
are. The null sender of bounces has no domain and is never found here.

The domain is what stands behind the last @: source routes end there too
(RFC 5321, appendix C), and a quoted local part may hold others. An address
literal (`user@[192.0.2.1]`) is a legal domain and needs no DNS; it only has
to be an address that can be reached.
"""

import asyncio
from collections.abc import Iterable, Sequence

from gatepost.address import name_fault, normal_domain, split
from gatepost.checks.base import SENDER_KNOWN, Check
from gatepost.context import Context
from gatepost.dns.base import Answer, Kind, Resolver, parse_mx
from gatepost.model import Finding, Report, Request, Rule
from gatepost.network import is_public, parse_address
from gatepost.ours import Ours

MAX_HOSTS = 8
"""Mail servers of one domain that are followed; with more, nothing is said about where they lead."""

RULES = (
    Rule(
        name="sender_domain.short",
        says="The sender's address has no full and valid domain.",
        enhanced="5.2",
        reject=504,
    ),
    Rule(
        name="sender_domain.unresolvable",
        says="The sender's domain has neither an MX nor an A nor an AAAA record.",
        enhanced="1.8",
    ),
    Rule(
        name="sender_domain.null_mx",
        says="The sender's domain declares that it takes no mail (null MX, RFC 7505).",
        enhanced="7.27",
    ),
    Rule(
        name="sender_domain.bad_mx",
        says="Each mail server of the sender's domain has an unusable address (loopback, private) or none.",
        enhanced="1.8",
    ),
    Rule(
        name="sender_domain.ours",
        says="The sender's domain is ours, and the client is neither ours nor logged in.",
    ),
)


class SenderDomain(Check):
    """Looks at the sender, and at the client's address to tell our own."""

    stages = SENDER_KNOWN

    def rules(self) -> Iterable[Rule]:
        return RULES

    def look(self, request: Request, context: Context, report: Report) -> None:  # noqa: ARG002
        if not request.sender:
            return
        domain = split(request.sender)[1]
        if domain.startswith("["):
            _judge_literal(domain, report)
            return
        why = "it has no domain" if not domain else _fault(domain)
        if why:
            text = f"your sender address needs a full domain name, such as user@example.org: {why}"
            report(Finding("sender_domain.short", text, f"{request.sender[:320]}: {why}"))

    async def look_up(self, request: Request, context: Context, report: Report) -> None:
        text = split(request.sender)[1]
        if not text or text.startswith("[") or _fault(text):
            return
        domain = normal_domain(text)
        if await context.ours.owns_domain(domain):
            if not _is_own_client(request, context.ours):
                report(_ours(domain))
            return
        await _judge_domain(domain, context.dns, report)


def _fault(domain: str) -> str:
    """What is wrong with a domain's form, in a few words."""
    why = name_fault(domain)
    if why:
        return f"its domain has {why}" if not why.startswith("longer") else f"its domain is {why}"
    return "" if "." in normal_domain(domain) else f"{normal_domain(domain)} is not one"


def _judge_literal(domain: str, report: Report) -> None:
    """`[192.0.2.1]` or `[IPv6:2001:db8::1]`."""
    address = parse_address(domain[1:-1]) if domain.endswith("]") else None
    if address is None:
        text = "the domain of your sender address is no valid address literal"
        report(Finding("sender_domain.short", text, domain[:255]))
    elif not is_public(address):
        report(_bad_mx(f"[{address}]", f"{address} cannot be reached", rests_on_dns=False))


def _is_own_client(request: Request, ours: Ours) -> bool:
    client = parse_address(request.client_address)
    return client is not None and ours.is_own(client)


async def _judge_domain(domain: str, dns: Resolver, report: Report) -> None:
    """Can mail to `domain` be delivered? One question for most domains, a second for where it goes."""
    mx = await dns.ask(domain, Kind.MX)
    if mx.unknown:
        return
    hosts = _hosts(mx)
    if mx.found and not hosts:
        text = f"the domain {domain} of your sender address takes no mail (null MX, RFC 7505)"
        report(Finding("sender_domain.null_mx", text, domain, rests_on_dns=True))
    elif mx.found:
        await _judge_hosts(domain, hosts, dns, report)
    else:
        await _judge_addresses(domain, dns, report)


def _hosts(mx: Answer) -> list[str]:
    """The hosts of an MX answer, the preferred first; none for a null MX."""
    hosts = [host for _, host in sorted(parse_mx(record) for record in mx.records)]
    return [host for host in dict.fromkeys(hosts) if host not in (".", "")]


async def _judge_hosts(domain: str, hosts: Sequence[str], dns: Resolver, report: Report) -> None:
    if len(hosts) > MAX_HOSTS or await _may_be_reached(hosts[0], dns):
        return
    if any(await asyncio.gather(*(_may_be_reached(host, dns) for host in hosts[1:]))):
        return
    report(_bad_mx(domain, f"MX {', '.join(hosts)}"))


async def _judge_addresses(domain: str, dns: Resolver, report: Report) -> None:
    """No MX: the domain's own addresses take its mail (RFC 5321, 5.1)."""
    answers = await _addresses(domain, dns)
    if all(answer.absent for answer in answers):
        text = (
            f"the domain {domain} of your sender address has no DNS record (MX, A or AAAA); nobody can answer"
        )
        report(Finding("sender_domain.unresolvable", text, domain, rests_on_dns=True))
    elif not _is_reachable(answers):
        report(_bad_mx(domain, ", ".join(record for answer in answers for record in answer.records)))


async def _may_be_reached(host: str, dns: Resolver) -> bool:
    """False only when `host` is known to have no address that can be reached."""
    address = parse_address(host)
    if address is not None:
        return False  # an address where a name must stand (RFC 5321, 5.1) is asked for as a name, and fails
    if name_fault(host) or host == "localhost" or host.endswith(".localhost"):
        return False
    return _is_reachable(await _addresses(host, dns))


async def _addresses(host: str, dns: Resolver) -> tuple[Answer, ...]:
    """The A answer, and the AAAA answer unless the first is enough."""
    first = await dns.ask(host, Kind.A)
    if _is_reachable((first,)):
        return (first,)
    return (first, await dns.ask(host, Kind.AAAA))


def _is_reachable(answers: Iterable[Answer]) -> bool:
    """Whether one of the addresses is public, or something is not known."""
    for answer in answers:
        if answer.unknown:
            return True
        addresses = (parse_address(record) for record in answer.records)
        if any(address is not None and is_public(address) for address in addresses):
            return True
    return False


def _bad_mx(domain: str, detail: str, *, rests_on_dns: bool = True) -> Finding:
    text = f"mail to your sender domain {domain} cannot be delivered: no server of it has a usable address"
    return Finding("sender_domain.bad_mx", text, detail, rests_on_dns=rests_on_dns)


def _ours(domain: str) -> Finding:
    text = (
        f"{domain} is our own domain, and its mail is taken only from our own servers and from users "
        "who log in; send it through our submission server"
    )
    return Finding("sender_domain.ours", text, domain)
