"""CPU per question of the ways to ask the DNS: python -m bench.dns_cpu [QUESTIONS]

All ask one real NSD on the loopback for names that differ, 20 at a time, on
uvloop; user and system time of this process is counted, not the server's.
Each way is measured several times in turn and its best run taken: whatever
else the machine does only makes it slower. Needs NSD. docs/decisions/dns.md
holds what came out.
"""

import asyncio
import importlib.util
import secrets
import sys
import time
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rdatatype
import uvloop

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from gatepost.clock import SystemClock
from gatepost.dns import exchange, live
from gatepost.dns.base import Kind
from gatepost.dns.cache import CachingResolver
from gatepost.dns.live import LiveResolver, Terms
from gatepost.dns.resolvconf import Server
from gatepost.wire import dns as wire
from support.nsd import nsd, root_zone

AT_ONCE = 20
ROUNDS = 5
ZONE = {"*.found.example A": ["192.0.2.1", "192.0.2.2"], "found.example MX": "10 mx.found.example"}
KINDS = [("found.example", Kind.A), ("absent.example", Kind.A)]


async def many(ask, count):
    """CPU seconds of `count` questions, half of them for names that exist."""
    run, numbers = secrets.token_hex(4), iter(range(count))

    async def some():
        for number in numbers:
            domain, kind = KINDS[number % 2]
            await ask(f"{run}{number}.{domain}", kind)

    begin = time.process_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return time.process_time() - begin


# --- the ways ---------------------------------------------------------------------------------------


def ours(port):
    return LiveResolver([Server("127.0.0.1", port)], SystemClock(), Terms(deadline=10)).ask


def ours_remembered(port):
    cache = CachingResolver(LiveResolver([Server("127.0.0.1", port)], SystemClock()), SystemClock())

    async def ask(_name, kind):
        return await cache.ask("n.found.example", kind)

    return ask


class DnspythonCodec:
    """Takes the place of our codec, so that the rest stays the same."""

    def __enter__(self):
        self.kept = live.wire, exchange.wire
        live.wire = exchange.wire = self
        return self

    def __exit__(self, *_exc):
        live.wire, exchange.wire = self.kept

    def __getattr__(self, name):
        return getattr(wire, name)

    def encode_question(self, number, name, kind, *, edns=True):
        query = dns.message.make_query(name, int(kind), use_edns=0 if edns else -1, payload=1232, id=number)
        return query.to_wire()

    def decode(self, data):
        message = dns.message.from_wire(data)
        question = message.question[0]
        return wire.Reply(
            message.id,
            message.rcode(),
            bool(message.flags & dns.flags.TC),
            (question.name.to_text(omit_final_dot=True).lower(), int(question.rdtype)),
            self.records(message.answer),
            self.records(message.authority),
        )

    @staticmethod
    def records(section):
        return tuple(
            wire.Record(
                rrset.name.to_text(omit_final_dot=True).lower(),
                int(rrset.rdtype),
                rrset.ttl,
                record.to_text(),
            )
            for rrset in section
            for record in rrset
        )


def dnspython_resolver(port):
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port

    async def ask(name, kind):
        try:
            await resolver.resolve(name, kind.name, search=False)
        except dns.exception.DNSException:
            return

    return ask


def pycares_channel(port):
    """As aiodns drives it: sockets watched by the event loop."""
    import pycares  # noqa: PLC0415

    loop = asyncio.get_running_loop()

    def watch(descriptor, readable, writable):
        if readable:
            loop.add_reader(descriptor, channel.process_fd, descriptor, -1)
        else:
            loop.remove_reader(descriptor)
        if writable:
            loop.add_writer(descriptor, channel.process_fd, -1, descriptor)
        else:
            loop.remove_writer(descriptor)

    channel = pycares.Channel(
        sock_state_cb=watch, servers=[f"127.0.0.1:{port}"], timeout=5, tries=2, lookups="b"
    )
    kinds = {Kind.A: pycares.QUERY_TYPE_A, Kind.MX: pycares.QUERY_TYPE_MX}

    async def ask(name, kind):
        future = loop.create_future()
        channel.query(name, kinds[kind], callback=lambda result, error: future.set_result((result, error)))
        return await future

    return ask


def codec(encode, decode, data):
    """CPU seconds of one question written and one reply read."""
    count = 5000
    begin = time.process_time()
    for number in range(count):
        encode(number, "n1.found.example", Kind.A)
        decode(data)
    return (time.process_time() - begin) / count


def sample_reply(port):
    question = dns.message.make_query("n1.found.example", "A", use_edns=0, payload=1232)
    return dns.query.udp(question, "127.0.0.1", port=port).to_wire()


def measure(way, port, count):
    async def run():
        ask = way(port)
        await many(ask, 200)
        return await many(ask, count) / count * 1e6

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def with_dnspython_codec(port, count):
    with DnspythonCodec():
        return measure(ours, port, count)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    ways = {
        "our codec, our sockets": lambda port: measure(ours, port, count),
        "dnspython's codec, our sockets": lambda port: with_dnspython_codec(port, count),
        "dnspython's own resolver": lambda port: measure(dnspython_resolver, port, count),
    }
    if importlib.util.find_spec("pycares"):
        ways["pycares"] = lambda port: measure(pycares_channel, port, count)
    else:
        print("pycares is not installed: left out")
    ways["answered by our cache"] = lambda port: measure(ours_remembered, port, count)
    with nsd({".": root_zone(ZONE)}) as server:
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, way in ways.items():
                best[name] = min(best[name], way(server.port))
        data = sample_reply(server.port)
    floor = best["our codec, our sockets"]
    for name, micros in best.items():
        print(f"{name:34} {micros:8.1f} us of CPU a question   {micros / floor:5.2f}")
    print(f"{'codec alone, ours':34} {codec(wire.encode_question, wire.decode, data) * 1e6:8.1f} us")
    theirs = DnspythonCodec()
    print(f"{'codec alone, dnspython':34} {codec(theirs.encode_question, theirs.decode, data) * 1e6:8.1f} us")


if __name__ == "__main__":
    main()
