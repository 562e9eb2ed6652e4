"""What a hypothetical client's names would be: the DNS, with a reverse name that is only pretended."""

from contextvars import ContextVar

from gatepost.address import name_fault, normal_domain
from gatepost.dns.base import Answer, Kind, Resolver, Status
from gatepost.network import Address, parse_address, pointer_name

UNKNOWN = "unknown"
"""What Postfix says when it knows no name (SMTPD_POLICY_README)."""
_SECONDS = 60.0

_pretended: ContextVar[tuple[str, Answer] | None] = ContextVar("pretended", default=None)
"""Name of the PTR record and the answer, of the question that this task is about."""


class Pretending:
    """A resolver that tells what was pretended, and asks another for all else."""

    def __init__(self, dns: Resolver) -> None:
        self._dns = dns

    async def ask(self, name: str, kind: Kind) -> Answer:
        pretended = _pretended.get()
        if pretended is not None and kind is Kind.PTR and name == pretended[0]:
            return pretended[1]
        return await self._dns.ask(name, kind)


def pretend(address: Address, reverse_name: str) -> None:
    """From now on, in this task, the reverse name of `address` is this; empty: it has none."""
    name = normal_domain(reverse_name)
    if name in ("", UNKNOWN):
        answer = Answer(Status.ABSENT, ttl=_SECONDS, why="nxdomain")
    else:
        answer = Answer(Status.FOUND, (name,), ttl=_SECONDS)
    _pretended.set((pointer_name(address), answer))


async def names_of(address: Address, dns: Resolver) -> tuple[str, str]:
    """client_name and reverse_client_name as Postfix would find them: verified, and only said."""
    answer = await dns.ask(pointer_name(address), Kind.PTR)
    reverse = next((name for name in answer.records if not name_fault(name)), "")
    if not reverse:
        return UNKNOWN, UNKNOWN
    forward = await dns.ask(reverse, Kind.A if address.version == 4 else Kind.AAAA)
    verified = any(parse_address(record) == address for record in forward.records)
    return (reverse if verified else UNKNOWN), reverse
