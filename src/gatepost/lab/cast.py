"""Who takes part in the lab's day: mail servers, bots and users, as data.

Each actor is a host with an address of its own, so that greylisting's
networks never mix, and says one thing. What comes of it stands nowhere here:
the report is made of what happened.
"""

from typing import NamedTuple

import msgspec

OUR_DOMAIN = "gatepost.example"
OUR_NAME = f"mx.{OUR_DOMAIN}"
OUR_SECOND_NAME = f"mx2.{OUR_DOMAIN}"
OUR_ADDRESS = "192.0.2.25"
OUR_SECOND_ADDRESS = "192.0.2.26"
OUR_ADDRESS_V6 = "2001:db8::25"
OUR_NETWORK = "192.0.2.96/28"
NAME_SERVER = "192.0.2.53"
MAILBOXES = tuple(f"{user}@{OUR_DOMAIN}" for user in ("anna", "ben", "clara", "dora"))
ANNA, BEN, CLARA, DORA = MAILBOXES
EXPECTING = DORA
"""Waits for a code from a web shop: `gatepost expect` is said for her before the day begins."""
USER, PASSWORD = "anna", "correct horse battery staple"

ZEN = "zen.spamhaus.org"
DBL = "dbl.spamhaus.org"
DNSWL = "list.dnswl.org"
OPEN_RESOLVER_LIST = "refuses-open-resolvers.example"
"""A list that answers every question with 127.255.255.254, as Spamhaus answers public resolvers."""
WORLD_LIST = "lists-the-world.example"
"""A list that was given up and now answers every question with 127.0.0.2."""

HELO_ACCESS = """\
# From the guide: servers with a wrong HELO name that we want mail from.
oldbox          OK
"""
RBL_OVERRIDE = """\
# From the guide: clients that block lists must not refuse.
198.18.32.25    OK  //customer on a bad neighbour's network
"""


class Listed(NamedTuple):
    """An entry of a public list: the address or domain is the actor's, or `what`."""

    zone: str
    code: str
    what: str = ""


class Record(NamedTuple):
    """One DNS record; names without trailing dot, data as in a zone file."""

    name: str
    kind: str
    data: str


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """A host that connects, and what it says."""

    key: str
    """Short name; its domain is `<key>.example`."""
    story: str
    """Who this is, for people."""
    address: str
    helo: str | None
    """None: says neither EHLO nor HELO."""
    ptr: str | None
    """Reverse name; None: there is none."""
    sender: str
    recipients: tuple[str, ...] = (ANNA,)
    retries: int = 0
    """How often it comes back when told to wait."""
    second_mx: bool = False
    """Comes back to our second MX instead of the first."""
    port: int = 25
    login: bool = False
    password: str = PASSWORD
    lists: tuple[Listed, ...] = ()
    dns: tuple[Record, ...] = ()
    scene: int = 1
    """Actors of one scene act at once; scenes follow each other."""


def actor(number: int, key: str, story: str, **told: object) -> Actor:
    """An actor whose every detail is right, but for what is told."""
    domain, name = f"{key}.example", f"mail.{key}.example"
    facts: dict[str, object] = {
        "address": f"198.18.{number}.25",
        "helo": name,
        "ptr": name,
        "sender": f"post@{domain}",
        "dns": (Record(domain, "MX", f"10 {name}."),),
    }
    return msgspec.convert(facts | told | {"key": key, "story": story}, Actor)


def home_line(number: int, key: str) -> str:
    """A reverse name as access providers give their customers."""
    return f"198-18-{number}-25.dyn.{key}.example"


def _doubtful(number: int, key: str, story: str, **told: object) -> Actor:
    """Nothing wrong but a reverse name that looks like a home line: weak evidence."""
    return actor(number, key, story, **{"ptr": home_line(number, key), **told})


def _strangers() -> list[Actor]:
    return [
        actor(1, "honest", "an honest server", retries=2),
        actor(2, "honest6", "an honest server, IPv6", address="2001:db8:2::25", retries=2),
        actor(3, "literal", "an honest server, HELO is its address", helo="[198.18.3.25]", retries=2),
        _doubtful(4, "stranger", "a small office on a home line", retries=2),
        _doubtful(5, "bot", "a bot on a home line"),
        actor(6, "trio", "one mail to three of us", recipients=(ANNA, BEN, CLARA), retries=2),
        _doubtful(7, "trio-doubtful", "the same from a home line", recipients=(ANNA, BEN, CLARA), retries=2),
        _doubtful(8, "second-mx", "goes on to our second MX at once", retries=2, second_mx=True),
        _doubtful(9, "bounce", "a bounce", sender="", retries=2),
        _doubtful(10, "bounce-two", "a bounce to two of us", sender="", recipients=(BEN, CLARA), retries=2),
        _doubtful(11, "shop", "a code somebody waits for", recipients=(EXPECTING,)),
        _doubtful(12, "guesser", "writes to nobody we know", recipients=(f"nobody@{OUR_DOMAIN}",)),
        actor(13, "relayer", "a relay attempt", recipients=("victim@elsewhere.example",)),
    ]


def _bad_names() -> list[Actor]:
    return [
        actor(14, "no-ptr", "no reverse name", ptr=None, retries=2),
        actor(
            15,
            "ptr-mismatch",
            "reverse name leads elsewhere",
            ptr="www.elsewhere.example",
            dns=(
                Record("ptr-mismatch.example", "MX", "10 mail.ptr-mismatch.example."),
                Record("mail.ptr-mismatch.example", "A", "198.18.15.25"),
            ),
            retries=2,
        ),
        actor(16, "helo-missing", "says no HELO", helo=None, retries=2),
        actor(17, "helo-malformed", "HELO malformed", helo="-mail!.bad_name", retries=2),
        actor(18, "helo-short", "HELO without a dot", helo="localpc", retries=2),
        actor(19, "helo-bare", "HELO is a bare address", helo="198.18.19.25", retries=2),
        actor(20, "helo-literal", "HELO is somebody else's address", helo="[203.0.113.99]", retries=2),
        actor(21, "helo-ours", "HELO is our own name", helo=OUR_NAME, retries=2),
        actor(22, "helo-reserved", "HELO in a reserved domain", helo="mail.office.local", retries=2),
        actor(23, "helo-nowhere", "HELO does not exist", helo="smtp.no-such-host.example", retries=2),
        actor(38, "sum", "no reverse name and a short HELO", ptr=None, helo="winpc", retries=2),
        actor(24, "helo-excused", "HELO bad, but in helo_access", helo="oldbox", retries=2),
    ]


def _bad_senders() -> list[Actor]:
    return [
        actor(25, "sender-nowhere", "sender domain without MX or address", dns=(), retries=2),
        actor(26, "null-mx", "sender domain takes no mail", dns=(Record("null-mx.example", "MX", "0 ."),)),
        actor(
            27,
            "mx-loopback",
            "sender's MX is loopback",
            dns=(
                Record("mx-loopback.example", "MX", "10 localhost.mx-loopback.example."),
                Record("localhost.mx-loopback.example", "A", "127.0.0.1"),
            ),
        ),
        actor(28, "own-domain", "says to be one of us", sender=f"director@{OUR_DOMAIN}"),
    ]


def _listed() -> list[Actor]:
    return [
        actor(29, "zen-sbl", "client on zen (SBL)", lists=(Listed(ZEN, "127.0.0.2"),), retries=2),
        actor(30, "zen-xbl", "client on zen (XBL)", lists=(Listed(ZEN, "127.0.0.4"),)),
        actor(31, "zen-pbl", "client on zen (PBL only)", lists=(Listed(ZEN, "127.0.0.10"),), retries=2),
        actor(32, "zen-excused", "on zen, but in rbl_override", lists=(Listed(ZEN, "127.0.0.2"),), retries=2),
        actor(
            33, "zen6", "client on zen, IPv6", address="2001:db8:33::25", lists=(Listed(ZEN, "127.0.0.3"),)
        ),
        actor(
            34, "dbl-sender", "sender domain on dbl", lists=(Listed(DBL, "127.0.1.2", "dbl-sender.example"),)
        ),
        actor(
            35,
            "dbl-helo",
            "HELO domain on dbl",
            helo="mail.phisher.example",
            lists=(
                Listed(DBL, "127.0.1.4", "phisher.example"),
                Listed(DBL, "127.0.1.4", "mail.phisher.example"),
            ),
            dns=(
                Record("dbl-helo.example", "MX", "10 mail.dbl-helo.example."),
                Record("mail.phisher.example", "A", "198.18.35.25"),
            ),
        ),
        actor(36, "dnswl", "client on dnswl", lists=(Listed(DNSWL, "127.0.5.2"),)),
        actor(
            37,
            "dnswl-zen",
            "on dnswl and on zen",
            lists=(Listed(DNSWL, "127.0.3.1"), Listed(ZEN, "127.0.0.3")),
        ),
    ]


def _ours_and_friends() -> list[Actor]:
    carol, dave, erin, frank = (f"{name}@{name}.example" for name in ("carol", "dave", "erin", "frank"))
    return [
        actor(
            40,
            "user",
            "our user, from home, by submission",
            ptr=None,
            helo="laptop",
            sender=ANNA,
            recipients=(carol, dave),
            port=587,
            login=True,
        ),
        actor(
            41,
            "printer",
            "a machine in our network",
            address="192.0.2.100",
            ptr=None,
            helo="printer",
            sender=BEN,
            recipients=(erin, frank),
        ),
        actor(42, "carol", "answers our user", sender=carol, recipients=(ANNA,), scene=2),
        _doubtful(43, "dave", "answers our user, from a home line", sender=dave, recipients=(ANNA,), scene=2),
        _doubtful(44, "erin", "answers it, from a home line", sender=erin, recipients=(BEN,), scene=2),
        _doubtful(45, "frank", "the same, its other reader", sender=frank, recipients=(BEN,), scene=2),
    ]


def everybody() -> list[Actor]:
    """All actors, in the order in which they are shown."""
    return [*_strangers(), *_bad_names(), *_bad_senders(), *_listed(), *_ours_and_friends()]
