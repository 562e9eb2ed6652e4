"""The name the client gives itself in HELO or EHLO: is there one, can it be one, is it somebody else's?

That name and address merely differ is no finding (RFC 5321, 4.1.4). Syntax is
judged as Postfix does (reject_invalid_helo_hostname, postconf(5)): underscores
pass. Of syntax and resolution at most one thing is reported, the first that
fits, so that one bad name does not count several times; that a name is ours is
reported beside it.
"""

import asyncio
from collections.abc import Iterable

from gatepost.address import name_fault, normal_domain
from gatepost.checks.base import HELO_KNOWN, SENDER_KNOWN, Check
from gatepost.context import Context
from gatepost.dns.base import Kind, Resolver
from gatepost.model import Finding, Report, Request, Rule
from gatepost.network import Address, parse_address
from gatepost.options import Options
from gatepost.ours import Ours

RULES = (
    Rule(name="helo.missing", says="The client sent mail without HELO or EHLO.", enhanced="5.1", reject=503),
    Rule(
        name="helo.malformed",
        says="The HELO name is neither a host name nor an address literal.",
        enhanced="5.2",
        reject=501,
    ),
    Rule(
        name="helo.short",
        says="The HELO name has no domain: there is no dot in it.",
        enhanced="5.2",
        reject=504,
    ),
    Rule(
        name="helo.bare_address",
        says="The HELO name is an address without the brackets of an address literal.",
        enhanced="5.2",
        reject=501,
    ),
    Rule(
        name="helo.literal_mismatch",
        says="The HELO name is an address literal, and the address is not the client's.",
    ),
    Rule(name="helo.ours", says="The client gives itself our own name, domain or address."),
    Rule(
        name="helo.reserved",
        says="The HELO name lies under a top-level name that does not exist on the Internet, such as .local.",
    ),
    Rule(name="helo.unresolvable", says="The HELO name has neither an A nor an AAAA nor an MX record."),
)

RESERVED = (
    *("test", "invalid", "localhost"),  # RFC 6761
    *("local", "home.arpa", "internal"),  # RFC 6762, RFC 8375, ICANN 2024
    *(
        "localdomain",
        "lan",
        "home",
        "corp",
        "intranet",
        "private",
        "workgroup",
    ),  # met in the wild, never delegated
)
NOBODYS = frozenset({"localhost", "localdomain"})
"""Every machine has these among its names; whoever says so does not pretend to be us."""


class HeloOptions(Options, frozen=True):
    """Which names are nobody's."""

    reserved: tuple[str, ...] = RESERVED
    """Top-level names (and `home.arpa`) that no host on the Internet has. `example` (RFC 2606) is not among
    them: such names do not resolve in any case, and test set-ups use them as their Internet."""


class Helo(Check):
    """Looks at the HELO name and the client's address."""

    Options = HeloOptions
    stages = HELO_KNOWN

    def __init__(self, options: HeloOptions) -> None:
        super().__init__(options)
        self._reserved = frozenset(normal_domain(name.lstrip(".")) for name in options.reserved)

    def rules(self) -> Iterable[Rule]:
        return RULES

    def look(self, request: Request, context: Context, report: Report) -> None:
        if not request.helo_name:
            if request.stage in SENDER_KNOWN:
                report(_MISSING)
            return
        fault = self._fault(request)
        if fault:
            report(fault)
        if _is_ours(request, context.ours):
            report(_ours(request.helo_name, _shown(request.helo_name)))

    async def look_up(self, request: Request, context: Context, report: Report) -> None:
        name = normal_domain(request.helo_name)
        if not name or _is_literal(name) or self._fault(request) or _is_ours(request, context.ours):
            return
        if await _is_borrowed(name, request, context):
            report(_ours(name, f"our domain {name}"))
        elif await _is_unresolvable(name, context.dns):
            text = (
                f"your HELO name {name} has no DNS record (A, AAAA or MX); "
                "give your mail server the name that its address has"
            )
            report(Finding("helo.unresolvable", text, name, rests_on_dns=True))

    def _fault(self, request: Request) -> Finding | None:
        """The first thing that is wrong with the name as such."""
        name = request.helo_name
        if _is_literal(name):
            return _literal_fault(name, parse_address(request.client_address))
        if parse_address(name):
            text = (
                f"your HELO name is a bare address; write it as [{_tagged(name)}], or better give a host name"
            )
            return Finding("helo.bare_address", text, name)
        why = name_fault(name)
        if why:
            return _malformed(name, why)
        name = normal_domain(name)
        if "." not in name:
            text = f"your HELO name {name} has no domain; give the full name of your mail server"
            return Finding("helo.short", text, name)
        if self._is_reserved(name):
            text = f"your HELO name {name} is not of the Internet; give the full name of your mail server"
            return Finding("helo.reserved", text, name)
        return None

    def _is_reserved(self, name: str) -> bool:
        labels = name.split(".")
        return labels[-1] in self._reserved or ".".join(labels[-2:]) in self._reserved


_MISSING = Finding("helo.missing", "send HELO or EHLO first")


def _is_literal(name: str) -> bool:
    return name.startswith("[")


def _literal_address(name: str) -> Address | None:
    """The address of `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321, 4.1.3); None for any other text."""
    if not name.endswith("]"):
        return None
    text = name[1:-1]
    is_tagged = text[:5].lower() == "ipv6:"
    text = text[5:] if is_tagged else text
    if is_tagged != (":" in text) or text[:5].lower() == "ipv6:":
        return None
    return parse_address(text)


def _literal_fault(name: str, client: Address | None) -> Finding | None:
    address = _literal_address(name)
    if address is None:
        return _malformed(name, "no address literal")
    if client is None or address == client:
        return None
    text = f"your HELO name [{_tagged(str(address))}] is an address, and not yours, which is [{client}]"
    return Finding("helo.literal_mismatch", text, f"{name} from {client}")


def _malformed(name: str, why: str) -> Finding:
    text = f"your HELO name is no valid host name ({why}); give the full name of your mail server"
    return Finding("helo.malformed", text, f"{name[:255]}: {why}")


def _tagged(address: str) -> str:
    """An address as it stands in an address literal."""
    return f"IPv6:{address}" if ":" in address and not address.lower().startswith("ipv6:") else address


# --- ours ---------------------------------------------------------------------------------------------


def _is_ours(request: Request, ours: Ours) -> bool:
    """Whether the HELO name is our host name or address, and the client is not ours."""
    if _is_own_client(request, ours):
        return False
    name = request.helo_name
    address = _literal_address(name) if _is_literal(name) else parse_address(name)
    if address is not None:
        return address in ours.addresses
    return ours.is_name(name) and not _is_nobodys(name)


def _is_own_client(request: Request, ours: Ours) -> bool:
    client = parse_address(request.client_address)
    return client is not None and ours.is_own(client)


def _is_nobodys(name: str) -> bool:
    name = normal_domain(name)
    return "." not in name or name.rpartition(".")[2] in NOBODYS


async def _is_borrowed(name: str, request: Request, context: Context) -> bool:
    """Whether `name` is one of our mail domains and is known to lead elsewhere than to this client.

    The web server of a domain whose mail we take may well call itself by that
    domain: then the name has the client's address. A host that has a name for
    the other protocol only is given the benefit of the doubt.
    """
    client = parse_address(request.client_address)
    if client is None or _is_own_client(request, context.ours) or _is_nobodys(name):
        return False
    if not await context.ours.owns_domain(name):
        return False
    kinds = (Kind.A, Kind.AAAA) if client.version == 4 else (Kind.AAAA, Kind.A)
    same, other = await asyncio.gather(*(context.dns.ask(name, kind) for kind in kinds))
    if same.found:
        return all(client != parse_address(record) for record in same.records)
    return same.absent and other.absent


def _ours(name: str, shown: str) -> Finding:
    text = f"your HELO name is {shown or 'ours'}, which is not yours; give the name of your own mail server"
    return Finding("helo.ours", text, name)


def _shown(name: str) -> str:
    return f"our own {'address' if parse_address(name.strip('[]')) else 'name'} {normal_domain(name)}"


async def _is_unresolvable(name: str, dns: Resolver) -> bool:
    """Whether `name` is known to have neither address nor mail server. Most names cost one question."""
    if not (await dns.ask(name, Kind.A)).absent:
        return False
    answers = await asyncio.gather(dns.ask(name, Kind.AAAA), dns.ask(name, Kind.MX))
    return all(answer.absent for answer in answers)
