"""A million offences from a hundred thousand addresses: python -m bench.offences

What the court takes for each, and whether its memory is bounded: by `[ban] tracked`, whatever comes.
Prints a row of JSON for each part; the sizes are of this process's memory above what it had before.
"""

import asyncio
import json
import random
import resource
import time
from pathlib import Path

from gatepost.ban.court import Asked, Court
from gatepost.ban.jail import all_jails
from gatepost.ban.justice import Justice
from gatepost.ban.keeper import Keeper
from gatepost.ban.offence import Offence
from gatepost.ban.options import BanOptions
from gatepost.clock import FakeClock
from gatepost.ours import Ours
from gatepost.store.memory import MemoryBans

OFFENCES, ADDRESSES = 1_000_000, 100_000
SPREAD = 3600.0
"""Seconds in which they come."""
EVIDENCE = (
    "Nov 22 06:25:01 mx postfix/smtpd[21]: warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: x"
)


def resident():
    """Octets of memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def court(clock, options):
    async def nobody(_):
        return ""

    async def none(_):
        return 0

    keeper = Keeper(MemoryBans(clock), clock)
    justice = Justice(Ours(), (), (), options.trust)
    asked = Asked(str, nobody, none)
    return keeper, Court(keeper, clock, options, all_jails(options, ()), justice, asked, observe=False)


def addresses(kind):
    rng = random.Random(1)
    if kind == "ipv4":
        return [f"{rng.randint(1, 99)}.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(ADDRESSES)]
    return [f"2001:db8:{n >> 12:x}:{n & 4095:x}::1" for n in range(ADDRESSES)]


async def part(kind, tracked, maxretry):
    clock = FakeClock()
    keeper, judging = court(clock, BanOptions(tracked=tracked, maxretry=maxretry))
    work = asyncio.ensure_future(judging.run())
    names, rng = addresses(kind), random.Random(2)
    before, started, most = resident(), time.process_time(), 0
    jail = judging.jails["mail"]
    for number in range(OFFENCES):
        clock.advance(SPREAD / OFFENCES)
        judging.accuse(jail, Offence(clock.now(), rng.choice(names), "auth.failed", 1.0, EVIDENCE))
        if number % 10_000 == 0:
            await asyncio.sleep(0)
            most = max(most, resident() - before)
    seconds = time.process_time() - started
    work.cancel()
    return {
        "addresses": kind,
        "tracked": tracked,
        "maxretry": maxretry,
        "offences": OFFENCES,
        "us_each": round(seconds / OFFENCES * 1e6, 2),
        "windows": len(jail.track),
        "bans": len(keeper.table),
        "mb_at_most": round(max(most, resident() - before) / 1e6, 1),
    }


def main():
    for kind in ("ipv4", "ipv6"):
        for tracked, maxretry in ((200_000, 1000), (10_000, 1000), (200_000, 5)):
            print(json.dumps(asyncio.run(part(kind, tracked, maxretry))), flush=True)


if __name__ == "__main__":
    main()
