"""One public list, ready to be asked: the name to ask, and what an answer means.

The name that is asked may hold a key. It is made in `question` alone and goes
to the resolver alone; everything that people see is made of `zone`, and text
that came from a list is passed through `redact`.
"""

import ipaddress
import re

import msgspec

from gatepost.address import MAX_NAME, name_fault, normal_domain
from gatepost.dns.base import Answer, Kind, Resolver
from gatepost.dnslist.base import Watch
from gatepost.dnslist.definition import ERROR_ANSWERS, Code
from gatepost.dnslist.notation import Pattern, octets_of, parse
from gatepost.network import Address, reverse_labels
from gatepost.options import Secret

TRUST = ("none", "low", "medium", "high")
"""What allow lists call 0, 1, 2 and 3."""

MAX_TEXT = 200
"""Characters kept of what a list says in its TXT record."""

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


class ErrorRange(msgspec.Struct, frozen=True):
    """Answers by which the list refuses to answer, and what it means by them."""

    pattern: Pattern
    says: str


_ERRORS_OF_ALL = ErrorRange(parse(ERROR_ANSWERS), "the list refuses to answer")


class Meaning(msgspec.Struct, frozen=True):
    """One code of a list with its pattern read."""

    code: Code
    pattern: Pattern | None = None
    """None where a bit of the last octet tells."""

    def fits(self, address: str) -> bool:
        """Whether the answer `address` says this."""
        if self.pattern is not None:
            return self.pattern.matches(address)
        octets = octets_of(address)
        return octets is not None and bool(octets[3] & self.code.bit)

    def trusts(self) -> tuple[int, ...]:
        """Every trust this can say."""
        if self.code.trust is not None:
            return (self.code.trust,)
        last = self.pattern.octets[3] if self.pattern is not None else frozenset({0})
        return tuple(sorted({n if n < len(TRUST) else 0 for n in last}))


class Listing(msgspec.Struct, frozen=True):
    """What one answer that counts means."""

    name: str
    says: str
    answer: str
    trust: int = 0


class Judgement(msgspec.Struct, frozen=True):
    """What all records of one answer mean together."""

    listings: tuple[Listing, ...] = ()
    """Distinct codes; empty when nothing counts."""
    error: str = ""
    """Why the answer is an error answer, for people; then nothing counts."""
    strange: tuple[str, ...] = ()
    """Records that no filter takes: they count for nothing."""


class List(msgspec.Struct, frozen=True, kw_only=True):
    """A public list as it is configured; nothing in it is optional any more."""

    purpose: str
    """`dnsbl`, `rhsbl` or `dnswl`: the check that asks it, and the first part of its rule names."""
    zone: str
    name: str
    kinds: frozenset[str]
    """What it is asked about: `ip4`, `ip6`, `name`."""
    answers: tuple[Pattern, ...]
    """Answers that count: one of these must fit."""
    meanings: tuple[Meaning, ...]
    errors: tuple[ErrorRange, ...] = ()
    looks_at: frozenset[str] = frozenset()
    """Identities it is asked about: `client`, `helo`, `reverse`, `sender`."""
    must_list: tuple[str, ...] = ()
    must_not_list: tuple[str, ...] = ()
    url: str = ""
    operator: str = ""
    min_trust: int = 1
    """Allow lists: the trust from which a listing excuses."""
    key: Secret = Secret("")

    def question(self, labels: str) -> str:
        """The name to ask for `labels`. It holds the key: for the resolver only, never for people."""
        key = self.key.reveal()
        return f"{labels}.{key}.{self.zone}" if key else f"{labels}.{self.zone}"

    def takes(self, name: str) -> bool:
        """Whether a domain name can be asked: a host name with a dot, not an address, not too long."""
        return "." in name and not name_fault(name) and len(self.question(name)) <= MAX_NAME

    def redact(self, text: str) -> str:
        """`text` with the key taken out, in whatever case it stands there."""
        key = self.key.reveal()
        return re.sub(re.escape(key), "***", text, flags=re.IGNORECASE) if key else text

    def rule(self, listing: Listing) -> str:
        """The rule name of a listing; the trust shows in those of allow lists only."""
        head = f"{self.purpose}.{self.name}.{listing.name}"
        return f"{head}.{TRUST[listing.trust]}" if self.purpose == "dnswl" else head

    def codes(self) -> dict[str, Listing]:
        """Everything this list can say, by rule name."""
        found: dict[str, Listing] = {}
        for meaning in self.meanings:
            for trust in meaning.trusts() if self.purpose == "dnswl" else (0,):
                listing = Listing(meaning.code.name, meaning.code.says, "", trust)
                found.setdefault(self.rule(listing), listing)
        return found


def normal_name(text: str) -> str:
    """A HELO name, reverse name or domain as lists know it; empty for what Postfix says instead of one."""
    name = normal_domain(text)
    return "" if name == "unknown" else name


def labels_of(entry: str) -> tuple[str, str]:
    """Kind and labels of a test entry: an address (an IPv6 one as it stands, even if mapped) or a name."""
    try:
        address = ipaddress.ip_address(entry)
    except ValueError:
        return "name", entry
    return kind_of(address), reverse_labels(address)


def kind_of(address: Address) -> str:
    """`ip4` or `ip6`."""
    return "ip4" if address.version == 4 else "ip6"


def judge(which: List, records: tuple[str, ...]) -> Judgement:
    """What the A records of a list's answer mean.

    One error answer, or one that is no loopback address, spoils the whole: a
    list that answers so is not talking about what it was asked.
    """
    found: dict[str, Listing] = {}
    strange: list[str] = []
    for record in records:
        if error := _error(which, record):
            return Judgement(error=error)
        listings = _listings(which, record)
        if not listings:
            strange.append(record)
        for listing in listings:
            found.setdefault(which.rule(listing), listing)
    return Judgement(listings=tuple(found.values()), strange=tuple(strange))


def _error(which: List, record: str) -> str:
    for error in (*which.errors, _ERRORS_OF_ALL):
        if error.pattern.matches(record):
            return f"it answers {record}: {error.says}"
    octets = octets_of(record)
    if octets is None or octets[0] != 127:
        return f"it answers {_plain(record)}, which is no answer of a list"
    return ""


def _listings(which: List, record: str) -> list[Listing]:
    if not any(pattern.matches(record) for pattern in which.answers):
        return []
    fitting = [_listing(meaning.code, record) for meaning in which.meanings if meaning.fits(record)]
    return fitting if any(meaning.code.bit for meaning in which.meanings) else fitting[:1]


def _listing(code: Code, record: str) -> Listing:
    octets = octets_of(record)
    trust = code.trust if code.trust is not None else (octets[3] if octets else 0)
    return Listing(code.name, code.says, record, trust if 0 <= trust < len(TRUST) else 0)


async def ask(which: List, labels: str, dns: Resolver, watch: Watch) -> Judgement:
    """Ask the list about `labels`, tell the watch, and judge. UNKNOWN means nothing."""
    answer = await dns.ask(which.question(labels), Kind.A)
    if not answer.found:
        watch.heard(which.zone, answer, error=False)
        return Judgement()
    judgement = judge(which, answer.records)
    watch.heard(which.zone, answer, error=bool(judgement.error))
    return judgement


async def text_of(which: List, labels: str, dns: Resolver) -> str:
    """What the list says about `labels` in its TXT record: one line of ASCII, without the key; or empty."""
    answer = await dns.ask(which.question(labels), Kind.TXT)
    return clean(which, answer)


def clean(which: List, answer: Answer) -> str:
    """The first TXT record as text that may stand in a reply."""
    if not answer.found or not answer.records:
        return ""
    return " ".join(_plain(which.redact(answer.records[0])).split())[:MAX_TEXT].strip()


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)
