"""Name servers that are dead, slow, broken or lie, and strangers who forge their answers.

Each trouble is caused for real on loopback sockets. None makes `ask` raise,
none is taken for a fact, and no descriptor is left behind.
"""

import asyncio
import contextlib
import itertools
import resource
import socket
import struct
import threading
import time
from pathlib import Path

import dns.message
import pytest
import uvloop

from gatepost.clock import FakeClock
from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.live import LiveResolver, Terms
from gatepost.dns.resolvconf import Server, parse_server
from support.dns_liar import Liar, Query, always, reply, silent, slowly

QUICK = Terms(timeout=0.1, attempts=2, deadline=0.6, in_flight=64)
RIGHT = "example.org. 300 IN A 192.0.2.1"
FORGED = "example.org. 300 IN A 203.0.113.66"
FOUND = Answer(Status.FOUND, ("192.0.2.1",), 300.0)


def right(query: Query) -> bytes:
    return reply(query, RIGHT)


def descriptors() -> int:
    """Sockets only: event loops open files of their own when first used."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()).startswith("socket:")
    return found


async def none_left_of(before: int) -> None:
    """The liar has descriptors in this process as well, and lets go of them in its own time."""
    async with asyncio.timeout(5):
        while descriptors() > before:
            await asyncio.sleep(0.001)


def dead_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def resolver(*liars: Liar | Server, terms: Terms = QUICK) -> LiveResolver:
    servers = [liar if isinstance(liar, Server) else parse_server(liar.server) for liar in liars]
    return LiveResolver(servers, FakeClock(), terms)


def ask(live: LiveResolver, name: str = "example.org", kind: Kind = Kind.A) -> Answer:
    """Ask, and see that nothing is left open."""

    async def run() -> Answer:
        before = descriptors()
        answer = await live.ask(name, kind)
        await none_left_of(before)
        return answer

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


# --- servers in trouble -----------------------------------------------------------------------------


def test_a_dead_server_is_known_to_be_dead_at_once():
    begin = time.monotonic()
    answer = ask(resolver(Server("127.0.0.1", dead_port()), terms=Terms()))
    assert (answer.status, answer.why) == (Status.UNKNOWN, "nobody listens")
    assert time.monotonic() - begin < 0.5


def test_a_silent_server_ends_with_the_deadline():
    with Liar(silent) as liar:
        begin = time.monotonic()
        answer = ask(resolver(liar))
        assert (answer.status, answer.why) == (Status.UNKNOWN, "timeout")
        assert time.monotonic() - begin == pytest.approx(0.6, abs=0.25)
        assert len(liar.asked) == 2


def test_an_answer_later_than_the_timeout_is_still_taken():
    def slow_once(query):
        if len(liar.asked) > 1:
            return None
        return slowly(right, 0.3)(query)

    with Liar(slow_once) as liar:
        assert ask(resolver(liar)) == FOUND


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "YXDOMAIN"])
def test_an_error_is_no_fact_and_no_reason_to_wait(rcode):
    with Liar(always(rcode)) as liar:
        begin = time.monotonic()
        answer = ask(resolver(liar, terms=Terms()))
        assert answer.status is Status.UNKNOWN
        assert answer.why == {"YXDOMAIN": "response code 6"}.get(rcode, rcode.lower())
        assert time.monotonic() - begin < 0.5


def test_a_referral_is_no_fact():
    with Liar(lambda query: reply(query, authority=["org. 60 IN NS ns.org."])) as liar:
        assert ask(resolver(liar)).why == "referral"


def test_the_next_server_is_asked_when_the_first_is_of_no_use():
    for useless in (
        always("SERVFAIL"),
        always("REFUSED"),
        silent,
        lambda query: query.wire[:2] + b"\x80" * 9,
    ):
        with Liar(useless) as bad, Liar(right) as good:
            assert ask(resolver(bad, good)) == FOUND
            assert len(bad.asked) == 1


def test_the_next_server_is_asked_when_the_first_is_dead():
    with Liar(right) as good:
        assert ask(resolver(Server("127.0.0.1", dead_port()), good)) == FOUND


def test_a_server_silent_three_times_is_asked_last_until_it_is_tried_again():
    clock = FakeClock()

    async def run(bad, good):
        live = LiveResolver([parse_server(bad.server), parse_server(good.server)], clock, QUICK)
        for _ in range(5):
            assert await live.ask("example.org", Kind.A) == FOUND
        assert len(bad.asked) == 3
        assert live.stats()["silent"] == [bad.server]
        clock.advance(21)
        bad.script = right
        assert await live.ask("example.org", Kind.A) == FOUND
        assert len(bad.asked) == 4
        assert live.stats()["silent"] == []

    with Liar(silent) as bad, Liar(right) as good:
        asyncio.run(run(bad, good))


def test_a_server_from_before_edns_is_asked_without():
    def old(query):
        return reply(query, rcode="FORMERR") if query.message.edns >= 0 else right(query)

    with Liar(old) as liar:
        assert ask(resolver(liar)) == FOUND
        assert [query.message.payload for query in liar.asked] == [1232, 0]


def test_an_error_that_does_not_repeat_the_question_is_understood():
    with Liar(lambda query: query.wire[:2] + struct.pack(">5H", 0x8005, 0, 0, 0, 0)) as liar:
        assert ask(resolver(liar)).why == "refused"


def test_servers_on_ipv6_are_asked():
    with Liar(right, "::1") as liar:
        assert ask(resolver(liar)) == FOUND


def test_a_server_without_a_way_to_it_is_no_exception():
    assert ask(resolver(Server("fe80::1%no-such-card", 53))).unknown
    assert ask(resolver(Server("255.255.255.255", 53))).unknown


# --- truncation -------------------------------------------------------------------------------------


def truncating(by_tcp):
    def script(query):
        return by_tcp(query) if query.tcp else reply(query, truncated=True)

    return script


def test_a_truncated_reply_is_asked_for_by_tcp():
    with Liar(truncating(right)) as liar:
        assert ask(resolver(liar)) == FOUND
        assert (liar.count("example.org", "A", tcp=False), liar.count("example.org", "A", tcp=True)) == (1, 1)


def test_records_in_a_truncated_reply_are_not_believed():
    def script(query):
        return right(query) if query.tcp else reply(query, FORGED, truncated=True)

    with Liar(script) as liar:
        assert ask(resolver(liar)) == FOUND


@pytest.mark.parametrize(
    "by_tcp",
    [
        silent,
        lambda _query: b"",
        lambda _query: b"\0" * 5,
        lambda query: reply(query, truncated=True),
        lambda query: b"\0\0" + right(query)[2:],
        lambda query: reply(query, *(f'example.org. 60 IN TXT "{i:0200}"' for i in range(90))),
    ],
    ids=["closed", "empty", "short", "truncated too", "another id", "huge"],
)
def test_trouble_with_tcp_is_no_fact(by_tcp):
    with Liar(truncating(by_tcp)) as liar:
        assert ask(resolver(liar)).unknown


def test_a_server_silent_by_tcp_only_is_given_up_for_the_next():
    longer_than_the_deadline = 0.8
    with Liar(truncating(slowly(silent, longer_than_the_deadline))) as bad, Liar(right) as good:
        assert ask(resolver(bad, good)) == FOUND


def test_a_large_answer_comes_by_tcp():
    texts = [f'example.org. 60 IN TXT "{number:0200}"' for number in range(20)]
    with Liar(truncating(lambda query: reply(query, *texts))) as liar:
        assert len(ask(resolver(liar), kind=Kind.TXT).records) == 20


# --- lies and forgery -------------------------------------------------------------------------------


def test_a_reply_with_another_names_records_only_says_nothing():
    with Liar(lambda query: reply(query, "other.example. 300 IN A 203.0.113.66")) as liar:
        answer = ask(resolver(liar))
        assert (answer.status, answer.records) == (Status.UNKNOWN, ())


def test_only_the_chain_from_the_question_is_followed():
    lines = [
        "other.example. 300 IN A 203.0.113.66",
        "example.org. 200 IN CNAME a.example.",
        "a.example. 100 IN CNAME b.example.",
        "b.example. 300 IN A 192.0.2.9",
        "c.example. 300 IN A 203.0.113.67",
    ]
    with Liar(lambda query: reply(query, *lines)) as liar:
        assert ask(resolver(liar)) == Answer(Status.FOUND, ("192.0.2.9",), 100.0)


def test_a_chain_cut_short_is_asked_for():
    chain = {
        "example.org": "example.org. 50 IN CNAME middle.example.",
        "middle.example": "middle.example. 70 IN CNAME end.example.",
        "end.example": "end.example. 300 IN A 192.0.2.7",
    }
    with Liar(lambda query: reply(query, chain[query.name])) as liar:
        assert ask(resolver(liar)) == Answer(Status.FOUND, ("192.0.2.7",), 50.0)
        assert [query.name for query in liar.asked] == list(chain)


def test_a_chain_without_end_ends():
    def endless(query):
        number = int(query.name.partition(".")[0])
        return reply(query, f"{number}.example. 50 IN CNAME {number + 1}.example.")

    with Liar(endless) as liar:
        assert ask(resolver(liar, terms=Terms()), "1.example").why == "cname loop"
        assert len(liar.asked) == 8


def test_a_chain_to_a_name_that_does_not_exist_is_absent():
    def script(query):
        return reply(query, "example.org. 300 IN CNAME gone.example.", rcode="NXDOMAIN")

    with Liar(script) as liar:
        answer = ask(resolver(liar))
        assert (answer.status, answer.why) == (Status.ABSENT, "nxdomain")


def wrong_id(query):
    return bytes([query.wire[0] ^ 1]) + reply(query, FORGED)[1:]


def wrong_question(query):
    other = dns.message.make_query("example.com", "A", id=query.message.id)
    return reply(
        Query(other.to_wire(), False, query.source, query.socket), "example.com. 9 IN A 203.0.113.66"
    )


def wrong_type(query):
    other = dns.message.make_query("example.org", "MX", id=query.message.id)
    return reply(Query(other.to_wire(), False, query.source, query.socket), FORGED)


@pytest.mark.parametrize(
    "forge", [wrong_id, wrong_question, wrong_type, lambda _query: b"", lambda _query: b"\0"]
)
def test_a_forged_reply_is_passed_over_and_the_right_one_taken(forge):
    with Liar(lambda query: [forge(query)] * 20 + [right(query)]) as liar:
        live = resolver(liar)
        assert ask(live) == FOUND
        assert live.stats()["ignored"] == 20


def test_an_own_question_sent_back_is_no_answer():
    with Liar(lambda query: query.wire) as liar:
        assert ask(resolver(liar)).unknown


def test_a_reply_from_elsewhere_never_arrives():
    """A forger who has seen the question, so knows id and port, but sends from another port."""

    def script(query):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind(("127.0.0.1", 0))
            forger.sendto(reply(query, FORGED), query.source)
        return right(query)

    with Liar(script) as liar:
        assert ask(resolver(liar)) == FOUND


def test_every_question_has_its_own_id_and_port():
    async def run(live):
        await asyncio.gather(*(live.ask(f"n{number}.example", Kind.A) for number in range(300)))

    with Liar(lambda query: reply(query, rcode="NXDOMAIN")) as liar:
        asyncio.run(run(resolver(liar, terms=Terms())))
        ids = [query.message.id for query in liar.asked]
        ports = [query.source[1] for query in liar.asked]
        assert len(liar.asked) == 300
        assert len(set(ids)) > 280  # of 65536: two alike are to be expected now and then
        assert len(set(ports)) > 280  # of 28232 ephemeral ones
        steps = {second - first for first, second in itertools.pairwise(ports)}
        assert len(steps) > 250  # not one after the other
        assert len({second - first for first, second in itertools.pairwise(ids)}) > 250


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_cancels_leaves_no_descriptor_behind(loop):
    over = threading.Event()

    def hang(_query):
        over.wait(10)

    async def run(live):
        before = descriptors()
        for script in (silent, truncating(hang)):
            liar.script = script
            asking = [asyncio.create_task(live.ask(f"n{number}.example", Kind.A)) for number in range(30)]
            await asyncio.sleep(0.05)
            assert descriptors() > before
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await none_left_of(before + (script is not silent))  # the one that hangs is the liar's
        over.set()
        await none_left_of(before)
        assert live.stats()["in_flight"] == 0

    with Liar(silent) as liar, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run(resolver(liar, terms=Terms(timeout=5, deadline=5))))


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_thousand_questions_share_the_slots_and_all_are_answered(loop):
    async def run(live):
        most = 0

        async def watch():
            nonlocal most
            while True:
                most = max(most, descriptors())
                await asyncio.sleep(0.001)

        before = descriptors()
        watching = asyncio.create_task(watch())
        answers = await asyncio.gather(*(live.ask("example.org", Kind.A) for _ in range(1000)))
        watching.cancel()
        assert answers == [FOUND] * 1000
        assert most - before <= 64 + 1
        await none_left_of(before)

    with Liar(right) as liar, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run(resolver(liar, terms=Terms(deadline=30, timeout=10, in_flight=64))))


def test_more_questions_than_can_wait_are_unknown_at_once():
    async def run(live):
        asking = [asyncio.create_task(live.ask("example.org", Kind.A)) for _ in range(2 * 17)]
        await asyncio.sleep(0)
        answer = await live.ask("example.org", Kind.A)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        return answer

    with Liar(silent) as liar:
        live = resolver(liar, terms=Terms(in_flight=2))
        assert asyncio.run(run(live)).why == "too many questions"


def test_without_descriptors_the_answer_is_unknown():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def run(live):
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            return await live.ask("example.org", Kind.A)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    answer = asyncio.run(run(resolver(Server("127.0.0.1", dead_port()))))
    assert (answer.status, answer.why) == (Status.UNKNOWN, "too many open files")
