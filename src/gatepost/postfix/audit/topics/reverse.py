"""Reverse names of our own addresses: there, leading back, and the name that we say at HELO."""

from collections.abc import AsyncIterator

from gatepost.dns.base import Kind, Resolver
from gatepost.network import Address, pointer_name
from gatepost.postfix.audit import zonefile
from gatepost.postfix.audit.asking import addresses_of
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own

MOST = 16
"""Addresses that are looked at."""
_WHO = "Whoever gave you the address sets it, often in the provider's control panel:"

MISSING = Fault(
    "reverse.missing",
    Severity.SERIOUS,
    "An own address has no reverse name",
    "Many servers refuse mail from an address without a reverse name (PTR record), as Gatepost itself does.",
    f"Set a PTR record that names this host. {_WHO} the PTR record.",
)
ASTRAY = Fault(
    "reverse.astray",
    Severity.SERIOUS,
    "A reverse name does not lead back",
    "A reverse name counts only when the name has this very address; else it could be anybody's claim, and "
    "servers treat the client as one without a name.",
    "Give the name the address, or change the reverse name.",
)
OTHER = Fault(
    "reverse.other",
    Severity.NOTE,
    "The reverse name is not the HELO name",
    "It is allowed, but some filters give points for it, and people who read headers wonder.",
    "Let the reverse name, myhostname and the name said at HELO be one.",
)
FAULTS = (MISSING, ASTRAY, OTHER)


async def ask_server(own: Own, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at every own address."""
    for address in own.addresses[:MOST]:
        answer = await dns.ask(pointer_name(address), Kind.PTR)
        if answer.absent:
            remedy = f"{_WHO}\n{zonefile.pointer(address, own.helo_name)}"
            yield MISSING.found(f"{pointer_name(address)} PTR: {answer.why}, for {address}", remedy)
        elif answer.found and (finding := await _leads(own, address, answer.records, dns)):
            yield finding


async def _leads(own: Own, address: Address, names: tuple[str, ...], dns: Resolver) -> Finding | None:
    """What is wrong with the names of an address."""
    back = [(name, await addresses_of(name, dns)) for name in names[:MOST]]
    good = [name for name, found in back if found is not None and address in found]
    if good:
        if {own.hostname, own.helo_name}.isdisjoint(good):
            return OTHER.found(
                f"{address} is called {', '.join(good)}; we say {own.helo_name}",
                f"{_WHO}\n{zonefile.pointer(address, own.helo_name)}",
            )
        return None
    if any(found is None for _, found in back):
        return None
    seen = "; ".join(f"{name} has {', '.join(map(str, found or ())) or 'no address'}" for name, found in back)
    return ASTRAY.found(
        f"{address} is called {', '.join(names[:MOST])}, and {seen}",
        f"Either in the zone of that name:\n{zonefile.address(names[0], address)}\nor another reverse name. "
        f"{_WHO}\n{zonefile.pointer(address, own.helo_name)}",
    )
