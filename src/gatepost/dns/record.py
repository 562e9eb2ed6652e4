"""From a decoded reply to an Answer: what of it may be believed. Pure, raises nothing.

Believed are only records on the CNAME chain that starts at the question
(RFC 1034, 3.6.2); records of other owners are as if they were not there, and a
reply with nothing but such records is no answer.
That something is absent is believed as long as the zone's SOA says
(RFC 2308, 5); an SOA counts only when it lies above the name in question.
"""

import msgspec

from gatepost.dns.base import Answer, Kind, Status
from gatepost.wire import dns as wire
from gatepost.wire.dns_name import DnsError, encode_name

ABSENT_WITHOUT_SOA = 30.0
"""Seconds an absence is believed that came without an SOA: RFC 2308 forbids to keep it, yet the
recipients of one mail should not ask anew each."""
BAD_NAME_TTL = 86400.0
"""A name that cannot exist never will; any long time is right."""

LOOP = "cname loop"
"""Why, for a chain without end: it is so in the zone, and another server would say the same."""

_WHY = {
    wire.FORMERR: "formerr",
    wire.SERVFAIL: "servfail",
    wire.NOTIMP: "notimp",
    wire.REFUSED: "refused",
}


class Onward(msgspec.Struct, frozen=True, gc=False):
    """The reply holds only the first part of a CNAME chain: `target` must be asked."""

    target: str
    ttl: float
    """Smallest TTL of the chain so far."""


def plain(name: str) -> str:
    """The one spelling of `name`: lower case, no dot at the end."""
    name = name.lower()
    if name.endswith(".") and len(name) > 1 and not name.endswith("\\."):
        return name[:-1]
    return name


def without_asking(name: str) -> Answer | None:
    """The answer for a name that no server need be asked about; None for all others."""
    try:
        encode_name(name)
    except DnsError:
        return impossible(name)
    return None


def impossible(name: str) -> Answer:
    """The answer for a name that no DNS message can carry.

    It is known not to exist: ABSENT. One that is not ASCII may exist in its
    IDNA form, which is not for us to guess: UNKNOWN.
    """
    if not name.isascii():
        return unknown("not ascii")
    return Answer(Status.ABSENT, ttl=BAD_NAME_TTL, why="bad name")


def unknown(why: str) -> Answer:
    """Our own trouble, in a word or two for people."""
    return Answer(Status.UNKNOWN, why=why)


def answer_of(reply: wire.Reply, kind: Kind) -> Answer | Onward:
    """What `reply` says about its own question.

    Returns:
        FOUND, ABSENT, UNKNOWN, or Onward when another name must be asked.
    """
    if reply.truncated:
        return unknown("truncated")
    if reply.code not in (wire.NOERROR, wire.NXDOMAIN) or reply.question is None:
        return unknown(_WHY.get(reply.code, f"response code {reply.code}"))
    start = reply.question[0]
    if reply.answers and all(record.owner != start for record in reply.answers):
        return unknown("another name's answer")  # says nothing of ours, not even that it is absent
    end, ttl, looped = _follow(reply, start, kind)
    if looped:
        return unknown(LOOP)
    records = [record for record in reply.answers if record.owner == end and record.kind == kind]
    if records:
        return _found(reply, records, ttl)
    return _absent(reply, start, end, ttl)


def _follow(reply: wire.Reply, start: str, kind: Kind) -> tuple[str, float, bool]:
    """Where the chain from `start` ends, its smallest TTL, and whether it bites its tail."""
    ttl = float("inf")
    if kind is Kind.CNAME:
        return start, ttl, False
    aliases = {record.owner: record for record in reply.answers if record.kind == wire.CNAME}
    name, seen = start, {start}
    while alias := aliases.get(name):
        name, ttl = alias.text, min(ttl, alias.ttl)
        if name in seen:
            return name, ttl, True
        seen.add(name)
    return name, ttl, False


def _found(reply: wire.Reply, records: list[wire.Record], ttl: float) -> Answer:
    if reply.code == wire.NXDOMAIN:
        return unknown("contradiction")
    ttl = min(ttl, *(record.ttl for record in records))
    return Answer(Status.FOUND, tuple(dict.fromkeys(record.text for record in records)), ttl)


def _absent(reply: wire.Reply, start: str, end: str, ttl: float) -> Answer | Onward:
    negative = _negative_ttl(reply, end)
    if reply.code == wire.NXDOMAIN:
        keep = ABSENT_WITHOUT_SOA if negative is None else negative
        return Answer(Status.ABSENT, ttl=min(ttl, keep), why="nxdomain")
    if negative is not None:
        return Answer(Status.ABSENT, ttl=min(ttl, negative), why="nodata")
    if end != start:
        return Onward(end, ttl)
    if any(record.kind == wire.NS for record in reply.authority):
        return unknown("referral")  # a server that does not recurse for us knows nothing of the name
    return Answer(Status.ABSENT, ttl=min(ttl, ABSENT_WITHOUT_SOA), why="nodata")


def _negative_ttl(reply: wire.Reply, name: str) -> float | None:
    """The smaller of the SOA's TTL and its MINIMUM (RFC 2308, 5); None without an SOA above `name`."""
    for record in reply.authority:
        if record.kind == wire.SOA and _is_within(name, record.owner):
            minimum = int(record.text.rpartition(" ")[2])
            return float(min(record.ttl, minimum))
    return None


def _is_within(name: str, zone: str) -> bool:
    return zone in (".", name) or name.endswith("." + zone)
