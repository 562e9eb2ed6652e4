"""The resolver falls ill and recovers, with real name servers stopped, started and replaced by liars."""

import asyncio
import time

import pytest

from gatepost.assemble import assemble
from gatepost.clock import SystemClock
from gatepost.config.load import parse
from gatepost.config.places import Places
from gatepost.dns import health as doctoring
from gatepost.dns.base import Kind
from gatepost.dns.open import Dns, open_dns
from gatepost.dns.options import DnsOptions
from gatepost.model import Request
from gatepost.options import Duration
from gatepost.ours import Ours
from gatepost.store.memory import MemoryStore
from support.dns_liar import Liar, always, relay_to, reply, silent
from support.nsd import nsd, root_zone
from support.world import STRANGER

ROOT = {"example.org A": "192.0.2.1"}


def opened(server: str) -> Dns:
    options = DnsOptions(
        servers=(server,),
        timeout=Duration(0.1),
        deadline=Duration(0.4),
        unknown_for=Duration(0),
        probe_every=Duration(60),
        suspicious_after=5,
    )
    return open_dns(options, SystemClock())


def everything_resolves(query):
    return reply(query, f"{query.name}. 300 IN A 203.0.113.1" if query.kind == "A" else ". 60 IN NS ns.test.")


def test_a_name_server_is_well_then_dead_then_well_again():
    with nsd({".": root_zone(ROOT)}) as server:
        dns = opened(server.server)
        assert asyncio.run(dns.probe_once()) == ""
        server.stop()
        ill = "the name servers give no usable answers (nobody listens)"
        assert asyncio.run(dns.probe_once()) == ill
        assert (dns.health.ill, dns.stats()["ill"]) == (ill, ill)
        with nsd({".": root_zone(ROOT)}, port=server.port):
            assert asyncio.run(dns.probe_once()) == ""


@pytest.mark.parametrize("script", [silent, always("SERVFAIL"), always("REFUSED")])
def test_a_server_without_usable_answers_makes_ill(script):
    with Liar(script) as liar:
        assert "no usable answers" in asyncio.run(opened(liar.server).probe_once())


def test_what_a_lying_resolver_said_is_forgotten():
    async def run(liar, honest):
        dns = opened(liar.server)
        assert (await dns.resolver.ask("nowhere.example", Kind.A)).found
        assert "cannot exist" in await dns.probe_once()
        assert dns.resolver.peek("nowhere.example", Kind.A) is None
        assert (await dns.resolver.ask("nowhere.example", Kind.A)).found
        liar.script = honest
        assert await dns.probe_once() == ""
        assert (await dns.resolver.ask("nowhere.example", Kind.A)).absent
        await dns.close()

    with nsd({".": root_zone(ROOT)}) as server, Liar(everything_resolves) as liar:
        asyncio.run(run(liar, relay_to(server.port)))


def test_a_stranger_with_a_broken_domain_causes_examinations_but_no_illness():
    """A hundred names that fail, and the root and the canaries answered: well, and not examined often."""

    async def run(liar):
        dns = opened(liar.server)
        looking = asyncio.create_task(dns.run())
        for number in range(100):
            assert (await dns.resolver.ask(f"n{number}.broken.example", Kind.A)).why == "servfail"
            assert dns.health.ill == ""
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await dns.close()

    def broken_below(query):
        return reply(query, rcode="SERVFAIL") if query.name.endswith("broken.example") else honest(query)

    with nsd({".": root_zone(ROOT)}) as server:
        honest = relay_to(server.port)
        with Liar(broken_below) as liar:
            asyncio.run(run(liar))
            assert liar.count(".", "NS") == 1


def test_the_daemon_notices_by_itself_and_recovers_by_itself(monkeypatch):
    monkeypatch.setattr(doctoring, "AGAIN", 0.05)

    async def until(dns, *, ill):
        async with asyncio.timeout(10):
            while bool(dns.health.ill) != ill:
                await dns.resolver.ask("example.org", Kind.MX)
                await asyncio.sleep(0.01)

    async def run(liar, honest):
        dns = opened(liar.server)
        looking = asyncio.create_task(dns.run())
        await asyncio.sleep(0.2)
        begin = time.monotonic()
        liar.script = always("SERVFAIL")
        dns.resolver.clear()
        await until(dns, ill=True)
        liar.script = honest
        await until(dns, ill=False)
        assert time.monotonic() - begin < 5
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await dns.close()

    with nsd({".": root_zone(ROOT)}) as server, Liar(relay_to(server.port)) as liar:
        asyncio.run(run(liar, liar.script))


def test_a_well_resolver_is_examined_at_intervals(monkeypatch):
    monkeypatch.setattr(doctoring, "AGAIN", 0.01)

    async def run(liar):
        options = DnsOptions(servers=(liar.server,), probe_every=Duration(0.03))
        dns = open_dns(options, SystemClock())
        looking = asyncio.create_task(dns.run())
        async with asyncio.timeout(10):
            while liar.count(".", "NS") < 3:
                await asyncio.sleep(0.01)
        assert dns.health.ill == ""
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    with nsd({".": root_zone(ROOT)}) as server, Liar(relay_to(server.port)) as liar:
        asyncio.run(run(liar))


def test_what_was_concluded_from_lies_is_forgotten(tmp_path):
    async def run(server):
        places = Places(tmp_path, tmp_path / "control.sock")
        config = parse(f'[dns]\nservers = ["{server}"]', "test", {}, places)
        parts = await assemble(config, SystemClock(), MemoryStore(), ours=Ours())
        await parts.pipeline.answer(Request(**STRANGER | {"client_name": "unknown"}))
        remembered = len(parts.pipeline._memory)
        await parts.dns.probe_once()
        await parts.close()
        return remembered, len(parts.pipeline._memory)

    def addresses_for_all(query):
        return reply(query, *([f"{query.name}. 300 IN A 203.0.113.1"] if query.kind == "A" else []))

    with Liar(addresses_for_all) as liar:
        assert (1, 0) == asyncio.run(run(liar.server))
