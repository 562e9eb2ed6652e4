"""What postgrey remembers, as our triplets and networks: so that what passes there passes here at once.

Its databases: `NETWORK/SENDER/RECIPIENT` in lower case -> `FIRST,LAST`, which
passed when the two are the delay apart; and `ADDRESS` -> `COUNT,LAST`. Its
sender has lost sub-addresses and has `#` for each number; what our own form of
such a sender needs of it is put back. Pure; raises nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from gatepost.address import MAX_KEY, normal_sender
from gatepost.checks.greylist import GreylistOptions, normal_recipient
from gatepost.imports.postgrey import Terms
from gatepost.network import Address, group, parse_address
from gatepost.store.base import Brought, BroughtClient

MAX_COUNT = 1_000_000_000
MAX_FORMS = 4

_TIMES = re.compile(r"(\d{1,12}),(\d{1,12})(?:,.*)?", re.DOTALL)
_HASHED = re.compile(r"[0-9a-f]{40}")
_UUID = re.compile(r"(?:[0-9a-f]{8}|#)-(?:(?:[0-9a-f]{4}|#)-){3}(?:[0-9a-f]{12}|#)")
_SAMPLES = 5

WHY = {
    "hashed": "stored with --privacy: nobody can tell what it was",
    "broken": "cannot be read",
    "finer": "our networks are smaller than postgrey's (ipv4_prefix, ipv6_prefix in [greylist])",
    "future": "first seen in the future",
    "over": "not seen for so long that it is forgotten",
    "full": "more than the store holds (triplets in [store])",
    "crowded": "too many mails of its network wait already (pending_per_network in [greylist])",
}
"""Why a record is not taken, by the word under which it is counted."""


class Place(msgspec.Struct, frozen=True):
    """How postgrey judged, how we do, and what time it is (seconds since 1970)."""

    theirs: Terms
    ours: GreylistOptions
    now: float
    limit: int = 1_000_000
    """Triplets taken at most."""


@dataclass(slots=True)
class Found:
    """What was made of the records."""

    triplets: list[Brought] = field(default_factory=list)
    clients: dict[str, BroughtClient] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    """Records: `passed`, `waiting` and `clients`."""
    left: Counter[str] = field(default_factory=Counter)
    """Records left, by the words of WHY."""
    samples: list[str] = field(default_factory=list)
    """A few that could not be read."""

    def leave(self, why: str, record: bytes = b"") -> None:
        """Count a record that is not taken."""
        self.left[why] += 1
        if why == "broken" and len(self.samples) < _SAMPLES:
            self.samples.append(record[:120].decode("utf-8", "backslashreplace"))


def take_triplet(found: Found, place: Place, key: bytes, value: bytes) -> None:
    """Take a record of postgrey.db."""
    text = key.decode("utf-8", "backslashreplace")
    times = _TIMES.fullmatch(value.decode("ascii", "replace"))
    parts = _parts(text, by_host=place.theirs.by_host)
    if times is None or parts is None:
        found.leave("hashed" if times and _HASHED.fullmatch(text) else "broken", key)
        return
    address, sender, recipient = parts
    network = _network(address, place)
    if network is None:
        found.leave("finer")
        return
    first, last = int(times[1]), int(times[2])
    passed = last - first >= place.theirs.delay
    why = _not_now(first, last, place, passed=passed)
    if why or len(found.triplets) >= place.limit:
        found.leave(why or "full")
        return
    found.read["passed" if passed else "waiting"] += 1
    for form in senders(sender):
        one = Brought(network, form, normal_recipient(recipient), first, min(last, place.now), passed)
        found.triplets.append(one)


def take_client(found: Found, place: Place, key: bytes, value: bytes) -> None:
    """Take a record of postgrey_clients.db: addresses of one network are one client here."""
    text = key.decode("utf-8", "backslashreplace")
    counted = _TIMES.fullmatch(value.decode("ascii", "replace"))
    address = parse_address(text)
    if counted is None or address is None:
        found.leave("hashed" if counted and _HASHED.fullmatch(text) else "broken", key)
        return
    count, last = min(int(counted[1]), MAX_COUNT), min(int(counted[2]), place.now)
    if place.now - last > place.ours.keep:
        found.leave("over")
        return
    network = group(address, place.ours.ipv4_prefix, place.ours.ipv6_prefix)
    before = found.clients.get(network, BroughtClient(network, 0, 0))
    found.read["clients"] += 1
    found.clients[network] = BroughtClient(network, max(count, before.successes), max(last, before.last))


def _network(address: Address, place: Place) -> str | None:
    """Our network of an address as postgrey keeps it; None when that does not say enough."""
    theirs, ours = (
        (place.theirs.v4, place.ours.ipv4_prefix)
        if address.version == 4
        else (place.theirs.v6, place.ours.ipv6_prefix)
    )
    if theirs < ours:
        return None
    return group(address, place.ours.ipv4_prefix, place.ours.ipv6_prefix)


def _not_now(first: int, last: int, place: Place, *, passed: bool) -> str:
    """Why a record says nothing today; empty when it does."""
    if first > place.now:
        return "future"
    age = place.now - (last if passed else first)
    return "over" if age > (place.ours.keep if passed else place.ours.retry_window) else ""


def _parts(key: str, *, by_host: bool) -> tuple[Address, str, str] | None:
    """Address, sender and recipient of a key; None when it is none."""
    network, slash, rest = key.partition("/")
    address = parse_address(network)
    if by_host:
        _, slash, rest = rest.partition("/")
    if address is None or not slash:
        return None
    # A local part can have slashes; a domain has none, and the null sender is empty.
    at = 0 if rest.startswith("/") else max(rest.find("@"), 0)
    end = rest.find("/", at)
    if end < 0:
        end = rest.find("/")  # a sender without a domain
    return (address, rest[:end], rest[end + 1 :]) if 0 <= end < len(rest) - 1 else None


def senders(sender: str) -> Iterator[str]:
    """Our forms of a sender that postgrey has simplified: one, or more where it has lost too much.

    Our form looks for whole tags, hashes and UUIDs, in which postgrey has put `#` for each number.
    """
    if not sender:
        yield "<>"
        return
    plain = sender[: MAX_KEY * 2]
    forms = dict.fromkeys(
        normal_sender(text) for text in (plain, plain.replace("#", "0000000000"), _UUID.sub("0", plain))
    )
    yield from list(forms)[:MAX_FORMS]
