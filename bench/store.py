"""The store alone: operations a second and CPU for each, at 50 questions at once.

    python -m bench.store [DIRECTORY]

`new`: triplets never met, each answered after its fdatasync. `known`: from
memory. `cold`: known, but not in memory. `mixed`: nine known to one new.
"""

import asyncio
import inspect
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from gatepost.clock import SystemClock
from gatepost.store.base import Store, Terms, Triplet
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

AT_ONCE = 50
TERMS = Terms(delay=0)
KNOWN = 20_000


def triplet(number: int) -> Triplet:
    draw = random.Random(number)
    network = f"{draw.randrange(1, 224)}.{draw.randrange(256)}.{draw.randrange(256)}.0/24"
    return Triplet(
        network, f"sender{draw.randrange(10**6)}@example{number % 997}.org", f"user{number}@example.net"
    )


async def ask(store: Store, triplets: list[Triplet]) -> float:
    """Ask all, AT_ONCE at a time; seconds of CPU."""
    iterator = iter(triplets)

    async def one() -> None:
        for which in iterator:
            answer = store.greylist.meet(which, time.time(), TERMS)
            if inspect.isawaitable(answer):
                await answer

    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def measure(name: str, store: Store, triplets: list[Triplet]) -> None:
    began = time.perf_counter()
    cpu = await ask(store, triplets)
    seconds = time.perf_counter() - began
    rate, each = len(triplets) / seconds, cpu / len(triplets) * 1e6
    print(f"{name:28} {rate:10,.0f}/s {each:8.1f} us CPU each")


async def run(directory: Path, interval: float) -> None:
    sys.setswitchinterval(interval)
    options = StoreOptions(url=f"sqlite:{directory}/gatepost.db")
    store = open_store(options, SystemClock())
    await store.open()
    known = [triplet(number) for number in range(KNOWN)]
    fresh = [triplet(number) for number in range(10**6, 10**6 + 60_000)]
    print(f"switch interval {interval * 1000:g} ms")
    await measure("new", store, known)
    await measure("passed", store, known)
    await measure("known", store, known * 10)
    mixed = [*fresh[:3000], *(random.choices(known, k=27_000))]
    random.shuffle(mixed)
    await measure("mixed", store, mixed)
    await store.close()
    store = open_store(options, SystemClock())
    await store.open()
    await measure("cold", store, known)
    await measure("new again", store, fresh[3000:])
    print(store.troubles() or "no troubles")
    await store.close()


def main() -> None:
    for interval in (0.005, 0.0005):
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
            uvloop.run(run(Path(directory), interval))


if __name__ == "__main__":
    main()
