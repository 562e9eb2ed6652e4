"""Small questions that several topics put to the DNS. UNKNOWN stays unknown: None."""

from gatepost.dns.base import Kind, Resolver
from gatepost.network import Address, parse_address


async def addresses_of(name: str, dns: Resolver) -> tuple[Address, ...] | None:
    """All addresses of a host; empty when it has none; None when that cannot be known now."""
    found: list[Address] = []
    unknown = False
    for kind in (Kind.A, Kind.AAAA):
        answer = await dns.ask(name, kind)
        unknown = unknown or answer.unknown
        found += (address for text in answer.records if (address := parse_address(text)))
    return None if unknown else tuple(found)


async def exists(domain: str, dns: Resolver) -> bool:
    """False when the DNS is certain that there is no such domain."""
    return (await dns.ask(domain, Kind.MX)).why != "nxdomain"


async def texts_of(name: str, begins: str, dns: Resolver) -> tuple[str, ...] | None:
    """TXT records at `name` whose first word is `begins`; None when that cannot be known now."""
    answer = await dns.ask(name, Kind.TXT)
    if answer.unknown:
        return None
    found = (text.strip() for text in answer.records)
    return tuple(text for text in found if _first_word(text) == begins.lower())


def _first_word(text: str) -> str:
    return text.replace(";", " ").partition(" ")[0].lower()
