"""Addresses are remembered under one form, whatever changes from try to try."""

import pytest

from gatepost.address import MAX_KEY, domain_of, name_fault, normal_domain, normal_mail, normal_sender, split


@pytest.mark.parametrize(
    ("mail", "parts"),
    [
        ("anna@example.org", ("anna", "example.org")),
        ("", ("", "")),
        ("root", ("root", "")),
        ("root@", ("root", "")),
        ("@example.org", ("", "example.org")),
        ('"a@b"@example.org', ('"a@b"', "example.org")),
        ("@relay.org:anna@example.org", ("@relay.org:anna", "example.org")),
    ],
)
def test_the_domain_stands_behind_the_last_at(mail, parts):
    assert parts == split(mail)


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("Example.ORG.", "example.org"),
        ("grün.org", "xn--grn-ioa.org"),
        ("例え。テスト。", "xn--r8jz45g.xn--zckzah"),
        ("xn--grn-ioa.org", "xn--grn-ioa.org"),
        ("I❤.ws", "xn--i-7iq.ws"),
        ("☕.Example.", "xn--53h.example"),
        ("-ü-.org", "-ü-.org"),
        ("a..ü", "a..ü"),
        ("", ""),
        (".", ""),
    ],
)
def test_domains_are_compared_in_one_form(name, normal):
    assert normal == normal_domain(name)
    assert normal == domain_of(f"anna@{name}")


def test_what_idna_refuses_stays_in_lower_case():
    assert "ü" * 300 == normal_domain("Ü" * 300)


def test_mail_addresses_of_own_lists_keep_their_detail():
    assert "anna+lists@xn--grn-ioa.org" == normal_mail("Anna+Lists@Grün.org.")
    assert "root" == normal_mail("Root")


@pytest.mark.parametrize(
    "name",
    [
        "example.org",
        "EXAMPLE.org.",
        "a",
        "under_score.org",
        "1.example.org",
        "x" * 63 + ".org",
        "grün.org",
        "☕.org",
    ],
)
def test_names_without_fault(name):
    assert "" == name_fault(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        (".", "empty"),
        ("a..b", "empty"),
        (".a", "empty"),
        ("a..", "empty"),
        ("x" * 64 + ".org", "label"),
        (".".join(["abcdefg"] * 40), "longer"),
        ("a b.org", "characters"),
        ("a\n.org", "characters"),
        ("caf\\xE9.org", "characters"),
        ("[192.0.2.1]", "characters"),
        ("-a.org", "hyphen"),
        ("a-.org", "hyphen"),
        ("192.0.2.1", "number"),
        ("example.1", "number"),
        ("-ü-.org", "characters"),
    ],
)
def test_what_is_no_name_is_told_why(name, why):
    assert why in name_fault(name)


@pytest.mark.parametrize(
    ("mail", "key"),
    [
        ("Anna@Example.org", "anna@example.org"),
        ("anna+shop@example.org", "anna@example.org"),
        ("+shop@example.org", "+shop@example.org"),
        ("list-return-123-user=example.com@lists.org", "list-return-#-#@lists.org"),
        ("bounces+4711-user=example.com@news.org", "bounces@news.org"),
        ("bounce=user@news.org", "#@news.org"),
        ("prvs=0123abcdef=anna@example.org", "anna@example.org"),
        ("prvs=0123abcdef=anna+x@example.org", "anna@example.org"),
        ("anna=prvs=0123abcdef@example.org", "anna@example.org"),
        ("btv1==09abc==anna@example.org", "anna@example.org"),
        ("SRS0=HHHH=TT=example.com=anna@forward.org", "srs#anna=example.com@forward.org"),
        ("SRS0+HHHH=TT=example.com=anna+x@forward.org", "srs#anna=example.com@forward.org"),
        ("SRS1=HHHH=first.org==HHHH=TT=example.com=anna@second.org", "srs#first.org@second.org"),
        ("bounce-0a1b2c3d4e@news.org", "bounce-#@news.org"),
        ("bounce-20231114-7@news.org", "bounce-#-#@news.org"),
        ("0100018bd12e6ccc-45cfcc3e-b29e-4a43-bb98-cc33c80577c1-000000@ses.org", "#-#-#@ses.org"),
        ("decade@example.org", "decade@example.org"),
        ("", "@"),
        ("root", "root@"),
    ],
)
def test_what_changes_from_try_to_try_is_cut_or_masked(mail, key):
    assert key == normal_sender(mail)


def test_two_tries_of_a_forwarded_mail_on_two_days_are_one_sender():
    first = normal_sender("SRS0=aB3x=4Z=example.com=anna@forward.org")
    assert first == normal_sender("SRS0=Qq9+=50=example.com=anna@forward.org")


def test_a_key_is_bounded():
    assert MAX_KEY >= len(normal_sender("x" * 5000 + "@" + "y" * 5000))
