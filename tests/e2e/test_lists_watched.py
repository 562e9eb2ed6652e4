"""Public lists on a real name server: believed while they behave, put aside when they do not, and back again.

A Liar stands before NSD, and in the middle of a scene begins to answer as lists do that refuse,
have lapsed, or are dead.
"""

import asyncio

import dns.message
import dns.rrset
import pytest

from gatepost.checks.dnsbl import Dnsbl
from gatepost.checks.rhsbl import Rhsbl
from gatepost.clock import FakeClock, SystemClock
from gatepost.context import Context
from gatepost.dns.open import open_dns
from gatepost.dns.options import DnsOptions
from gatepost.dnslist.options import ListOptions
from gatepost.dnslist.watch import ListWatch
from gatepost.model import Request
from gatepost.options import Duration
from gatepost.ours import Ours
from support.cases import FixedAccess
from support.dns_liar import Liar, relay_to
from support.nsd import nsd, root_zone

ZEN, DBL, WILD, KEYED = "zen.spamhaus.org", "dbl.spamhaus.org", "wild.example.org", "zen.dq.spamhaus.net"
KEY = "k3yk3yk3yk3yk3yk3yk3yk3y26"
TABLE = {
    f"2.0.0.127.{ZEN} A": ["127.0.0.2", "127.0.0.4", "127.0.0.10"],
    **{f"{n}.2.0.192.{ZEN} A": "127.0.0.4" for n in range(10, 30)},
    f"10.2.0.192.{ZEN} TXT": f"https://check.spamhaus.org/query/ip/192.0.2.10 {KEY}",
    f"test.{DBL} A": "127.0.1.2",
    f"spam.example.net.{DBL} A": "127.0.1.2",
    f"2.0.0.127.{WILD} A": "127.0.0.2",
    f"*.{WILD} A": "127.0.0.2",
    f"2.0.0.127.{KEY}.{KEYED} A": "127.0.0.2",
    f"10.2.0.192.{KEY}.{KEYED} A": "127.0.0.3",
    f"10.2.0.192.{KEY}.{KEYED} TXT": f"listed: 10.2.0.192.{KEY}.{KEYED}",
}


@pytest.fixture(scope="module")
def server():
    with nsd({".": root_zone(TABLE)}) as running:
        yield running


class Scene:
    """Checks, watch and resolver before one liar; only the clock of the watch is a false one."""

    def __init__(self, liar, port, *zones, **options):
        self.liar, self.honest = liar, relay_to(port)
        self.clock = FakeClock()
        # a short silence is enough on the loopback; answers are not kept, so that each question shows
        terms = DnsOptions(
            servers=(f"127.0.0.1:{liar.port}",),
            timeout=Duration(0.15),
            attempts=1,
            deadline=Duration(0.4),
            longest=Duration(0),
            longest_absent=Duration(0),
        )
        self.dns = open_dns(terms, SystemClock())
        lists = [ListOptions(zone=zone, **options) for zone in zones]
        self.checks = [
            Dnsbl([which for which in lists if which.zone != DBL]),
            Rhsbl([which for which in lists if which.zone == DBL]),
        ]
        asked = [which for check in self.checks for which in check.lists]
        self.watch = ListWatch(asked, self.dns.fresh, self.clock, ill=lambda: self.dns.health.ill)
        self.context = Context(
            self.dns.resolver, None, self.clock, Ours(), FixedAccess([]), self.watch, self.dns.health
        )

    async def found(self, address, **request):
        """Rules found about a client."""
        findings = []
        for check in self.checks:
            await check.look_up(Request(client_address=address, **request), self.context, findings.append)
        return sorted(f.rule for f in findings)

    async def explained(self, address):
        findings = []
        request = Request(client_address=address)
        await self.checks[0].look_up(request, self.context, findings.append)
        return await self.checks[0].after_verdict(request, self.context, findings[0])

    async def later(self):
        """An hour passes, and what is due is tested."""
        self.clock.advance(3600)
        await self.watch.probe_due()

    def states(self):
        return {report.zone: report.state for report in self.watch.report()}


def play(server, scene, *zones, **options):
    """Run `scene` on a fresh world."""

    async def run(liar):
        world = Scene(liar, server.port, *zones, **options)
        try:
            await scene(world)
        finally:
            await world.dns.close()

    with Liar(relay_to(server.port)) as liar:
        asyncio.run(run(liar))


def instead(zone, answer, otherwise):
    """A script that gives `answer` (None: silence) to everything below `zone`, and is honest otherwise."""

    def script(query):
        if not query.name.endswith(zone):
            return otherwise(query)
        if answer is None:
            return None
        reply = dns.message.make_response(query.message)
        if query.kind == "A":
            reply.answer.append(dns.rrset.from_text(f"{query.name}.", 1, "IN", "A", answer))
        return reply.to_wire()

    return script


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("127.255.255.254", "it answers 127.255.255.254: asked through a public or open resolver"),
        ("127.255.255.255", "it answers 127.255.255.255: too many questions"),
        ("203.0.113.80", "it answers 203.0.113.80, which is no answer of a list"),
    ],
)
def test_a_list_that_begins_to_refuse_refuses_nobody_and_comes_back_when_it_is_well(server, answer, reason):
    async def scene(world):
        await world.watch.probe_all()
        assert world.states() == {ZEN: "well", DBL: "well"}
        assert await world.found("192.0.2.10", helo_name="spam.example.net") == [
            "dnsbl.zen.xbl",
            "rhsbl.dbl.spam",
        ]

        world.liar.script = instead(ZEN, answer, world.honest)
        assert await world.found("192.0.2.11") == []
        await world.watch.probe_due()
        assert reason in world.watch.aside(ZEN)
        asked = len(world.liar.asked)
        assert await world.found("192.0.2.12", helo_name="spam.example.net") == ["rhsbl.dbl.spam"]
        assert [q.name for q in world.liar.asked[asked:] if q.name.endswith(ZEN)] == []
        await world.later()
        assert world.states() == {ZEN: "aside", DBL: "well"}

        world.liar.script = world.honest
        assert await world.found("192.0.2.13") == []
        await world.later()
        assert world.states() == {ZEN: "well", DBL: "well"}
        assert await world.found("192.0.2.14") == ["dnsbl.zen.xbl"]

    play(server, scene, ZEN, DBL)


def test_a_list_that_lists_everything_is_put_aside_at_its_next_test(server):
    async def scene(world):
        await world.watch.probe_all()
        world.liar.script = instead(ZEN, "127.0.0.2", world.honest)
        await world.later()

        assert "which must not be listed" in world.watch.aside(ZEN)
        assert await world.found("192.0.2.200") == []

    play(server, scene, ZEN)


def test_a_wildcard_beside_the_test_entries_is_seen(server):
    async def scene(world):
        await world.watch.probe_all()

        assert "it may list everything" in world.watch.aside(WILD)
        assert await world.found("192.0.2.10") == ["dnsbl.zen.xbl"]

    play(server, scene, ZEN, WILD)


def test_a_list_that_falls_silent_is_put_aside_and_the_others_stay(server):
    async def scene(world):
        await world.watch.probe_all()
        await world.dns.probe_once()
        world.liar.script = instead(ZEN, None, world.honest)
        assert await world.found("192.0.2.10", helo_name="spam.example.net") == ["rhsbl.dbl.spam"]
        await world.later()

        assert world.watch.aside(ZEN) == "it does not answer (timeout)"
        assert world.states() == {ZEN: "aside", DBL: "well"}
        world.liar.script = world.honest
        await world.later()
        assert await world.found("192.0.2.11") == ["dnsbl.zen.xbl"]

    play(server, scene, ZEN, DBL)


def test_a_dead_resolver_is_no_fault_of_the_lists(server):
    async def scene(world):
        await world.watch.probe_all()
        world.liar.script = lambda _: None
        await asyncio.gather(*(world.found(f"192.0.2.{n}") for n in range(100, 115)))
        await world.dns.probe_once()
        assert world.dns.health.ill
        await world.later()

        assert world.states() == {ZEN: "well", DBL: "well"}

    play(server, scene, ZEN, DBL)


def test_a_list_that_is_not_there_is_put_aside(server):
    async def scene(world):
        await world.watch.probe_all()

        assert "its test entry 127.0.0.2 for IPv4 addresses is missing" in world.watch.aside("no.example.org")

    play(server, scene, "no.example.org")


def test_the_key_goes_over_the_wire_and_nowhere_else(server, monkeypatch, caplog):
    monkeypatch.setenv("DQS", KEY)

    async def scene(world):
        await world.watch.probe_all()
        text = await world.explained("192.0.2.10")

        assert world.states() == {KEYED: "well"}
        assert text == f"listed: 10.2.0.192.***.{KEYED}"
        assert [q.name for q in world.liar.asked if KEY not in q.name] == []
        seen = (repr(world.watch.report()), repr(world.checks[0].lists), caplog.text)
        assert [part for part in seen if KEY in part] == []

    play(server, scene, KEYED, key_env="DQS")


def test_what_a_list_says_is_asked_only_after_the_verdict(server):
    async def scene(world):
        await world.found("192.0.2.10")
        assert [q.kind for q in world.liar.asked] == ["A"]
        text = await world.explained("192.0.2.10")

        assert text.startswith("https://check.spamhaus.org/query/ip/192.0.2.10")
        assert world.liar.asked[-1].kind == "TXT"

    play(server, scene, ZEN)
