"""From a configuration to the parts that answer requests: for the daemon, for `ask`, and for a reload.

Raises StoreError when the store's URL names none. Whatever else is missing
(Postfix not readable, a list that does not answer) is noted and lived with.
"""

import asyncio
import logging
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gatepost import checks
from gatepost.access.table import AccessTable
from gatepost.ban.keeper import Keeper
from gatepost.checks.base import Check
from gatepost.checks.greylist import Greylist
from gatepost.clock import Clock
from gatepost.config.schema import Config
from gatepost.context import Banned, Context
from gatepost.dns.open import Dns, open_dns
from gatepost.dnslist.lists import List
from gatepost.dnslist.watch import ListWatch
from gatepost.engine.pipeline import Pipeline, Settings
from gatepost.engine.profile import GREYLIST_WHEN
from gatepost.engine.rules import catalogue
from gatepost.engine.verdict import Terms, Worths
from gatepost.ours import Ours
from gatepost.postfix.ours import read_ours
from gatepost.store.base import Store, StoreError

log = logging.getLogger("gatepost")


@dataclass(slots=True)
class Parts:
    """What answers requests, and what looks after it. A reload makes others; the store stays."""

    config: Config
    store: Store
    dns: Dns
    ours: Ours
    access: AccessTable
    watch: ListWatch
    checks: tuple[Check, ...]
    greylist: Greylist
    pipeline: Pipeline

    async def look_after(self) -> None:
        """Watch lists and resolver until cancelled."""
        await asyncio.gather(self.dns.run(), self.watch.run())

    async def first_look(self, seconds: float | None = None) -> None:
        """Ask lists and resolver how they are; for at most `seconds`, or as configured."""
        seconds = self.config.watch.start_wait if seconds is None else seconds
        looks = [
            asyncio.ensure_future(self.dns.probe_once()),
            asyncio.ensure_future(self.watch.probe_all(seconds)),
        ]
        _, late = await asyncio.wait(looks, timeout=seconds)
        for look in late:
            look.cancel()

    async def refresh_lists(self) -> None:
        """Take over what changed in the store's own lists."""
        try:
            self.access.set_entries(await self.store.lists.entries(self.pipeline.context.clock.now()))
        except StoreError as error:
            log.warning("own lists cannot be read, those read before still count: %s", error)

    def notes(self) -> Iterator[str]:
        """What people should know: parts that are off, lists put aside, trouble of ours."""
        yield from self.ours.missing
        yield from self.store.troubles()
        yield from self.access.troubles()
        if self.dns.health.ill:
            yield f"the resolver is ill, verdicts that rest on DNS are suspended: {self.dns.health.ill}"
        yield from self.watch.troubles()

    async def close(self) -> None:
        """Let go of everything but the store."""
        await self.dns.close()


async def assemble(
    config: Config,
    clock: Clock,
    store: Store,
    *,
    ours: Ours | None = None,
    bans: Banned | None = None,
    thorough: bool = False,
) -> Parts:
    """Everything that answers requests, as configured; own lists are read, probes not yet made."""
    dns = open_dns(config.dns, clock)
    ours = ours or await read_ours(config.ours, clock)
    found = tuple(kind(config.checks[name]) for name, kind in checks.find().items())
    access = AccessTable(config.checks["access"], clock)
    await asyncio.to_thread(access.load)
    watch = ListWatch(_lists(found), dns.fresh, clock, config.watch, ill=lambda: dns.health.ill)
    greylist = next(c for c in found if isinstance(c, Greylist))
    context = Context(
        dns=dns.resolver,
        store=store,
        clock=clock,
        ours=ours,
        access=access,
        watch=watch,
        health=dns.health,
        bans=bans or await _bans(store, clock),
    )
    pipeline = Pipeline(found, context, _settings(config, found, greylist, ours, thorough=thorough))
    dns.changed = pipeline.forget
    parts = Parts(config, store, dns, ours, access, watch, found, greylist, pipeline)
    await parts.refresh_lists()
    return parts


async def _bans(store: Store, clock: Clock) -> Keeper:
    """The bans that the store holds now: for those who ask once."""
    keeper = Keeper(store.bans, clock)
    await keeper.refresh()
    return keeper


def _settings(
    config: Config, found: Iterable[Check], greylist: Greylist, ours: Ours, *, thorough: bool
) -> Settings:
    return Settings(
        terms=Terms(
            worths=Worths(config.worths, config.delay), rules=catalogue(found), refuse=config.score.refuse
        ),
        score=config.score,
        when=greylist.options.when or GREYLIST_WHEN[config.profile],
        observe=config.mode == "observe",
        thorough=thorough,
        host=next(iter(sorted(ours.names or ())), "") or socket.gethostname(),
    )


def _lists(found: Iterable[Check]) -> list[List]:
    """Every public list that some check asks."""
    return [one for check in found for one in getattr(check, "lists", ())]
