"""What of a reply is believed: the chain from the question, and no absence longer than the SOA says."""

import pytest

from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.record import ABSENT_WITHOUT_SOA, Onward, answer_of, plain, without_asking
from gatepost.wire import dns as wire
from gatepost.wire.dns import Record, Reply

ASKED = ("example.org", wire.A)
NUMBERS = "ns.example.org root.example.org 1 3600 600 86400"


def reply(*answers: Record, authority: tuple[Record, ...] = (), code: int = wire.NOERROR) -> Reply:
    return Reply(1, code, False, ASKED, answers, authority)


def a(owner: str, address: str, ttl: int = 300) -> Record:
    return Record(owner, wire.A, ttl, address)


def alias(owner: str, target: str, ttl: int = 300) -> Record:
    return Record(owner, wire.CNAME, ttl, target)


def soa(owner: str, ttl: int, minimum: int) -> Record:
    return Record(owner, wire.SOA, ttl, f"{NUMBERS} {minimum}")


def test_the_smallest_ttl_of_records_and_aliases_counts():
    seen = answer_of(
        reply(
            alias("example.org", "b.example", 90),
            a("b.example", "192.0.2.1", 60),
            a("b.example", "192.0.2.2"),
        ),
        Kind.A,
    )
    assert Answer(Status.FOUND, ("192.0.2.1", "192.0.2.2"), 60) == seen


def test_the_same_record_twice_is_one():
    assert answer_of(reply(a("example.org", "192.0.2.1"), a("example.org", "192.0.2.1")), Kind.A) == Answer(
        Status.FOUND, ("192.0.2.1",), 300
    )


def test_the_order_of_the_chain_in_the_reply_does_not_matter():
    seen = answer_of(reply(a("b.example", "192.0.2.1"), alias("example.org", "b.example")), Kind.A)
    assert seen == Answer(Status.FOUND, ("192.0.2.1",), 300)


@pytest.mark.parametrize("code", [wire.NOERROR, wire.NXDOMAIN])
@pytest.mark.parametrize(("ttl", "minimum", "keep"), [(900, 60, 60), (60, 900, 60), (0, 900, 0)])
def test_an_absence_is_believed_as_long_as_ttl_and_minimum_of_the_soa_allow(code, ttl, minimum, keep):
    seen = answer_of(reply(authority=(soa("org", ttl, minimum),), code=code), Kind.A)
    assert Answer(Status.ABSENT, ttl=keep, why="nxdomain" if code else "nodata") == seen


@pytest.mark.parametrize(
    "authority", [(), (soa("example.com", 9000, 9000),), (soa("ample.org", 9000, 9000),)]
)
@pytest.mark.parametrize(("code", "why"), [(wire.NOERROR, "nodata"), (wire.NXDOMAIN, "nxdomain")])
def test_an_absence_without_soa_above_the_name_is_believed_shortly(authority, code, why):
    seen = answer_of(reply(authority=authority, code=code), Kind.A)
    assert seen == Answer(Status.ABSENT, ttl=ABSENT_WITHOUT_SOA, why=why)


def test_the_root_lies_above_every_name():
    assert answer_of(reply(authority=(soa(".", 50, 60),), code=wire.NXDOMAIN), Kind.A).ttl == 50


def test_an_absence_at_the_end_of_a_chain_lives_no_longer_than_the_chain():
    chain = alias("example.org", "b.example", 10)
    seen = answer_of(reply(chain, authority=(soa("example", 60, 60),), code=wire.NXDOMAIN), Kind.A)
    assert seen == Answer(Status.ABSENT, ttl=10, why="nxdomain")


def test_a_chain_whose_end_is_missing_leads_onward():
    chain = (alias("example.org", "b.example", 30), alias("b.example", "c.example", 20))
    assert answer_of(reply(*chain), Kind.A) == Onward("c.example", 20)
    assert answer_of(reply(*chain, authority=(soa("example.org", 60, 60),)), Kind.A) == Onward(
        "c.example", 20
    )


def test_a_chain_into_itself_is_unknown():
    assert answer_of(reply(alias("example.org", "example.org")), Kind.A).why == "cname loop"


def test_who_asks_for_the_alias_gets_it():
    seen = answer_of(
        Reply(1, 0, False, ("example.org", wire.CNAME), (alias("example.org", "b.example"),)), Kind.CNAME
    )
    assert seen == Answer(Status.FOUND, ("b.example",), 300)


def test_records_and_no_such_name_contradict_each_other():
    assert answer_of(reply(a("example.org", "192.0.2.1"), code=wire.NXDOMAIN), Kind.A).why == "contradiction"


def test_name_servers_without_soa_are_a_referral():
    assert answer_of(reply(authority=(Record("org", wire.NS, 60, ""),)), Kind.A).why == "referral"


@pytest.mark.parametrize(
    ("code", "why"), [(1, "formerr"), (2, "servfail"), (4, "notimp"), (5, "refused"), (9, "response code 9")]
)
def test_every_other_code_is_unknown(code, why):
    assert answer_of(reply(a("example.org", "192.0.2.1"), code=code), Kind.A) == Answer(
        Status.UNKNOWN, why=why
    )


def test_a_truncated_reply_says_nothing():
    assert answer_of(Reply(1, 0, True, ASKED), Kind.A).unknown


def test_a_name_that_cannot_exist_is_absent_without_asking():
    assert without_asking("a..b").absent
    assert without_asking("bücher.example").unknown
    assert without_asking("example.org") is None


@pytest.mark.parametrize(
    ("name", "one"), [("A.B.", "a.b"), (".", "."), ("", ""), ("a\\.", "a\\."), ("example.org", "example.org")]
)
def test_a_name_has_one_spelling(name, one):
    assert plain(name) == one
