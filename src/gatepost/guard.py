"""Everything about bans that lives as long as the daemon: keeper, court, witness, logs, firewall.

A reload makes court and witness anew beside the old ones; bans, trust and what
is counted in jails that stayed as they were go on.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gatepost.assemble import Parts
from gatepost.ban.advocate import Advocate
from gatepost.ban.blocks import Lines
from gatepost.ban.court import Asked, Court
from gatepost.ban.filters import usable_filters
from gatepost.ban.following import LogFiles
from gatepost.ban.jail import all_jails
from gatepost.ban.journal import JournalLog
from gatepost.ban.justice import Justice
from gatepost.ban.keeper import Keeper
from gatepost.ban.place import Place
from gatepost.ban.reading import Filter
from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.ban.sources import JOURNAL, jails_by_log
from gatepost.ban.witness import Witness
from gatepost.clock import Clock
from gatepost.config.schema import Config
from gatepost.engine.exempt import BAN
from gatepost.model import Request, Verdict
from gatepost.network import Address
from gatepost.observe.background import begin
from gatepost.postfix.ours import machine_addresses
from gatepost.store.base import Store, StoreError

log = logging.getLogger("gatepost.ban")

LOOK_SECONDS = 1.0
"""How often the store is asked whether somebody else changed bans, and bans that are over are let go."""
WRITE_SECONDS = 10.0
"""How often trust and the places in logs are written down."""
EXPIRE_SECONDS = 3600.0
HEARD_SECONDS = 30.0
"""A firewall that said nothing for so long is not running."""
ASKED_FIRST_SECONDS = 3600.0
"""Postfix asks before its greeting when it did so in this time: somebody always comes."""
DELIVERED_SECONDS = 30 * 86400.0
MAX_VERDICTS = 20_000
"""Verdicts looked at to see who delivered from a network lately."""


class Heard(msgspec.Struct, frozen=True):
    """What the firewall said last."""

    at: float
    """Monotonic."""
    in_kernel: int = 0
    packets: int = 0
    bytes: int = 0
    ports: str = ""
    trouble: str = ""
    networks: dict[str, int] = {}
    """Packets dropped, by ban."""
    refused: dict[str, str] = {}
    """Bans that it does not enforce, and why."""


class Guard:
    """The daemon's bans."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.keeper = Keeper(store.bans, clock)
        self.heard: Heard | None = None
        self.logs: LogFiles | None = None
        self.journal: JournalLog | None = None
        self.court: Court
        self.witness: Witness | None = None
        self._store = store
        self._clock = clock
        self._parts: Parts
        self.filters: Mapping[str, Filter] = {}
        """Of jails that have one, by their names."""
        self._off: list[str] = []
        """Jails without a filter that can be used, in sentences."""
        self._asked_first = float("-inf")
        self._sources: dict[str, tuple[str, ...]] = {}
        """The logs that are read, and by which jails."""
        self._tasks: list[asyncio.Task[None]] = []

    async def set_up(self, config: Config, parts: Parts, own: Sequence[Address] | None = None) -> None:
        """Go on as `config` says, with these parts."""
        own = await asyncio.to_thread(machine_addresses) if own is None else own
        options = config.ban
        justice = Justice(parts.ours, options.never, own, options.trust)
        await self._remember(justice, options.trust)
        jails = config.jail if options.mode != "off" else ()
        filters, off = await asyncio.to_thread(usable_filters, jails, frozenset(own))
        # From here to the new witness nothing waits: what is seen meanwhile would be lost.
        old = getattr(self, "court", None)
        self._parts = parts
        self.court = court = Court(
            self.keeper,
            self._clock,
            options,
            all_jails(options, config.jail),
            justice,
            Asked(self._trouble, Advocate(parts.checks, parts.pipeline.context).speaks_for, self.senders),
            observe="observe" in (options.mode, config.mode),
        )
        if old is not None:
            court.take_over(old)
        self.keeper.enforce(packets=not court.observe, mail=options.mode != "observe")
        self.keeper.spare(tuple(str(network) for network in justice.never()))
        self.witness, self._sources = None, {}
        self.filters, self._off = filters, off
        if options.mode != "off":
            self._sources = sources = jails_by_log(options, config.jail)
            book = Rulebook(find(), options.weights)
            self.witness = Witness(court, book, filters, sources, self._clock)
        await self._restart()

    def saw(self, request: Request, verdict: Verdict) -> None:
        """Take note of a verdict; never waits, never raises."""
        if request.policy_context == BAN:
            self._asked_first = self._clock.monotonic()
        if self.witness is not None:
            self.witness.saw_verdict(request, verdict)

    async def senders(self, network: str) -> int:
        """How many clients in a network delivered mail lately, as far as the journal goes back."""
        since = self._clock.now() - DELIVERED_SECONDS
        try:
            await self._store.journal.flush()
            found = await self._store.journal.find(network, MAX_VERDICTS)
        except StoreError:
            return 0
        return len(
            {
                e.client_address
                for e in found
                if e.action == "pass" and e.time >= since and not e.sasl_username
            }
        )

    @property
    def mode(self) -> str:
        """`enforce`, `observe` or `off`."""
        return "observe" if self.court.observe else self.court.options.mode

    def read_logs(self) -> list[str]:
        """The logs that are read."""
        return list(self._sources)

    def enforced(self) -> bool:
        """Whether the firewall runs, and does what it should."""
        heard = self.heard
        return heard is not None and self._clock.monotonic() - heard.at < HEARD_SECONDS and not heard.trouble

    def asked_first(self) -> bool:
        """Whether Postfix asks before its greeting, so that who is banned can try no password."""
        return self._clock.monotonic() - self._asked_first < ASKED_FIRST_SECONDS

    def notes(self) -> list[str]:
        """What people should know."""
        ill = self._trouble()
        found = [*([f"offences are not counted now: {ill}"] if ill else ()), *self._off]
        if self.heard is not None and self.heard.trouble:
            found.append(f"the firewall: {self.heard.trouble}")
        if self.journal is not None and self.journal.trouble:
            found.append(self.journal.trouble)
        return [*found, *(self.logs.troubles if self.logs else ())]

    async def close(self) -> None:
        """End what goes on, and write down what is owed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._write()

    # --- in the background ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Look after bans until cancelled."""
        due_write = due_expire = self._clock.monotonic()
        while True:
            await self.keeper.refresh()
            now = self._clock.monotonic()
            if now >= due_write:
                due_write = now + WRITE_SECONDS
                await self._write()
            if now >= due_expire:
                due_expire = now + EXPIRE_SECONDS
                await self._expire()
            await asyncio.sleep(LOOK_SECONDS)

    async def _restart(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        standing = self._standing()
        await self._write()
        await self.keeper.refresh()
        self.logs = self.journal = None
        work = [self.court.run()]
        if self.witness is not None:
            known = await self._places() | standing  # what could not be written is not to be read twice
            paths = [Path(name) for name in self._sources if name != JOURNAL]
            places = _read_places(paths, known)
            self.logs = LogFiles(paths, places, self._clock, self._hand_over, self.court.caught_up)
            work.append(self.logs.run())
            if JOURNAL in self._sources:
                self.journal = JournalLog(
                    self._hand_over_entries, known.get(JOURNAL, ""), breathe=self.court.caught_up
                )
                work.append(self.journal.run())
        self._tasks = [begin(one) for one in work]

    def _hand_over(self, path: Path, lines: Lines) -> None:
        if self.witness is not None:
            self.witness.saw_lines(str(path), lines)

    def _hand_over_entries(self, lines: Lines) -> None:
        if self.witness is not None:
            self.witness.saw_lines(JOURNAL, lines)

    def _trouble(self) -> str:
        return self._parts.dns.health.ill or self.keeper.trouble

    async def _places(self) -> dict[str, str]:
        try:
            return await self._store.bans.places()
        except StoreError:
            return {}

    async def _remember(self, justice: Justice, trust: float) -> None:
        with suppress(StoreError):
            justice.recall(await self._store.bans.trusted(self._clock.now() - trust))

    async def _write(self) -> None:
        justice = self.court.justice
        trusted = justice.unwritten()
        try:
            await self._store.bans.trust(trusted)
        except StoreError:
            justice.owe(trusted)
        if standing := self._standing():
            with suppress(StoreError):
                await self._store.bans.put_places(standing)

    def _standing(self) -> dict[str, str]:
        """Where reading stands in each log."""
        places: dict[str, str] = {}
        if self.logs is not None:
            at = self.logs.places.items()
            places = {str(path): msgspec.json.encode(place).decode() for path, place in at}
        if self.journal is not None and self.journal.cursor:
            places[JOURNAL] = self.journal.cursor
        return places

    async def _expire(self) -> None:
        options, now = self.court.options, self._clock.now()
        for jail in self.court.jails.values():
            jail.track.forget(now - jail.findtime)
        with suppress(StoreError):
            await self._store.bans.expire(now - options.forget, now - options.trust)


def _read_places(paths: Sequence[Path], known: Mapping[str, str]) -> dict[Path, Place]:
    """Where reading stood, of these logs that are known; a place that is none is forgotten."""
    places: dict[Path, Place] = {}
    for path in paths:
        with suppress(msgspec.DecodeError):  # ValidationError is one
            if str(path) in known:
                places[path] = msgspec.json.decode(known[str(path)], type=Place)
    return places
