"""The resolver on real sockets, asking a real name server, keeps the contract that a Zone keeps."""

import asyncio

import pytest
import uvloop

from gatepost.clock import SystemClock
from gatepost.dns.live import LiveResolver
from gatepost.dns.resolvconf import parse_server
from support.nsd import nsd, root_zone
from support.resolver_contract import CASES, TABLE, differences


@pytest.fixture(scope="module")
def server():
    with nsd({".": root_zone(TABLE)}) as running:
        yield parse_server(running.server)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_live_resolver_keeps_the_contract_on_both_event_loops(server, loop):
    async def ask():
        resolver = LiveResolver([server], SystemClock())
        return await asyncio.gather(*(resolver.ask(name, kind) for name, kind, *_ in CASES))

    with asyncio.Runner(loop_factory=loop) as runner:
        assert differences(runner.run(ask())) == []
