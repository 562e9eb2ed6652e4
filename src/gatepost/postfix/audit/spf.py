"""Whether a domain's SPF record permits an address (RFC 7208), as far as an audit needs it.

Bounded: ten look-ups, two that find nothing, ten names of one MX. Macros and
`ptr` are not evaluated, and are told as such. Raises nothing.
"""

from enum import StrEnum

import msgspec

from gatepost.dns.base import Answer, Kind, Resolver, parse_mx
from gatepost.network import Address, Network, parse_address, parse_network
from gatepost.postfix.audit.asking import texts_of
from gatepost.postfix.audit.spf_terms import BEGINS, Record, SpfError, Term, parse

MOST_LOOKUPS = 10
MOST_VOID = 2
MOST_NAMES = 10
"""RFC 7208, 4.6.4."""


class Result(StrEnum):
    """What a record says of an address (RFC 7208, 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    NOT_EVALUATED = "not evaluated"
    """It depends on a macro or on `ptr`."""


class Said(msgspec.Struct, frozen=True):
    """A result, and why."""

    result: Result
    why: str = ""


class _Unknown(Exception):  # noqa: N818 - no error: the way out of a deep place
    """It cannot be said."""

    def __init__(self, result: Result, why: str) -> None:
        self.said = Said(result, why)


async def check(domain: str, address: Address, dns: Resolver) -> Said:
    """What the record of `domain` says of a client with this address."""
    try:
        return await _Check(address, dns).domain(domain)
    except SpfError as error:
        return Said(Result.PERMERROR, str(error))
    except _Unknown as out:
        return out.said


class _Check:
    """One evaluation, and what it has used up."""

    def __init__(self, address: Address, dns: Resolver) -> None:
        self._address = address
        self._dns = dns
        self._lookups = 0
        self._void = 0

    async def domain(self, domain: str) -> Said:
        texts = await texts_of(domain, BEGINS, self._dns)
        if texts is None:
            raise _Unknown(Result.TEMPERROR, f"{domain} TXT could not be looked up")
        if not texts:
            return Said(Result.NONE, f"{domain} has no SPF record")
        if len(texts) > 1:
            raise SpfError(f"{domain} has {len(texts)} SPF records")
        return await self._record(domain, parse(texts[0]))

    async def _record(self, domain: str, record: Record) -> Said:
        for term in record.terms:
            if await self._matches(domain, term):
                return Said(Result(term.qualifier), f"{term.text} of {domain}")
        if not record.redirect:
            return Said(Result.NEUTRAL, f"nothing in the record of {domain} matches")
        self._count()
        said = await self.domain(_plain(record.redirect))
        if said.result is Result.NONE:
            raise SpfError(f"redirect leads to {record.redirect}, which has no SPF record")
        return said

    async def _matches(self, domain: str, term: Term) -> bool:
        if term.name == "all":
            return True
        if term.name in ("ip4", "ip6"):
            return self._in_network(term)
        if term.name == "ptr":
            raise _Unknown(Result.NOT_EVALUATED, f"{term.text} of {domain} was not evaluated")
        self._count()
        target = _plain(term.value or domain)
        if term.name == "include":
            return await self._included(target)
        if term.name == "exists":
            return (await self._ask(target, Kind.A)).found
        hosts = [target] if term.name == "a" else await self._mx_hosts(target)
        for host in hosts:
            if await self._has(host, term, void=term.name == "a"):
                return True
        return False

    def _in_network(self, term: Term) -> bool:
        network = parse_network(term.value) or _loose(term.value)
        if network is None or (network.version == 4) != (term.name == "ip4"):
            raise SpfError(f'"{term.text[:60]}" is no network')
        return self._address in network

    async def _included(self, target: str) -> bool:
        said = await self.domain(target)
        if said.result is Result.NONE:
            raise SpfError(f"include:{target} leads to a domain without SPF record")
        return said.result is Result.PASS

    async def _mx_hosts(self, target: str) -> list[str]:
        answer = await self._ask(target, Kind.MX)
        hosts = [host for _, host in map(parse_mx, answer.records)]
        if len(hosts) > MOST_NAMES:
            raise SpfError(f"{target} has more than {MOST_NAMES} MX hosts")
        return hosts

    async def _has(self, host: str, term: Term, *, void: bool) -> bool:
        kind, bits = (Kind.A, term.four) if self._address.version == 4 else (Kind.AAAA, term.six)
        answer = await self._ask(host, kind, void=void)
        shift = self._address.max_prefixlen - bits
        wanted = int(self._address) >> shift
        found = filter(None, map(parse_address, answer.records))
        return any(int(one) >> shift == wanted for one in found if one.version == self._address.version)

    async def _ask(self, name: str, kind: Kind, *, void: bool = True) -> Answer:
        answer = await self._dns.ask(name, kind)
        if answer.unknown:
            raise _Unknown(Result.TEMPERROR, f"{name} {kind.name} could not be looked up")
        if answer.absent and void:
            self._void += 1
            if self._void > MOST_VOID:
                raise SpfError(f"more than {MOST_VOID} names in it do not exist (RFC 7208, 4.6.4)")
        return answer

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise SpfError(f"it needs more than {MOST_LOOKUPS} look-ups (RFC 7208, 4.6.4)")


def _plain(target: str) -> str:
    if "%" in target:
        raise _Unknown(Result.NOT_EVALUATED, f"the macro in {target[:60]} was not evaluated")
    return target.rstrip(".").lower()


def _loose(text: str) -> Network | None:
    """A network with host bits beside its mask, which SPF allows."""
    head, _, bits = text.partition("/")
    address = parse_address(head)
    if address is None or not (bits.isascii() and bits.isdigit()) or int(bits) > address.max_prefixlen:
        return None
    shift = address.max_prefixlen - int(bits)
    return parse_network(f"{type(address)((int(address) >> shift) << shift)}/{bits}")
