"""Every Resolver answers the same questions alike: a Zone in memory, and a cache before it.

The same suite runs against a real name server in e2e/test_dns_contract.py.
"""

import asyncio

from gatepost.clock import FakeClock
from gatepost.dns.base import Resolver
from gatepost.dns.cache import CachingResolver
from gatepost.dns.zone import Zone
from support.resolver_contract import CASES, TABLE, differences


def ask_all(resolver: Resolver) -> list[str]:
    async def ask():
        return [await resolver.ask(name, kind) for name, kind, *_ in CASES]

    return differences(asyncio.run(ask()))


def test_a_zone_keeps_the_contract():
    assert ask_all(Zone(TABLE)) == []


def test_a_cache_keeps_the_contract_when_it_asks_and_when_it_remembers():
    cache = CachingResolver(Zone(TABLE), FakeClock())
    assert ask_all(cache) == []
    before = cache.stats()["misses"]
    assert ask_all(cache) == []
    assert cache.stats()["misses"] == before
