"""Triplets that another greylisting remembered, into our store: through the daemon, else directly."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from gatepost.cli.desk import become_owner
from gatepost.cli.trouble import CommandError
from gatepost.clock import SystemClock
from gatepost.config.schema import Config
from gatepost.server.control import MAX_LINE
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.store.base import Brought, BroughtClient, StoreError, Terms
from gatepost.store.open import open_store

BATCH_OCTETS = MAX_LINE - 4096
BATCH = 500
"""Triplets in one step at most, so that a daemon's other questions are not held up."""
EVERY = 20_000
"""Triplets between two words about how far it is."""

One = Brought | BroughtClient
Batch = list[One]
Progress = Callable[[int], None]


def bring(
    config: Config, terms: Terms, things: Sequence[One], progress: Progress, *, directly: bool
) -> dict[str, int]:
    """Let the store remember `things`; what became of them (`store.base.Greylist.bring`).

    Args:
        config: says where daemon and store are.
        terms: of greylisting, for a store without a daemon.
        things: triplets and networks.
        progress: is told now and then how many are done.
        directly: no daemon is asked.

    Raises:
        CommandError: they could not be kept; trying again does no harm.
    """
    counted: Counter[str] = Counter()
    batches = list(_batches(things))
    try:
        if not directly and _daemon_answers(config):
            for batch in _watched(batches, progress):
                counted.update(_through_daemon(config, batch))
        else:
            asyncio.run(_into_store(config, terms, _watched(batches, progress), counted))
    except (StoreError, ControlError) as error:
        done = sum(counted.values())
        raise CommandError(
            [
                f"after {done} triplets and networks: {error}",
                "Mend that and import again; nothing is done twice.",
            ]
        ) from None
    return dict(counted)


def _daemon_answers(config: Config) -> bool:
    try:
        call(config.control.socket, "status")
    except NoDaemonError:
        return False
    return True


def _through_daemon(config: Config, batch: Batch) -> dict[str, int]:
    answer = call(
        config.control.socket,
        "greylist.bring",
        triplets=[one for one in batch if isinstance(one, Brought)],
        clients=[one for one in batch if isinstance(one, BroughtClient)],
    )
    try:
        return msgspec.convert(answer, dict[str, int])
    except msgspec.ValidationError:
        raise ControlError("the daemon is of another version; restart it") from None


async def _into_store(config: Config, terms: Terms, batches: Iterable[Batch], counted: Counter[str]) -> None:
    if config.store.url == "memory:":
        raise StoreError("the store is memory: and forgets everything when the daemon ends; start the daemon")
    become_owner(config.store)
    clock = SystemClock()
    store = open_store(config.store, clock)
    await store.open()
    try:
        for batch in batches:
            triplets = [one for one in batch if isinstance(one, Brought)]
            clients = [one for one in batch if isinstance(one, BroughtClient)]
            counted.update(await store.greylist.bring(triplets, clients, clock.now(), terms))
    finally:
        await store.close()


def _batches(things: Sequence[One]) -> Iterator[Batch]:
    """Parts that fit into a request."""
    batch: Batch = []
    octets = 0
    for one in things:
        length = len(msgspec.json.encode(one)) + 1
        if batch and (len(batch) >= BATCH or octets + length > BATCH_OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(one)
        octets += length
    if batch:
        yield batch


def _watched(batches: Iterable[Batch], progress: Progress) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        before, done = done, done + len(batch)
        if done // EVERY != before // EVERY:
            progress(done)
