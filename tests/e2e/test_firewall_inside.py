"""What of the firewall takes a clock or a daemon that behaves strangely."""

import asyncio
import json

import pytest

from gatepost.clock import FakeClock
from gatepost.firewall.client import Client
from gatepost.firewall.options import FirewallOptions
from gatepost.firewall.process import Firewall
from gatepost.firewall.state import State
from gatepost.firewall.told import All, Row
from support.namespace import Namespace

ALL = b'{"ok": {"kind": "all", "bans": [{"network": "192.0.2.1", "until": null}]}}\n'


@pytest.fixture
def where():
    with Namespace() as made:
        yield made


def seconds(where):
    """How long the kernel still shuts out the one ban."""
    told = json.loads(where.run("nft", "-j", "list", "set", "inet", "gatepost", "banned4"))
    (element,) = told["nftables"][1]["set"]["elem"]
    return element["elem"]["expires"]


@pytest.mark.parametrize(("back", "left"), [(3600, 10_800), (-3600, 3600)])
def test_when_the_clock_is_set_the_ends_follow(where, tmp_path, back, left):
    async def scenario():
        clock = FakeClock()
        firewall = Firewall(FirewallOptions(state=str(tmp_path)), "/nowhere", (), State(str(tmp_path)), clock)
        firewall._take(All([Row("192.0.2.1", clock.now() + 7200)]))
        await firewall._round()
        await firewall._round()
        before = seconds(where), firewall._is_quiet()
        clock.set_back(back)
        quiet = firewall._is_quiet()
        await firewall._round()
        return before, quiet

    (at_first, quiet_at_first), quiet = where.do(lambda: asyncio.run(scenario()))

    assert (True, False) == (quiet_at_first, quiet)
    assert 7150 <= at_first <= 7200
    assert left - 50 <= seconds(where) <= left


def test_a_daemon_that_falls_silent_is_left_and_asked_again(tmp_path):
    path = str(tmp_path / "control.sock")
    asked, told = [], []

    async def serve(reader, writer):
        asked.append(await reader.readline())
        writer.write(ALL)
        await reader.read()  # and not a word more
        writer.close()

    async def scenario():
        client = Client(path, told.append, silence=0.3)
        async with await asyncio.start_unix_server(serve, path):
            following = asyncio.ensure_future(client.follow())
            async with asyncio.timeout(10):
                while len(asked) < 3:
                    await asyncio.sleep(0.02)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        return client.away

    assert asyncio.run(scenario()) in ("", "it is silent")
    assert {b'{"command":"ban.watch"}\n'} == set(asked)
    assert [All([Row("192.0.2.1")])] * 2 == told[:2]


def test_what_a_daemon_says_in_pieces_is_one_line(tmp_path):
    path = str(tmp_path / "control.sock")
    told = []

    async def serve(reader, writer):
        await reader.readline()
        for octet in ALL:
            writer.write(bytes([octet]))
            await writer.drain()
        await reader.read()
        writer.close()

    async def scenario():
        client = Client(path, told.append)
        async with await asyncio.start_unix_server(serve, path):
            following = asyncio.ensure_future(client.follow())
            async with asyncio.timeout(10):
                while not told:
                    await asyncio.sleep(0.02)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(scenario())
    assert [All([Row("192.0.2.1")])] == told
