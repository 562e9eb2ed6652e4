"""The DNS of the lab as records, and as text for a name server; pure.

One zone, the root, holds everything: forward names, in-addr.arpa, ip6.arpa,
and public lists that answer as the real ones do (RFC 5782: 127.0.0.2 and its
IPv6 form are listed, 127.0.0.1 is not; domain lists hold TEST, not INVALID).
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from gatepost.lab import cast
from gatepost.lab.cast import Actor, Listed, Record
from gatepost.network import pointer_name, reverse_labels

TTL = 300
SOA = f"ns.{cast.OUR_DOMAIN}. hostmaster.{cast.OUR_DOMAIN}. 1 3600 600 86400 60"
"""The last number, 60 s, is how long an absence may be believed (RFC 2308)."""

_SAYS = {
    cast.ZEN: "https://check.spamhaus.org/query/ip/{}",
    cast.DBL: "https://check.spamhaus.org/query/domain/{}",
    cast.DNSWL: "{} https://dnswl.org/s/?s=1",
}


def host(name: str, address: str) -> Iterator[Record]:
    """A name with its address, and back."""
    yield Record(name, "A" if ip_address(address).version == 4 else "AAAA", address)
    yield Record(pointer_name(ip_address(address)), "PTR", f"{name}.")


def entry(zone: str, what: str, *codes: str) -> Iterator[Record]:
    """An address or a domain on a list, with the text that goes into refusals."""
    try:
        name = f"{reverse_labels(ip_address(what))}.{zone}"
    except ValueError:
        name = f"{what}.{zone}"
    for code in codes:
        yield Record(name, "A", code)
    yield Record(name, "TXT", f'"{_SAYS[zone].format(what)}"')


def lists() -> Iterator[Record]:
    """What the lists hold whoever takes part: their test entries, and two lists that went wrong."""
    for address in ("127.0.0.2", "::ffff:7f00:2"):
        yield from entry(cast.ZEN, address, "127.0.0.2", "127.0.0.4", "127.0.0.10")
        yield from entry(cast.DNSWL, address, "127.0.10.0")
    yield from entry(cast.DBL, "test", "127.0.1.2")
    yield from entry(cast.DBL, "dbltest.com", "127.0.1.2")
    yield Record(f"*.{cast.OPEN_RESOLVER_LIST}", "A", "127.255.255.254")
    yield Record(f"*.{cast.OPEN_RESOLVER_LIST}", "TXT", '"Error: open resolver"')
    yield Record(f"*.{cast.WORLD_LIST}", "A", "127.0.0.2")
    yield Record(f"*.{cast.WORLD_LIST}", "TXT", '"this list is closed"')


def ours() -> Iterator[Record]:
    """Our own side: two MX hosts, the second on another address of the same Postfix."""
    yield Record(cast.OUR_DOMAIN, "MX", f"10 {cast.OUR_NAME}.")
    yield Record(cast.OUR_DOMAIN, "MX", f"20 {cast.OUR_SECOND_NAME}.")
    yield from host(cast.OUR_NAME, cast.OUR_ADDRESS)
    yield from host(cast.OUR_NAME, cast.OUR_ADDRESS_V6)
    yield from host(cast.OUR_SECOND_NAME, cast.OUR_SECOND_ADDRESS)
    yield from host(f"ns.{cast.OUR_DOMAIN}", cast.NAME_SERVER)
    yield from host("www.elsewhere.example", "203.0.113.80")


def of_actor(actor: Actor) -> Iterator[Record]:
    """What the DNS says of one actor."""
    kind = "A" if ip_address(actor.address).version == 4 else "AAAA"
    yield Record(f"mail.{actor.key}.example", kind, actor.address)
    if actor.ptr:
        yield Record(pointer_name(ip_address(actor.address)), "PTR", f"{actor.ptr}.")
        if actor.ptr.endswith(f".{actor.key}.example"):
            yield Record(actor.ptr, kind, actor.address)
    yield from actor.dns
    for zone, code, what in map(Listed._make, actor.lists):
        yield from entry(zone, what or actor.address, code)


def records(actors: Iterable[Actor]) -> list[Record]:
    """The whole DNS of the lab, each record once."""
    found: dict[Record, None] = dict.fromkeys(
        (Record("", "SOA", SOA), Record("", "NS", f"ns.{cast.OUR_DOMAIN}."))
    )
    found.update(dict.fromkeys([*ours(), *lists()]))
    for actor in actors:
        found.update(dict.fromkeys(of_actor(actor)))
    return list(found)


def zone_text(all_records: Iterable[Record]) -> str:
    """A zone file for the root zone."""
    return "".join(f"{name}. {TTL} IN {kind} {data}\n" for name, kind, data in all_records)
