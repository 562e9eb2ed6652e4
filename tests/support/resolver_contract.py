"""What every Resolver must answer for one and the same name space.

TABLE is served by a Zone in memory and by a real name server; CASES are
questions with what must come back, without TTLs (those differ by design).
"""

from gatepost.dns.base import Answer, Kind, Status

LONG = "x" * 255
DEEP = ".".join(["abcdefgh"] * 27)

TABLE = {
    "example.org A": ["192.0.2.1", "192.0.2.2"],
    "example.org AAAA": "2001:db8::1",
    "example.org MX": ["10 mx1.example.org", "20 mx2.example.org"],
    "example.org TXT": ["v=spf1 -all", "two words and more", "caf\\xc3\\xa9"],
    ". NS": "ns.test",
    "_dmarc.example.org TXT": "v=DMARC1; p=none",
    "long.example.org TXT": LONG * 3,
    "null.example MX": "0 .",
    "mapped.example AAAA": "::7f00:1",
    "www.example.org CNAME": "example.org",
    "alias.example CNAME": "www.example.org",
    "dangling.example CNAME": "nowhere.example",
    "loop1.example CNAME": "loop2.example",
    "loop2.example CNAME": "loop1.example",
    "1.2.0.192.in-addr.arpa PTR": "Mail.Example.org",
    "a.b.c.deep.example A": "192.0.2.3",
    "*.dbl.example A": "127.0.1.2",
    "exact.dbl.example TXT": "only text",
    f"{DEEP} A": "192.0.2.4",
}

FOUND, ABSENT, UNKNOWN = Status.FOUND, Status.ABSENT, Status.UNKNOWN

CASES: list[tuple[str, Kind, Status, set[str], str]] = [
    ("example.org", Kind.A, FOUND, {"192.0.2.1", "192.0.2.2"}, ""),
    ("EXAMPLE.Org", Kind.A, FOUND, {"192.0.2.1", "192.0.2.2"}, ""),
    ("example.org.", Kind.AAAA, FOUND, {"2001:db8::1"}, ""),
    ("example.org", Kind.MX, FOUND, {"10 mx1.example.org", "20 mx2.example.org"}, ""),
    ("example.org", Kind.TXT, FOUND, {"v=spf1 -all", "two words and more", "caf\\xc3\\xa9"}, ""),
    ("_dmarc.example.org", Kind.TXT, FOUND, {"v=DMARC1; p=none"}, ""),
    ("long.example.org", Kind.TXT, FOUND, {LONG * 3}, ""),
    ("example.org", Kind.PTR, ABSENT, set(), "nodata"),
    ("null.example", Kind.MX, FOUND, {"0 ."}, ""),
    ("mapped.example", Kind.AAAA, FOUND, {"::7f00:1"}, ""),
    ("null.example", Kind.A, ABSENT, set(), "nodata"),
    ("nowhere.example", Kind.A, ABSENT, set(), "nxdomain"),
    ("www.example.org", Kind.A, FOUND, {"192.0.2.1", "192.0.2.2"}, ""),
    ("www.example.org", Kind.CNAME, FOUND, {"example.org"}, ""),
    ("www.example.org", Kind.PTR, ABSENT, set(), "nodata"),
    ("alias.example", Kind.AAAA, FOUND, {"2001:db8::1"}, ""),
    ("dangling.example", Kind.A, ABSENT, set(), "nxdomain"),
    ("loop1.example", Kind.A, UNKNOWN, set(), "cname loop"),
    ("1.2.0.192.in-addr.arpa", Kind.PTR, FOUND, {"mail.example.org"}, ""),
    ("2.0.192.in-addr.arpa", Kind.PTR, ABSENT, set(), "nodata"),
    ("c.deep.example", Kind.A, ABSENT, set(), "nodata"),
    ("x.c.deep.example", Kind.A, ABSENT, set(), "nxdomain"),
    ("any.dbl.example", Kind.A, FOUND, {"127.0.1.2"}, ""),
    ("any.thing.dbl.example", Kind.A, FOUND, {"127.0.1.2"}, ""),
    ("any.dbl.example", Kind.TXT, ABSENT, set(), "nodata"),
    ("exact.dbl.example", Kind.A, ABSENT, set(), "nodata"),
    ("below.exact.dbl.example", Kind.A, ABSENT, set(), "nxdomain"),
    ("dbl.example", Kind.A, ABSENT, set(), "nodata"),
    (DEEP, Kind.A, FOUND, {"192.0.2.4"}, ""),
    ("with space.example", Kind.A, ABSENT, set(), "nxdomain"),
    ("a\\.b.example", Kind.A, ABSENT, set(), "nxdomain"),
    (".", Kind.NS, FOUND, {"ns.test"}, ""),
    (".", Kind.A, ABSENT, set(), "nodata"),
    ("", Kind.A, ABSENT, set(), "bad name"),
    ("a..example.org", Kind.A, ABSENT, set(), "bad name"),
    (".example.org", Kind.A, ABSENT, set(), "bad name"),
    ("x" * 64 + ".example.org", Kind.A, ABSENT, set(), "bad name"),
    (f"{DEEP}.{DEEP}", Kind.A, ABSENT, set(), "bad name"),
    ("bücher.example", Kind.A, UNKNOWN, set(), "not ascii"),
]


def differences(answers: list[Answer]) -> list[str]:
    """Where the answers, in the order of CASES, are not what they must be; empty when all are right."""
    wrong = []
    for (name, kind, status, records, why), answer in zip(CASES, answers, strict=True):
        seen = (answer.status, set(answer.records), answer.why)
        if seen != (status, records, why):
            wrong.append(f"{name[:60]!r} {kind.name}: {seen}")
        if not answer.unknown and answer.ttl <= 0:
            wrong.append(f"{name[:60]!r} {kind.name}: ttl {answer.ttl}")
    return wrong
