"""What reaches a real name server, counted packet by packet.

One question under way at a time, whoever asks it; nothing is asked again
before its time is over: the TTL for what is there, the SOA's for what is not
(RFC 2308), a moment for what is unknown.
"""

import asyncio

import pytest

from gatepost.clock import FakeClock
from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.cache import CachingResolver, Keep
from gatepost.dns.live import LiveResolver, Terms
from gatepost.dns.resolvconf import parse_server
from support.dns_liar import Liar, always, relay_to
from support.nsd import nsd, root_zone

ZONE = root_zone(
    {"example.org A": "192.0.2.1", "example.org TXT": "here", "www.example.org CNAME": "example.org"},
    ttl=300,
    soa_ttl=120,
    minimum=45,
)


@pytest.fixture(scope="module")
def name_server():
    with nsd({".": ZONE}) as running:
        yield running


@pytest.fixture
def counted(name_server):
    """The name server, with somebody in front who counts."""
    with Liar(relay_to(name_server.port)) as liar:
        yield liar


@pytest.fixture
def clock():
    return FakeClock()


def caching(liar: Liar, clock: FakeClock, keep: Keep | None = None) -> CachingResolver:
    return CachingResolver(LiveResolver([parse_server(liar.server)], clock, Terms()), clock, keep)


def test_fifty_that_ask_the_same_at_once_cause_one_packet(counted, clock):
    async def ask():
        cache = caching(counted, clock)
        return await asyncio.gather(*(cache.ask("example.org", Kind.A) for _ in range(50)))

    assert [Answer(Status.FOUND, ("192.0.2.1",), 300.0)] * 50 == asyncio.run(ask())
    assert counted.count("example.org", "A") == 1


def test_case_and_a_last_dot_make_no_other_question(counted, clock):
    async def ask():
        cache = caching(counted, clock)
        for name in ("example.org", "EXAMPLE.org", "example.org.", "Example.Org."):
            assert (await cache.ask(name, Kind.A)).found

    asyncio.run(ask())
    assert counted.count("example.org", "A") == 1


def test_what_was_found_is_asked_again_when_its_ttl_is_over(counted, clock):
    async def ask():
        cache = caching(counted, clock)
        await cache.ask("example.org", Kind.A)
        clock.advance(299)
        assert (await cache.ask("example.org", Kind.A)).ttl == pytest.approx(1.0)
        assert counted.count("example.org", "A") == 1
        clock.advance(1)
        assert (await cache.ask("example.org", Kind.A)).ttl == pytest.approx(300.0)
        assert counted.count("example.org", "A") == 2

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("name", "kind", "why"), [("nowhere.example", "A", "nxdomain"), ("example.org", "MX", "nodata")]
)
def test_what_is_absent_is_asked_again_when_the_soa_minimum_is_over(counted, clock, name, kind, why):
    async def ask():
        cache = caching(counted, clock)
        assert await cache.ask(name, Kind[kind]) == Answer(Status.ABSENT, ttl=45.0, why=why)
        clock.advance(44.5)
        assert (await cache.ask(name, Kind[kind])).absent
        assert counted.count(name, kind) == 1
        clock.advance(0.5)
        await cache.ask(name, Kind[kind])
        assert counted.count(name, kind) == 2

    asyncio.run(ask())


def test_the_ttl_of_the_soa_counts_when_it_is_the_smaller_one(clock):
    zone = root_zone({}, soa_ttl=20, minimum=600)

    async def ask(liar):
        return await caching(liar, clock).ask("nowhere.example", Kind.A)

    with nsd({".": zone}) as server, Liar(relay_to(server.port)) as liar:
        assert asyncio.run(ask(liar)).ttl == pytest.approx(20.0)


def test_no_ttl_is_longer_than_configured(counted, clock):
    async def ask():
        cache = caching(counted, clock, Keep(longest=60, longest_absent=10))
        assert (await cache.ask("example.org", Kind.A)).ttl == pytest.approx(60.0)
        assert (await cache.ask("nowhere.example", Kind.A)).ttl == pytest.approx(10.0)

    asyncio.run(ask())


def test_an_alias_is_followed_within_one_packet(counted, clock):
    async def ask():
        return await caching(counted, clock).ask("www.example.org", Kind.TXT)

    assert ("here",) == asyncio.run(ask()).records
    assert len(counted.asked) == 1


def test_a_failing_server_is_not_hammered(clock):
    async def ask(liar):
        cache = caching(liar, clock, Keep(unknown=2))
        for _ in range(10):
            assert (await cache.ask("example.org", Kind.A)).why == "servfail"
        assert len(liar.asked) == 1
        clock.advance(2)
        await cache.ask("example.org", Kind.A)
        assert len(liar.asked) == 2

    with Liar(always("SERVFAIL")) as liar:
        asyncio.run(ask(liar))


def test_who_stops_waiting_stops_nobody_else(counted, clock):
    async def ask():
        cache = caching(counted, clock)
        asking = [asyncio.create_task(cache.ask("example.org", Kind.A)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert [answer.records for answer in answers[1:]] == [("192.0.2.1",)] * 2

    asyncio.run(ask())
    assert counted.count("example.org", "A") == 1


def test_an_answer_nobody_waits_for_any_more_is_remembered(counted, clock):
    async def ask():
        cache = caching(counted, clock)
        asking = asyncio.create_task(cache.ask("example.org", Kind.A))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(5):
            while cache.peek("example.org", Kind.A) is None:
                await asyncio.sleep(0.001)

    asyncio.run(ask())
    assert counted.count("example.org", "A") == 1
