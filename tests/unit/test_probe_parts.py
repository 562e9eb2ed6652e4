"""What a probe saw, and what is concluded from it: whether a change did harm."""

import pytest

from gatepost.postfix.applying.observed import (
    Asked,
    Form,
    Observation,
    Result,
    Seen,
    Tried,
    Visit,
    judge,
    judge_before,
)
from gatepost.postfix.applying.smtp_reply import Reply
from gatepost.postfix.applying.targets import Target, target_at, targets

HELLO = Reply(220, "mx.example.net ESMTP")
OK = Reply(250, "2.1.5 Ok")
DENIED = Reply(554, "5.7.1 Relay access denied")
WAIT = Reply(450, "4.7.1 greylisted")
TARGET = Target("192.0.2.1", 25, "postmaster@example.net", "example.net", "example.com")


def visit(reply=OK, greeting=HELLO, client="203.0.113.9"):
    return Visit(Asked(client, "probe.invalid", TARGET.recipient, 1000.0), greeting, reply)


def seen(own=OK, stranger=OK, relay=DENIED, greeting=HELLO, **more):
    tried = (Tried(Form("plain", "x@example.com"), relay),)
    return Observation(TARGET, visit(own, greeting, "127.0.0.1"), visit(stranger), relay=tried, **more)


def results(before, after, verdict=None):
    return {one.name: one.result for one in judge(before, after, lambda _asked: verdict)}


ASKED = Seen("pass", "REF")


def test_all_is_well():
    assert {Result.PASSED} == set(results(seen(), seen(), ASKED).values())


def test_nobody_asked_gatepost():
    assert Result.FAILED is results(seen(), seen())["asks Gatepost"]


def test_postfix_refuses_the_stranger_itself_as_before():
    told = results(seen(stranger=DENIED), seen(stranger=DENIED))

    assert Result.NOT_MADE is told["asks Gatepost"]
    assert Result.PASSED is told["accepts a stranger's mail for a local recipient"]


def test_what_gatepost_itself_says_to_a_stranger_is_no_harm():
    told = results(seen(), seen(stranger=WAIT), Seen("defer", "REF"))

    assert Result.PASSED is told["accepts a stranger's mail for a local recipient"]


def test_a_recipient_that_was_accepted_before():
    told = results(seen(), seen(own=DENIED), ASKED)

    assert Result.FAILED is told["accepts for a local recipient"]


def test_a_mailbox_that_nobody_looked_for_before_proves_nothing():
    unknown = Reply(550, "5.1.1 <postmaster@example.net>: User unknown")
    name = "accepts for a local recipient"

    assert Result.NOT_MADE is results(seen(own=WAIT), seen(own=unknown), ASKED)[name]
    assert Result.FAILED is results(seen(own=OK), seen(own=unknown), ASKED)[name]


def test_an_open_relay():
    assert Result.FAILED is results(seen(), seen(relay=OK), ASKED)["refuses to relay"]
    assert ["this server is an open relay" in line for line in judge_before(seen(relay=OK))] == [True]


@pytest.mark.parametrize("greeting", [Reply(554, "go away"), Reply(0, "no reply within 5 seconds")])
def test_a_server_that_does_not_greet(greeting):
    assert {"greets": Result.FAILED} == results(seen(), seen(greeting=greeting))
    assert "repair that first" in judge_before(seen(greeting=greeting))[0]


# --- doors --------------------------------------------------------------------------------------------

PARAMETERS = {
    "inet_interfaces": "all",
    "inet_protocols": "all",
    "mydestination": "localhost, hash:/x, example.net",
    "virtual_mailbox_domains": "",
    "relay_domains": "",
}


@pytest.mark.parametrize(
    ("services", "interfaces", "doors"),
    [
        ("smtp inet n - y - - smtpd\n", "all", ["127.0.0.1:25"]),
        ("smtp inet n - y - - smtpd\n", "192.0.2.1, [2001:db8::1]", ["192.0.2.1:25", "[2001:db8::1]:25"]),
        ("192.0.2.9:25 inet n - y - - smtpd\n", "all", ["192.0.2.9:25"]),
        ("smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n", "all", ["127.0.0.1:25"]),
        ("submission inet n - y - - smtpd\n", "all", []),
    ],
)
def test_doors_of_a_server(services, interfaces, doors):
    found = targets(services, PARAMETERS | {"inet_interfaces": interfaces})

    assert doors == [str(target) for target in found]


def test_whom_a_probe_writes_to():
    target = target_at("192.0.2.1", 25, PARAMETERS)

    assert ("postmaster@example.net", "example.com") == (target.recipient, target.outside)


@pytest.mark.parametrize(
    ("mydestination", "recipient"),
    [
        ("vm, localhost.localdomain, , localhost", "postmaster@vm"),
        ("vm, example.net", "postmaster@example.net"),
        ("", "postmaster@mx.example.net"),
    ],
)
def test_a_recipient_always_has_a_domain(mydestination, recipient):
    told = PARAMETERS | {"mydestination": mydestination, "myhostname": "mx.example.net"}

    assert recipient == target_at("192.0.2.1", 25, told).recipient


def test_the_outside_is_never_our_own():
    target = target_at("192.0.2.1", 25, PARAMETERS | {"mydestination": "example.com"})

    assert "example.net" == target.outside
