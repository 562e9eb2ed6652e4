"""A process that uses a store: for tests that trace it or kill it.

    python -m support.store_process URL

Each line on standard input is a number, or several with blanks between them,
asked at once: the triplet of that number is met. For each a line comes back:
its number and what the store said. `list NAME` adds an entry to the lists.
"""

import asyncio
import inspect
import os
import sys
import time

from gatepost.clock import SystemClock
from gatepost.store.base import ListEntry, Store, StoreError, Terms, Triplet
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

TERMS = Terms(delay=3600)


def triplet(number: int) -> Triplet:
    return Triplet(
        f"10.{number >> 8 & 255}.{number & 255}.0/24", "ann@example.org", f"user{number}@example.net"
    )


async def meet(store: Store, number: int) -> None:
    try:
        answer = store.greylist.meet(triplet(number), time.time(), TERMS)
        meeting = await answer if inspect.isawaitable(answer) else answer
        said = meeting.outcome.value
    except StoreError as error:
        said = f"StoreError {error}"
    os.write(1, f"{number} {said}\n".encode())


async def serve(url: str) -> None:
    loop = asyncio.get_running_loop()
    store = open_store(StoreOptions(url=url), SystemClock())
    await store.open()
    os.write(1, b"ready\n")
    while line := (await loop.run_in_executor(None, os.read, 0, 1 << 16)).decode():
        if line.startswith("list "):
            await store.lists.add(ListEntry(list="allow", what=line[5:].strip(), looks_at="client"))
            os.write(1, b"0 listed\n")
        else:
            await asyncio.gather(*(meet(store, int(number)) for number in line.split()))
    await store.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
