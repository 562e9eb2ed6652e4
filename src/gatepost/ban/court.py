"""From offences to bans: counts, spares whom justice spares, and hands the rest to the keeper.

`accuse` is called for every offence and never waits; what follows (is there
somebody who speaks for this client? whom would a wide ban shut out as well?) is
done by `run`, in the background. While our resolver or store is ill nothing is
counted: what looks like an offence may then be our own fault.
"""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from gatepost.ban.jail import Jail
from gatepost.ban.justice import Justice
from gatepost.ban.keeper import Keeper
from gatepost.ban.offence import Offence
from gatepost.ban.options import BanOptions
from gatepost.ban.table import lasts, one_form
from gatepost.ban.track import Sentence, reason
from gatepost.clock import Clock
from gatepost.network import known_address, parse_network
from gatepost.store.base import Ban, StoreError

log = logging.getLogger("gatepost.ban")

MAX_SENTENCES = 10_000
"""Sentences that may wait at once; beyond, the oldest is forgotten: its network will offend again."""
SAME_BAN = 5.0
"""Seconds by which a ban must outlast another to count beside it: a burst is sentenced more than once."""
WAITING = 1000
"""Sentences that may wait while more of a log is read."""
AT_ONCE = 500
"""Sentences judged together."""
ASK_AGAIN = 600.0
"""Seconds until a network that senders deliver from is asked about again: that reads the whole journal."""
REMEMBERED = 1000
"""Bans remembered that would have been, in observe mode, and networks that were spared."""


class Spared(msgspec.Struct, frozen=True):
    """An offender who is never banned."""

    time: float
    address: str
    why: str
    rule: str


class Asked(msgspec.Struct, frozen=True):
    """Whom the court asks."""

    trouble: Callable[[], str]
    """Why nothing is counted now; empty when all is well."""
    speaks_for: Callable[[str], Awaitable[str]]
    senders: Callable[[str], Awaitable[int]]
    """How many clients in a network delivered mail lately."""


class Court:
    """Judges offences."""

    def __init__(
        self,
        keeper: Keeper,
        clock: Clock,
        options: BanOptions,
        jails: Sequence[Jail],
        justice: Justice,
        asked: Asked,
        *,
        observe: bool,
    ) -> None:
        self.options = options
        self.jails = {jail.name: jail for jail in jails}
        self.justice = justice
        self.observe = observe
        self.offences: Counter[str] = Counter()
        self.banned = 0
        self.suspended = 0
        """Offences not counted while we were ill."""
        self.late = 0
        """Offences that were over when they were read: of the time before the start, or in another zone."""
        self.spared: deque[Spared] = deque(maxlen=REMEMBERED)
        self.observed: deque[Ban] = deque(maxlen=REMEMBERED)
        """Who would have been banned."""
        self._keeper = keeper
        self._clock = clock
        self._asked = asked
        self._sentences: deque[tuple[Jail, Sentence]] = deque(maxlen=MAX_SENTENCES)
        self._delivering: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Networks that were not banned as a whole: until when that holds, and how many senders there are."""
        self._work = asyncio.Event()
        self._near_the_end = asyncio.Event()

    def take_over(self, old: "Court") -> None:
        """Go on where another one stood: with what was counted, and with whom somebody spoke for."""
        self.justice.take_over(old.justice)
        self.offences, self.banned = old.offences, old.banned
        self.suspended, self.late = old.suspended, old.late
        self.spared, self.observed = old.spared, old.observed
        for name, jail in self.jails.items():
            if name in old.jails:
                jail.take_over(old.jails[name])

    def accuse(self, jail: Jail, offence: Offence) -> None:
        """Count an offence in a jail; never waits, never raises."""
        address = known_address(offence.address)
        now = self._clock.now()
        if address is None or self._keeper.covers(address):
            return
        if offence.time < now - jail.findtime:
            self.late += 1
            return
        if offence.time > now:  # another clock, or ours was set: it would never be over
            offence = msgspec.structs.replace(offence, time=now)
        if self._asked.trouble():
            self.suspended += 1
            return
        why = self.justice.spares(address, now) or ("excepted by its jail" if jail.ignores(address) else "")
        if why:
            self.spared.append(Spared(now, offence.address, why, offence.rule))
            return
        self.offences[offence.rule] += 1
        for sentence in jail.track.offend(offence):
            self._sentences.append((jail, sentence))
            self._work.set()

    async def caught_up(self) -> None:
        """Wait until few sentences wait: whoever brings more than that would make some be forgotten."""
        if len(self._sentences) > WAITING:
            self._near_the_end.clear()
            await self._near_the_end.wait()

    def speak(self, address: str, why: str) -> None:
        """Somebody spoke for this client: what was counted against it is forgotten, and it is trusted."""
        self.justice.trust(address, why, self._clock.now())
        for jail in self.jails.values():
            jail.track.forgive(address)

    async def run(self) -> None:
        """Judge until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._sentences:
                some = [self._sentences.popleft() for _ in range(min(AT_ONCE, len(self._sentences)))]
                judged = await asyncio.gather(*(self._judge(*one) for one in some))
                await self._ban([ban for ban in judged if ban is not None])
                if len(self._sentences) <= WAITING:
                    self._near_the_end.set()

    # --- one sentence ---------------------------------------------------------------------------------

    async def _judge(self, jail: Jail, sentence: Sentence) -> Ban | None:
        """The ban that follows, or none."""
        now = self._clock.now()
        network = parse_network(sentence.network)
        if network is None:
            return None
        why = self.justice.forbids(network, now)
        if not why and sentence.wide:
            senders = await self._senders(sentence.network)
            why = f"{senders} senders in it delivered mail lately" if senders else ""
        elif not why and (said := await self._asked.speaks_for(sentence.address)):
            self.justice.trust(sentence.address, said, now)
            why = f"{said} speaks for it"
        if why:
            log.info("not banned network=%s jail=%s: %s", sentence.network, jail.name, why)
            self.spared.append(Spared(now, sentence.network, why, sentence.rules[0][0]))
            return None
        return await self._sentenced(jail, sentence, now)

    async def _senders(self, network: str) -> int:
        """How many deliver from a wide network; who hammers from it must not make us count them each time."""
        now = self._clock.monotonic()
        until, senders = self._delivering.get(network, (0.0, 0))
        if now >= until and (senders := await self._asked.senders(network)):
            self._delivering[network] = (now + ASK_AGAIN, senders)
            if len(self._delivering) > REMEMBERED:
                self._delivering.popitem(last=False)
        return senders

    async def _sentenced(self, jail: Jail, sentence: Sentence, now: float) -> Ban:
        name = one_form(sentence.network)
        times = 1
        try:
            past = (await self._keeper.past([name])).get(name)
        except StoreError:
            past = None
        if past is not None and now - past.until <= self.options.forget:
            times = past.times + (past.until <= now)  # one in force came of the same deeds, from another jail
        return Ban(
            network=name,
            since=now,
            until=now + jail.length(times),
            reason=reason(sentence, jail.findtime),
            origin=f"jail {jail.name}" if not sentence.wide else f"jail {jail.name}, several neighbours",
            offences=sentence.offences,
            times=times,
            evidence=sentence.evidence,
        )

    def _longest(self, bans: list[Ban]) -> list[Ban]:
        """One for each network, and none that would shorten what is in force.

        Several jails may sentence a client for the same line, and people may have banned it meanwhile.
        """
        found: dict[str, Ban] = {}
        for ban in bans:
            before = found.get(ban.network) or self._keeper.table.get(ban.network)
            if before is None or lasts(before) + SAME_BAN < lasts(ban):
                found[ban.network] = ban
        return list(found.values())

    async def _ban(self, bans: list[Ban]) -> None:
        bans = self._longest(bans)
        if not bans:
            return
        if self.observe:
            self.observed.extend(bans)
        else:
            try:
                await self._keeper.put(bans)
            except StoreError as error:
                log.warning("nobody was banned, since that could not be kept: %s", error)
                return
            self.banned += len(bans)
        for ban in bans:
            log.info("%s %s", "would ban" if self.observe else "ban", told(ban))


def told(ban: Ban) -> str:
    """The log line of a ban."""
    seconds = "for ever" if ban.until is None else f"{ban.until - ban.since:.0f}"
    return (
        f'network={ban.network} seconds={seconds} times={ban.times} origin="{ban.origin}" why="{ban.reason}"'
    )
