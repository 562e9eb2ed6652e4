"""Public lists in whole verdicts: what refuses, what excuses, and that a list in trouble does neither."""

import asyncio

import pytest

from gatepost.checks.dnsbl import Dnsbl
from gatepost.checks.dnswl import Dnswl
from gatepost.checks.rhsbl import Rhsbl
from gatepost.dns.zone import Zone
from gatepost.dnslist.options import DEFAULTS, ListOptions
from gatepost.dnslist.watch import ListWatch
from gatepost.model import Action
from support.world import Says, World

ZEN = "zen.spamhaus.org"
CLIENT = {"client_address": "192.0.2.10", "client_name": "unknown", "reverse_client_name": "unknown"}
TESTS = {
    f"2.0.0.127.{ZEN} A": "127.0.0.2",
    "test.dbl.spamhaus.org A": "127.0.1.2",
    "2.0.0.127.list.dnswl.org A": "127.0.10.0",
}
LISTED = {
    f"10.2.0.192.{ZEN} A": "127.0.0.4",
    f"10.2.0.192.{ZEN} TXT": "https://check.spamhaus.org/192.0.2.10",
}
ON_DBL = {"spam.example.net.dbl.spamhaus.org A": "127.0.1.2"}


def checks():
    return [Dnsbl(DEFAULTS["dnsbl"]), Rhsbl(DEFAULTS["rhsbl"]), Dnswl(DEFAULTS["dnswl"])]


def world(table, *others, **settings):
    """All three checks with their defaults and a watch that has tested the lists."""
    made = checks()
    scene = World(*made, *others, zone={**TESTS, **table}, **settings)
    scene.lists = ListWatch(
        [which for check in made for which in check.lists],
        scene.zone,
        scene.clock,
        ill=lambda: scene.health.ill,
    )
    context = scene.pipeline.context
    object.__setattr__(context, "watch", scene.lists)  # World makes one that trusts everybody
    asyncio.run(scene.lists.probe_all())
    return scene


def rules(verdict):
    return {finding.rule: finding.excused_by for finding in verdict.findings}


def test_a_listed_client_is_refused_and_told_by_whom_and_where_to_ask():
    verdict = world(LISTED).answer(**CLIENT)

    assert (verdict.action, verdict.code, verdict.enhanced) == (Action.REJECT, 554, "5.7.1")
    assert "your address [192.0.2.10] is listed by zen.spamhaus.org (XBL)" in verdict.text
    assert verdict.text.endswith("https://check.spamhaus.org/192.0.2.10")


@pytest.mark.parametrize("answer", ["127.255.255.254", "127.255.255.255", "203.0.113.80", "127.0.0.99"])
def test_whatever_else_a_list_answers_refuses_nobody(answer):
    for zone in (f"*.{ZEN} A", "*.dbl.spamhaus.org A", "*.list.dnswl.org A"):
        verdict = world({zone: answer}, when="never").answer(**CLIENT, helo_name="spam.example.net")
        assert verdict.action is Action.PASS


@pytest.mark.parametrize("trouble", ["!timeout", "!servfail", "!refused"])
def test_lists_that_do_not_answer_refuse_nobody(trouble):
    table = {f"*.{zone} A": trouble for zone in (ZEN, "dbl.spamhaus.org", "list.dnswl.org")}

    assert world(table, when="never").answer(**CLIENT).action is Action.PASS


def test_an_allow_list_excuses_block_lists_and_nothing_else():
    table = {**LISTED, **ON_DBL, "10.2.0.192.list.dnswl.org A": "127.0.5.1"}
    scene = world(table, Says("helo.ours"), thorough=True)
    verdict = scene.answer(**CLIENT, helo_name="spam.example.net")

    assert verdict.decided_by == "helo.ours"
    excused = "dnswl.dnswl.network_provider.low"
    assert rules(verdict)["dnsbl.zen.xbl"] == excused
    assert rules(verdict)["rhsbl.dbl.spam"] == excused
    assert rules(verdict)["helo.ours"] == ""


@pytest.mark.parametrize("answer", ["127.0.5.0", "127.0.0.255", "127.255.255.254", "127.0.0.2"])
def test_no_trust_or_no_answer_of_an_allow_list_excuses_nobody(answer):
    scene = world({**LISTED, "10.2.0.192.list.dnswl.org A": answer})

    assert scene.answer(**CLIENT).decided_by == "dnsbl.zen.xbl"


def test_an_allow_list_excuses_greylisting_of_every_stranger():
    listed = {"10.2.0.192.list.dnswl.org A": "127.0.5.1"}

    assert world({}, when="stranger").answer(**CLIENT).action is Action.DEFER
    assert world(listed, when="stranger").answer(**CLIENT).action is Action.PASS


def test_what_was_found_is_forgotten_when_its_list_is_put_aside():
    scene = world(LISTED, when="never")
    assert scene.answer(**CLIENT).action is Action.REJECT
    scene.lists._dns = Zone({f"*.{ZEN} A": "127.255.255.254"})
    asyncio.run(scene.lists.probe(ZEN))

    assert scene.lists.aside(ZEN)
    assert scene.answer(**CLIENT).action is Action.PASS


@pytest.mark.parametrize("answer", ["127.255.255.254", "203.0.113.80", "127.0.0.200"])
def test_an_odd_answer_about_one_client_counts_for_nobody_and_the_others_are_judged(answer):
    scene = world({**LISTED, f"66.2.0.192.{ZEN} A": answer}, when="never")
    assert scene.answer(**{**CLIENT, "client_address": "192.0.2.66"}).action is Action.PASS

    assert scene.answer(**CLIENT).action is Action.REJECT


def test_a_second_recipient_asks_no_list_again():
    scene = world({}, when="never")
    scene.answer(**CLIENT)
    asked = len(scene.zone.asked)
    scene.answer(**CLIENT)

    assert len(scene.zone.asked) == asked


def test_own_worth_by_list_and_code():
    scene = world(LISTED, worth={"dnsbl.zen.xbl": 0}, when="never")

    assert scene.answer(**CLIENT).action is Action.PASS
    assert rules(scene.answer(**CLIENT)) == {"dnsbl.zen.xbl": ""}


def test_any_number_of_lists_is_asked_at_once():
    zones = [f"l{n}.example.org" for n in range(40)]
    check = Dnsbl([ListOptions(zone=zone) for zone in zones])
    scene = World(check, zone={f"10.2.0.192.{zone} A": "127.0.0.2" for zone in zones}, when="never")

    assert len(scene.answer(**CLIENT).findings) == 40
