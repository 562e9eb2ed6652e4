"""The policy server answers in order, survives all its clients, and never refuses for its own trouble."""

import asyncio
import logging
import resource
import socket
import struct
from pathlib import Path

import pytest
import uvloop

from gatepost.model import Action, Verdict
from gatepost.server.listen import raise_file_limit
from support.asking import DUNNO, PASS, Client, passes, question, said, serving


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


def told(request):
    """Answers at once; the reply names the request."""
    return said(request.instance)[0]


async def told_later(request):
    """Later questions are answered faster."""
    await asyncio.sleep(0.02 / (1 + int(request.instance)))
    return said(request.instance)[0]


def told_now_and_then(request):
    return told(request) if int(request.instance) % 2 else told_later(request)


@pytest.mark.parametrize("handler", [told, told_later, told_now_and_then])
def test_replies_stand_in_the_order_of_the_requests(run, handler):
    async def main():
        async with serving(handler) as server:
            client = await Client.to(server.place)
            client.send(b"".join(question(instance=n) for n in range(60)))
            replies = [await client.reply() for _ in range(60)]
            client.close()
        return replies

    assert [said(str(n))[1] for n in range(60)] == run(main())


def test_a_slow_answer_holds_up_only_its_own_connection(run):
    released = asyncio.Event()

    async def main():
        async def waits(request):
            await released.wait()
            return PASS

        async with serving(lambda r: waits(r) if r.instance == "slow" else PASS) as server:
            slow, other = await Client.to(server.place), await Client.to(server.place)
            slow.send(question(instance="slow") + question(instance="next"))
            replies = [await other.ask() for _ in range(3)]
            waiting = not slow.reader._buffer
            released.set()
            replies += [await slow.reply(), await slow.reply()]
            slow.close()
            other.close()
        return replies, waiting

    assert ([DUNNO] * 5, True) == run(main())


def test_a_tarpit_holds_up_only_its_own_connection(run):
    def handler(request):
        return Verdict(action=Action.PASS, delay=0.2) if request.instance == "tarpit" else PASS

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(handler) as server:
            tarpit, other = await Client.to(server.place), await Client.to(server.place)
            started = loop.time()
            tarpit.send(question(instance="tarpit"))
            await other.ask()
            quick = loop.time() - started
            await tarpit.reply()
            slow = loop.time() - started
            tarpit.close()
            other.close()
        return quick, slow

    quick, slow = run(main())
    assert quick < 0.15 <= slow < 1.0


@pytest.mark.parametrize("delay", [float("nan"), float("inf"), -1.0])
def test_a_delay_that_is_none_delays_nothing(run, delay):
    async def main():
        async with serving(lambda _: Verdict(action=Action.PASS, delay=delay)) as server:
            client = await Client.to(server.place)
            reply = await client.ask()
            client.close()
        return reply

    assert DUNNO == run(main())


async def fails_later(request):
    await asyncio.sleep(0)
    raise RuntimeError("a fault")


def fails(request):
    raise RuntimeError("a fault")


async def answers_nonsense(request):
    return "nonsense"


@pytest.mark.parametrize("handler", [fails, fails_later, answers_nonsense, lambda _: None])
def test_a_handler_that_fails_costs_no_mail(run, handler, caplog):
    async def main():
        async with serving(handler) as server:
            client = await Client.to(server.place)
            replies = [await client.ask(), await client.ask()]
            client.close()
            return replies, server.counters.faults

    assert ([DUNNO, DUNNO], 2) == run(main())
    assert "could not be judged and passes" in caplog.text


@pytest.mark.parametrize(
    "octets",
    [b"\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"EHLO x\r\n", b"\x16\x03\x01\x02\x00\n", b"a" * 1_000_000],
    ids=["empty", "http", "smtp", "tls", "megabyte"],
)
def test_nonsense_closes_the_connection_without_a_reply(run, octets, caplog):
    async def main():
        async with serving() as server:
            client = await Client.to(server.place)
            client.send(octets)
            closed = await client.closed()
            client.close()
            return closed, server.counters.protocol_errors

    assert (True, 1) == run(main())
    assert "not the policy protocol" in caplog.text


def test_a_megabyte_of_attribute_disturbs_nobody_else(run):
    async def main():
        async with serving() as server:
            good, bad = await Client.to(server.place), await Client.to(server.place)
            bad.send(b"request=smtpd_access_policy\nsender=" + b"a" * 1_000_000 + b"\n\n")
            result = await bad.closed(), await good.ask()
            good.close()
            bad.close()
        return result

    assert (True, DUNNO) == run(main())


def test_good_requests_before_nonsense_are_answered(run):
    async def main():
        async with serving(told_later) as server:
            client = await Client.to(server.place)
            client.send(question(instance=0) + question(instance=1) + b"nonsense\n\n")
            result = await client.reply(), await client.reply(), await client.closed()
            client.close()
        return result

    assert (said("0")[1], said("1")[1], True) == run(main())


def test_noise_in_the_log_is_bounded(run, caplog):
    async def main():
        async with serving() as server:
            for _ in range(60):
                client = await Client.to(server.place)
                client.send(b"\n")
                await client.closed()
                client.close()
            return server.counters.protocol_errors

    with caplog.at_level(logging.WARNING):
        assert 60 == run(main())
    assert 20 == len([r for r in caplog.records if "not the policy protocol" in r.message])


def test_a_client_of_one_octet_at_a_time_is_closed(run):
    async def main():
        async with serving(request_time=0.2) as server:
            client = await Client.to(server.place)
            closing = asyncio.create_task(client.closed(3))
            for octet in question(sender="a" * 500):
                if closing.done() or client.writer.is_closing():  # uvloop refuses to write then
                    break
                client.send(bytes([octet]))
                await asyncio.sleep(0.01)
            result = await closing
            client.close()
            return result, server.counters.closed_slow

    assert (True, 1) == run(main())


def test_a_connection_that_is_idle_for_too_long_is_closed(run):
    async def main():
        async with serving(idle=0.2) as server:
            client, silent = await Client.to(server.place), await Client.to(server.place)
            await client.ask()
            result = await client.closed(3), await silent.closed(3)
            client.close()
            silent.close()
            return result, server.counters.closed_idle, server.counters.connections

    assert ((True, True), 2, 0) == run(main())


def test_a_connection_in_use_is_not_idle(run):
    async def main():
        async with serving(idle=0.3) as server:
            client = await Client.to(server.place)
            replies = []
            for _ in range(10):
                replies.append(await client.ask())
                await asyncio.sleep(0.06)
            client.close()
        return replies

    assert [DUNNO] * 10 == run(main())


def test_a_client_that_does_not_read_is_closed_and_costs_little(run):
    long = said("x" * 370)[0]

    async def main():
        async with serving(lambda _: long, request_time=0.3) as server:
            loop = asyncio.get_running_loop()
            deaf = socket.create_connection(("127.0.0.1", server.place))
            deaf.setblocking(False)
            octets, end = question() * 500, loop.time() + 5
            while server.counters.closed_slow == 0 and loop.time() < end:
                try:
                    await asyncio.wait_for(loop.sock_sendall(deaf, octets), 0.1)
                except (OSError, TimeoutError):
                    await asyncio.sleep(0.01)
            other = await Client.to(server.place)
            reply = await other.ask()
            other.close()
            deaf.close()
            return reply, server.counters.closed_slow

    assert (said("x" * 370)[1], 1) == run(main())


def test_a_client_that_ends_its_side_still_gets_its_replies(run):
    async def main():
        async with serving(told_later) as server:
            client = await Client.to(server.place)
            client.send(question(instance=0) + question(instance=1))
            client.writer.write_eof()
            replies = await asyncio.wait_for(client.reader.read(), 5)
            client.close()
        return replies

    assert said("0")[1] + said("1")[1] == run(main())


def test_a_client_that_goes_away_disturbs_nobody(run):
    async def main():
        async with serving(told_later) as server:
            for _ in range(20):
                rude = socket.create_connection(("127.0.0.1", server.place))
                rude.sendall(question(instance=0) * 3)
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                rude.close()
            client = await Client.to(server.place)
            reply = await client.ask(instance=7)
            client.close()
            while server.counters.connections:
                await asyncio.sleep(0.01)
            return reply, server.counters.faults

    assert (said("7")[1], 0) == run(main())


def test_beyond_the_cap_the_longest_idle_goes(run):
    async def main():
        async with serving(max_connections=3) as server:
            clients = []
            for _ in range(3):
                clients.append(await Client.to(server.place))
                await clients[-1].ask()
                await asyncio.sleep(0.01)
            await clients[0].ask()
            newest = await Client.to(server.place)
            result = (
                await newest.ask(),
                await clients[1].closed(2),
                await clients[0].ask(),
                await clients[2].ask(),
            )
            for client in (*clients, newest):
                client.close()
            return result, server.counters.closed_full

    assert ((DUNNO, True, DUNNO, DUNNO), 1) == run(main())


def test_beyond_the_cap_a_question_is_never_cut_off(run):
    async def main():
        released = asyncio.Event()

        async def waits(request):
            await released.wait()
            return PASS

        async with serving(waits, max_connections=2) as server:
            busy = [await Client.to(server.place) for _ in range(2)]
            for client in busy:
                client.send(question())
            while server.counters.requests < 2:
                await asyncio.sleep(0.01)
            newest = await Client.to(server.place)
            closed = await newest.closed(2)
            released.set()
            result = closed, [await client.reply() for client in busy]
            for client in (*busy, newest):
                client.close()
        return result

    assert (True, [DUNNO, DUNNO]) == run(main())


def test_five_thousand_idle_connections_hold_up_nobody(run):
    assert raise_file_limit() > 10_500

    async def main():
        async with serving() as server:
            idle = []
            for _ in range(50):
                idle += await asyncio.gather(*(Client.to(server.place) for _ in range(100)))
            client = await Client.to(server.place)
            replies = [await client.ask() for _ in range(100)]
            first = await idle[0].ask()
            connections = server.counters.connections
            for one in (*idle, client):
                one.close()
        return set(replies), first, connections

    assert ({DUNNO}, DUNNO, 5001) == run(main())


def test_without_free_descriptors_those_who_are_there_are_served_and_others_later(run):
    async def main(before):
        async with serving() as server:
            client = await Client.to(server.place)
            await client.ask()
            used = max(int(name) for name in _descriptors())
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 4, before[1]))
            waiting = [_begin(server.place) for _ in range(2)]
            more = [
                _begin(server.place) for _ in range(2)
            ]  # the last descriptors are ours, none is left to accept
            served = await client.ask()
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            for one in (*waiting, *more):
                one.close()
            late = await _ask_until_answered(server.place)
            client.close()
        return served, late

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert (DUNNO, DUNNO) == run(main(before))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _descriptors():
    return [link.name for link in Path("/proc/self/fd").iterdir()]


def _begin(port):
    begun = socket.socket()
    begun.setblocking(False)
    begun.connect_ex(("127.0.0.1", port))
    return begun


async def _ask_until_answered(port):
    for _ in range(20):
        client = await Client.to(port)
        try:
            return await client.ask()
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1)
        finally:
            client.close()
    return b""


def test_stopping_answers_what_is_asked_and_closes_the_rest(run):
    async def main():
        released = asyncio.Event()

        async def waits(request):
            await released.wait()
            return PASS

        async with serving(lambda r: waits(r) if r.instance else PASS, drain=5) as server:
            idle, busy = await Client.to(server.place), await Client.to(server.place)
            await idle.ask()
            busy.send(question(instance="slow") + question(instance="next"))
            while server.counters.requests < 2:
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(server.stop())
            closed = await idle.closed(2)
            refused = await _refused(server.place)
            released.set()
            replies = [await busy.reply(), await busy.reply()]
            busy_closed = await busy.closed(2)
            await stopping
            idle.close()
            busy.close()
        return closed, refused, replies, busy_closed

    assert (True, True, [DUNNO, DUNNO], True) == run(main())


async def _refused(port):
    try:
        client = await Client.to(port)
    except ConnectionRefusedError:
        return True
    closed = await client.closed(1)  # accepted by the kernel a moment before
    client.close()
    return closed


def test_a_request_that_is_completed_while_we_stop_is_answered(run):
    async def main():
        async with serving(drain=5) as server:
            client = await Client.to(server.place)
            client.send(question()[:20])
            await asyncio.sleep(0.05)
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(0)
            client.send(question()[20:])
            result = await client.reply(), await client.closed(2)
            await stopping
            client.close()
        return result

    assert (DUNNO, True) == run(main())


def test_stopping_does_not_wait_for_ever(run):
    async def main():
        async def never(request):
            await asyncio.Event().wait()

        async with serving(never, drain=0.1) as server:
            client = await Client.to(server.place)
            client.send(question())
            while not server.counters.requests:
                await asyncio.sleep(0.01)
            await asyncio.wait_for(server.stop(), 2)
            closed = await client.closed(2)
            client.close()
        return closed

    assert run(main())


def test_the_handler_can_be_replaced_between_two_questions(run):
    async def main():
        async with serving(passes) as server:
            client = await Client.to(server.place)
            before = await client.ask(instance=1)
            server.handler = told
            after = await client.ask(instance=1)
            client.close()
        return before, after

    assert (DUNNO, said("1")[1]) == run(main())


def test_ipv6_is_served(run):
    async def main():
        async with serving(places=["inet:[::1]:0"]) as server:
            client = await Client.to(server.place, "::1")
            reply = await client.ask()
            client.close()
        return reply

    assert DUNNO == run(main())


def test_a_unix_socket_is_served(run, tmp_path):
    path = tmp_path / "policy.sock"

    async def main():
        async with serving(places=[f"unix:{path}"]):
            client = await Client.to(str(path))
            reply = await client.ask()
            client.close()
        return reply

    assert DUNNO == run(main())
    assert not path.exists()
