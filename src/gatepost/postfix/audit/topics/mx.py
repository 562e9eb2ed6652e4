"""MX records of our own domains: there, usable, and leading to us."""

from collections.abc import AsyncIterator, Iterator

from gatepost.dns.base import Kind, Resolver, parse_mx
from gatepost.network import Address, parse_address
from gatepost.postfix.audit import zonefile
from gatepost.postfix.audit.asking import addresses_of
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own

MOST = 16
"""MX hosts of one domain that are looked at."""

NO_DOMAIN = Fault(
    "mx.no_domain",
    Severity.NOTE,
    "A domain of ours is not in the DNS",
    "Nobody outside can write to it, or answer mail that comes from it.",
    "Take it out of mydestination and the like if it is not meant, or register it.",
)
MISSING = Fault(
    "mx.missing",
    Severity.WARNING,
    "A domain of ours has no MX record",
    "Senders then try the address of the domain itself, often a web server (RFC 5321, 5.1).",
    "Add an MX record that names this host.",
)
NULL = Fault(
    "mx.null",
    Severity.SERIOUS,
    "A domain of ours says that it takes no mail",
    "`MX 0 .` tells every sender not to try (RFC 7505): no mail comes in, and mail from the domain is "
    "refused.",
    "Replace the null MX, or take the domain out of mydestination and the like.",
)
ADDRESS = Fault(
    "mx.address",
    Severity.SERIOUS,
    "An MX record holds an address",
    "An MX record must hold a host name (RFC 1035, 3.3.9): the address is looked up as a name, and mail is "
    "lost.",
    "Give the host a name, and let the MX record name it.",
)
CNAME = Fault(
    "mx.cname",
    Severity.WARNING,
    "An MX host is an alias",
    "An MX record must not name a CNAME (RFC 2181, 10.3); some senders refuse to deliver there.",
    "Let the MX record name the host that the alias leads to.",
)
UNRESOLVABLE = Fault(
    "mx.unresolvable",
    Severity.WARNING,
    "An MX host has no address",
    "Senders lose time with it; when it is the only one, mail is lost.",
    "Add its address, or remove the MX record.",
)
ELSEWHERE = Fault(
    "mx.elsewhere",
    Severity.WARNING,
    "No MX record of a domain leads to us",
    "Postfix takes this domain for its own, yet mail of others goes elsewhere, and mail of our own users "
    "for it stays here. It is right only where a filter or a main server stands between.",
    "Add an MX record that names this host, or take the domain out of mydestination and the like.",
)
SAME = Fault(
    "mx.same",
    Severity.NOTE,
    "Two MX hosts lead to one address",
    "It is no second server: when this one is down, both are. A sender that is told to come back tries "
    "again at once by the second name, which greylisting does not hold against it.",
    "Keep it if that is meant; else remove the second MX record.",
)
FAULTS = (NO_DOMAIN, MISSING, NULL, ADDRESS, CNAME, UNRESOLVABLE, ELSEWHERE, SAME)

Hosts = dict[str, tuple[Address, ...] | None]
"""Addresses of each MX host; None when they cannot be known now."""


async def ask_domain(own: Own, domain: str, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at one domain."""
    answer = await dns.ask(domain, Kind.MX)
    wanted = zonefile.mx(domain, own.helo_name)
    if answer.absent:
        if answer.why == "nodata":
            yield MISSING.found(f"{domain} MX: no such record", wanted)
        else:
            yield NO_DOMAIN.found(f"{domain} MX: {answer.why}")
    if not answer.found:
        return
    said = f"{domain} MX: {', '.join(answer.records)}"
    names = [host for _, host in map(parse_mx, answer.records)][:MOST]
    if "." in names:
        yield NULL.found(said, wanted)
        return
    hosts: Hosts = {}
    for name in dict.fromkeys(names):
        if parse_address(name):
            yield ADDRESS.found(said, f"Instead of the record with {name}:\n{wanted}")
            hosts[name] = ()
            continue
        hosts[name] = await addresses_of(name, dns)
        if hosts[name] == ():
            yield UNRESOLVABLE.found(f"{said}; {name} has no address", _give_address(own, name))
        alias = await dns.ask(name, Kind.CNAME)
        if alias.found:
            remedy = f"Instead of the record with {name}:\n{zonefile.mx(domain, alias.records[0])}"
            yield CNAME.found(f"{said}; {name} CNAME {alias.records[0]}", remedy)
    for finding in _together(own, said, hosts, wanted):
        yield finding


def _together(own: Own, said: str, hosts: Hosts, wanted: str) -> Iterator[Finding]:
    """What all hosts of a domain come to."""
    known = [found for found in hosts.values() if found is not None]
    ours = set(own.addresses)
    led = any(ours & set(found) for found in known) or not own.names.isdisjoint(hosts)
    if ours and not led and len(known) == len(hosts):
        yield ELSEWHERE.found(f"{said}; our addresses: {', '.join(map(str, own.addresses))}", wanted)
    first: dict[frozenset[Address], str] = {}
    for name, found in hosts.items():
        other = first.setdefault(frozenset(found), name) if found else name
        if other != name:
            yield SAME.found(f"{said}; {other} and {name} have {', '.join(map(str, found or ()))}")


def _give_address(own: Own, name: str) -> str:
    if not own.addresses:
        return ""
    return "If it is this host:\n" + "\n".join(zonefile.address(name, one) for one in own.addresses)
