"""Whole files, verbatim as administrators have them, answer requests as they should."""

import pathlib

import pytest

from gatepost.access.options import AccessOptions
from gatepost.access.table import AccessTable
from gatepost.clock import FakeClock
from gatepost.model import Request, Stage

FOLDER = pathlib.Path(__file__).parent.parent / "cases" / "access"


def table(**options):
    made = AccessTable(AccessOptions(**options), FakeClock())
    made.load()
    assert made.load_errors() == ()
    return made


def fixture(option, name, kind=""):
    return table(**{option: (f"{kind}{FOLDER / name}",)})


def said(access, **request):
    """Kind, scope and line of each entry that fits."""
    return [(m.kind, m.scope, int(m.source.rpartition(":")[2])) for m in access.matches(Request(**request))]


HELO = {
    "mail.partner.example": ("allow", "helo", 4),
    "old.mail.example.org": ("allow", "helo", 5),
    "sub.OLD.mail.example.org": ("allow", "helo", 5),
    "10.1.2.3": ("allow", "helo", 6),
    "[192.0.2.77]": ("allow", "helo", 7),
    "localhost": ("deny", "all", 10),
    "localhost.localdomain": ("deny", "all", 11),
    "www.example.net": ("deny", "all", 15),
    "slow.example.com": ("defer", "all", 16),
    "maybe.example.com": ("defer", "all", 17),
    "undecided.example.com": None,
    "a.undecided.example.com": None,
    "other.example.com": ("deny", "all", 19),
    "watched.example.org": ("note", "all", 20),
    "notexample.net": None,
    "example.org": None,
    "": None,
}


@pytest.mark.parametrize("helo", HELO)
def test_helo_access_verbatim(helo):
    expected = [] if HELO[helo] is None else [HELO[helo]]
    assert said(fixture("helo_access", "helo_access"), helo_name=helo) == expected


def test_a_long_text_of_helo_access_is_joined():
    (found,) = fixture("helo_access", "helo_access").matches(Request(helo_name="localhost.localdomain"))
    assert (found.code, found.enhanced, found.text) == (550, "5.7.1", "You are not  me either,  really")


OVERRIDE = [
    ("mail.example.org", "203.0.113.1", 2),
    ("MAIL.example.org", "203.0.113.1", 2),
    ("example.org", "203.0.113.1", None),
    ("x.dnswl.example", "203.0.113.1", 3),
    ("bank.example", "203.0.113.1", 4),
    ("relay.example", "203.0.113.1", 10),
    ("unknown", "192.0.2.10", 5),
    ("unknown", "192.0.2.1", None),
    ("unknown", "192.0.2.100", None),
    ("unknown", "198.51.100.200", 6),
    ("unknown", "198.51.10.1", None),
    ("unknown", "2001:db8:77::25", 7),
    ("unknown", "2001:db8:77::26", None),
    ("unknown", "2001:db8:88::1", 8),
    ("unknown", "2001:db8:880::1", None),
]


@pytest.mark.parametrize(("name", "address", "line"), OVERRIDE)
def test_rbl_override_verbatim(name, address, line):
    access = fixture("rbl_override", "rbl_override")
    expected = [] if line is None else [("allow", "lists", line)]
    assert said(access, client_name=name, client_address=address) == expected


def test_a_name_that_is_not_verified_excuses_nobody():
    access = fixture("rbl_override", "rbl_override")
    request = {"client_name": "unknown", "reverse_client_name": "mail.example.org"}
    assert said(access, client_address="203.0.113.1", **request) == []


CLIENTS = [
    ("mail.forgetful.example", "203.0.112.1", 5),
    ("a.mail.forgetful.example", "203.0.112.1", 5),
    ("notmail.forgetful.example", "203.0.112.1", None),
    ("b.pool.example", "203.0.112.1", 6),
    ("badpool.example", "203.0.112.1", None),
    ("mx7.many.example", "203.0.112.1", 7),
    ("MX7.MANY.EXAMPLE", "203.0.112.1", 7),
    ("mxx.many.example", "203.0.112.1", None),
    ("x.out-a.big.example.com", "203.0.112.1", 8),
    ("unknown", "192.0.2.4", 11),
    ("unknown", "198.51.100.129", 12),
    ("unknown", "198.51.100.127", None),
    ("unknown", "203.0.113.255", 13),
    ("unknown", "198.18.77.1", 14),
    ("unknown", "2001:db8:1::25", 15),
    ("unknown", "2001:db8:2:3::4", 16),
    ("unknown", "2001:db8:3::4", None),
]


@pytest.mark.parametrize(("name", "address", "line"), CLIENTS)
def test_postgreys_whitelist_clients_verbatim(name, address, line):
    access = fixture("postgrey_clients", "whitelist_clients")
    expected = [] if line is None else [("allow", "greylist", line)]
    assert said(access, client_name=name, client_address=address) == expected


RECIPIENTS = {
    "postmaster@anywhere.example": 2,
    "Postmaster+x@anywhere.example": 2,
    "postmaster": 2,
    "notpostmaster@anywhere.example": None,
    "abuse@example.net": 3,
    "alice@example.net": 4,
    "ALICE+shop@EXAMPLE.NET": 4,
    "alice@sub.example.net": None,
    "anybody@lists.example.net": 5,
    "anybody@a.lists.example.net": 5,
    "anybody@mylists.example.net": None,
    "order-12@example.net": 6,
    "order-x@example.net": None,
    "": None,
}


@pytest.mark.parametrize("recipient", RECIPIENTS)
def test_postgreys_whitelist_recipients_verbatim(recipient):
    access = fixture("postgrey_recipients", "whitelist_recipients")
    line = RECIPIENTS[recipient]
    expected = [] if line is None else [("allow", "greylist", line)]
    assert said(access, recipient=recipient) == expected


CIDR = {
    "192.0.2.1": ("allow", "all", 2),
    "192.0.2.2": ("deny", "all", 3),
    "2001:db8::1": ("allow", "all", 4),
    "2001:db8::2": ("deny", "all", 5),
    "198.51.100.7": None,
    "198.51.100.8": ("allow", "all", 11),
    "198.51.100.200": ("defer", "all", 9),
    "203.0.113.1": None,
    "2001:db9::1": None,
}


@pytest.mark.parametrize("address", CIDR)
def test_cidr_tables_with_order_negation_and_blocks(address):
    expected = [] if CIDR[address] is None else [CIDR[address]]
    access = fixture("client_access", "clients.cidr", "cidr:")
    assert said(access, client_name="mail.example.org", client_address=address) == expected


PCRE = {
    "192.0.2.5": ("allow", "helo", 2),
    "[192.0.2.5]": ("allow", "helo", 2),
    "dsl-7.example.org": ("deny", "all", 3),
    "short": ("deny", "all", 4),
    "MAIL.example.com": ("allow", "helo", 6),
    "www.example.com": ("deny", "all", 7),
    "a.CaseMatters": ("allow", "helo", 9),
    "a.casematters": None,
    "mail.example.org": None,
}


@pytest.mark.parametrize("helo", PCRE)
def test_pcre_tables_with_order_negation_flags_and_blocks(helo):
    expected = [] if PCRE[helo] is None else [PCRE[helo]]
    assert said(fixture("helo_access", "helo.pcre", "pcre:"), helo_name=helo) == expected


def test_parts_of_what_matched_stand_in_the_text():
    (found,) = fixture("helo_access", "helo.pcre", "pcre:").matches(Request(helo_name="cable-42.example.org"))
    assert found.text == "home line 42 of kind cable, costs $5"


def test_regexp_tables_match_posix_classes():
    access = fixture("helo_access", "helo.regexp", "regexp:")
    assert said(access, helo_name="mail7.example.org") == [("allow", "helo", 1)]
    assert said(access, helo_name="a1-22.example.org") == [("deny", "all", 2)]


def test_the_null_sender_is_looked_up_only_where_the_sender_is_known(tmp_path):
    (tmp_path / "senders").write_text("<> REJECT no bounces\n")
    access = table(sender_access=(str(tmp_path / "senders"),))
    assert said(access, stage=Stage.RCPT) == [("deny", "all", 1)]
    assert said(access, stage=Stage.EHLO) == []
