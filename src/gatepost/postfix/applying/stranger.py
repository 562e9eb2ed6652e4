"""An address that nobody has, lent to the loopback interface, so that a probe comes as a stranger.

It is taken from the blocks for documentation and benchmarks (RFC 5737, 2544,
3849) and removed again however the block ends; what a killed run left is
removed by the next. One process at a time does this in a network namespace.

Raises nothing: where it cannot be done, the stranger has no address and a reason.
"""

import os
import random
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network, IPv6Address

import msgspec

from gatepost.network import Network, NetworkSet, parse_address
from gatepost.postfix import settings
from gatepost.postfix.applying.program_now import RunNow

LABEL = "lo:gatepost"
"""How an IPv4 address of ours is recognised (ip-address(8))."""
BLOCKS = tuple(map(IPv4Network, ("198.18.0.0/15", "203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24")))
V6_PREFIX = "2001:db8:6761:7465:"
"""And an IPv6 one, which has no label."""
SECONDS = 10.0
WAIT_SECONDS = 120.0
"""For another process that probes."""
TRIES = 50

_LABELLED = re.compile(rf"\s{LABEL}\b")
_ADDRESS = re.compile(r"\binet6? ([0-9a-f.:]+)/\d+")


class Stranger(msgspec.Struct, frozen=True):
    """Where a probe comes from."""

    address: str = ""
    why_not: str = ""
    """Why there is no address."""


@contextmanager
def strangers(versions: Sequence[int], mynetworks: str, run: RunNow) -> Iterator[Mapping[int, Stranger]]:
    """A stranger for each IP version, until the block ends."""
    with ExitStack() as held:
        if not versions:
            yield {}
            return
        if os.geteuid() != 0:
            nobody = Stranger(why_not="only root can probe from a foreign address")
            yield dict.fromkeys(versions, nobody)
            return
        if (turn := _turn()) is None:
            nobody = Stranger(why_not="another gatepost is probing from a foreign address")
            yield dict.fromkeys(versions, nobody)
            return
        held.callback(turn.close)
        remove_leftovers(run)
        yield {version: held.enter_context(_lent(version, mynetworks, run)) for version in versions}


@contextmanager
def _lent(version: int, mynetworks: str, run: RunNow) -> Iterator[Stranger]:
    address = foreign_address(version, mynetworks)
    how = ["dev", "lo", "nodad"] if version == 6 else ["dev", "lo", "label", LABEL]
    cidr = f"{address}/{128 if version == 6 else 32}"
    try:
        ran = run(["ip", "address", "add", cidr, *how], SECONDS)
        if ran.code:
            said = (ran.err.strip().splitlines() or ["it failed"])[-1]
            yield Stranger(why_not=f"no foreign address could be lent to the loopback interface: {said}")
        else:
            yield Stranger(address)
    finally:
        run(["ip", "address", "del", cidr, "dev", "lo"], SECONDS)


def remove_leftovers(run: RunNow) -> list[str]:
    """Remove what a killed probe left on the loopback interface; the addresses."""
    found = leftovers(run(["ip", "-o", "address", "show", "dev", "lo"], SECONDS).out)
    for address in found:
        run(["ip", "address", "del", f"{address}/{128 if ':' in address else 32}", "dev", "lo"], SECONDS)
    return found


def leftovers(shown: str) -> list[str]:
    """Addresses of ours in what `ip -o address show` printed."""
    found = []
    for line in shown.splitlines():
        match = _ADDRESS.search(line)
        if match and (_LABELLED.search(line) or match[1].startswith(V6_PREFIX)):
            found.append(match[1])
    return found


def sweep(run: RunNow) -> None:
    """Remove what a killed probe left, unless somebody is probing now."""
    if os.geteuid() == 0 and (turn := _turn(0)) is not None:
        with turn:
            remove_leftovers(run)


def _turn(seconds: float = WAIT_SECONDS) -> socket.socket | None:
    """Held by one process of a network namespace; the system lets go of it however that ends."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + seconds
    while True:
        try:
            held.bind("\0gatepost-stranger")
            return held
        except OSError:
            if time.monotonic() > deadline:
                held.close()
                return None
            time.sleep(0.1)


def _networks(mynetworks: str) -> NetworkSet:
    """The networks that are written out. Tables are not asked: a stranger in one shows as an open relay."""
    patterns = settings.expand(mynetworks, lambda _path: None)
    return NetworkSet(settings.networks_of(patterns, lambda _table: None).networks)


def foreign_address(version: int, mynetworks: str) -> str:
    """A random one outside of own networks; where all the world is in them, any."""
    own = _networks(mynetworks)
    found = ""
    for _ in range(TRIES):
        found = _random_v6() if version == 6 else _random_v4(random.choice(BLOCKS))
        address = parse_address(found)
        if address is not None and address not in own:
            break
    return found


def _random_v4(block: Network) -> str:
    return str(block[random.randrange(1, block.num_addresses - 1)])


def _random_v6() -> str:
    return str(IPv6Address(f"{V6_PREFIX}:1") + random.getrandbits(60))
