"""Strangers whose domains never answer fill our places for questions: nobody else is blamed for it."""

import asyncio

from gatepost.clock import SystemClock
from gatepost.dns.base import Kind
from gatepost.dns.open import open_dns
from gatepost.dns.options import DnsOptions
from gatepost.dnslist.lists import ask
from gatepost.dnslist.options import ListOptions, WatchOptions
from gatepost.dnslist.resolve import resolve
from gatepost.dnslist.watch import ListWatch
from gatepost.options import Duration
from support.dns_liar import Liar, reply

ZONE = "bl.example.org"
TIMES = {"timeout": Duration(0.3), "deadline": Duration(0.3), "unknown_for": Duration(0)}


def slow_domains(query):
    """A name server that is well; the servers of some domains are not."""
    if query.name.endswith("slow.example"):
        return None
    if query.name == f"2.0.0.127.{ZONE}":
        return reply(query, f"{query.name}. 60 IN A 127.0.0.2")
    return reply(query, rcode="NXDOMAIN")


async def crowd(dns, number):
    """Questions that take all places until their deadline."""
    return await asyncio.gather(
        *(dns.resolver.ask(f"{n}.slow.example", Kind.A) for n in range(number)), return_exceptions=True
    )


def test_a_crowd_makes_neither_the_resolver_ill_nor_a_list_unbelievable():
    async def run(server):
        clock = SystemClock()
        dns = open_dns(DnsOptions(servers=(server,), in_flight=2, suspicious_after=5, **TIMES), clock)
        (bl,) = lists = resolve("dnsbl", [ListOptions(zone=ZONE, kinds=("ip4",))], {}).lists
        options = WatchOptions(unanswered_least=5)
        watch = ListWatch(lists, dns.fresh, clock, options, ill=lambda: dns.health.ill)
        await asyncio.gather(dns.probe_once(), watch.probe_all())
        well = watch.troubles()
        flood = asyncio.ensure_future(crowd(dns, 30))
        await asyncio.sleep(0)
        asked = [ask(bl, f"{n}.2.0.192", dns.resolver, watch) for n in range(20)]
        await asyncio.gather(dns.probe_once(), watch.probe(ZONE), *asked)
        await flood
        return well, dns.health.ill, watch.troubles()

    with Liar(slow_domains) as liar:
        assert ((), "", ()) == asyncio.run(run(liar.server))
