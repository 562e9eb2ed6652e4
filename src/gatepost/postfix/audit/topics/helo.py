"""The name that we say at HELO (`smtp_helo_name`): whole, in the DNS, and ours."""

from collections.abc import AsyncIterator

from gatepost.address import name_fault
from gatepost.dns.base import Resolver
from gatepost.postfix.audit import zonefile
from gatepost.postfix.audit.asking import addresses_of
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own

SHORT = Fault(
    "helo.short",
    Severity.SERIOUS,
    "The HELO name is not a whole host name",
    "Many servers refuse a client that says a name without a domain, or one that nobody can have "
    "(reject_non_fqdn_helo_hostname).",
    "Set myhostname to the host's full name in main.cf.",
)
UNRESOLVABLE = Fault(
    "helo.unresolvable",
    Severity.WARNING,
    "The HELO name is not in the DNS",
    "Servers that look it up (reject_unknown_helo_hostname) refuse our mail.",
    "Add an address record for the name, or set myhostname to a name that has one.",
)
ELSEWHERE = Fault(
    "helo.elsewhere",
    Severity.WARNING,
    "The HELO name leads to somebody else",
    "A name that has other addresses than the client looks forged, and costs points in many filters.",
    "Let the name have our address, or set myhostname to a name that has it.",
)
FAULTS = (SHORT, UNRESOLVABLE, ELSEWHERE)
NOBODYS = ("localhost", "localdomain", "local", "lan", "internal", "invalid")


async def ask_server(own: Own, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at the name."""
    name = own.helo_name
    if "." not in name or name_fault(name) or name.rpartition(".")[2] in NOBODYS:
        yield SHORT.found(
            f'smtp_helo_name is "{name}"', "In main.cf, for example:\nmyhostname = mail.example.org"
        )
        return
    found = await addresses_of(name, dns)
    if found is None:
        return
    wanted = "\n".join(zonefile.address(name, address) for address in own.addresses)
    if not found:
        yield UNRESOLVABLE.found(f"{name} A and AAAA: no such record", wanted)
    elif own.addresses and not set(found) & set(own.addresses):
        seen = f"{name} has {', '.join(map(str, found))}; ours: {', '.join(map(str, own.addresses))}"
        yield ELSEWHERE.found(seen, wanted)
