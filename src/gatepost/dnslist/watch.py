"""Watches public lists, and puts aside those that cannot be believed (`dnslist.state` says when and why).

Every list is tested at start and at intervals by entries that it must hold and
entries that it must not; what it answers to questions about senders is heard
too. A list that is put aside is not asked, is told in the log once and in
every report, and is tried again with growing pauses.

While our own resolver is ill, no answer and no silence says anything about a list.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

import msgspec

from gatepost.clock import Clock
from gatepost.dns.base import UNASKED, Answer, Kind, Resolver
from gatepost.dnslist.lists import List, judge, labels_of
from gatepost.dnslist.options import WatchOptions
from gatepost.dnslist.state import Outcome, Seen, Standing, State, Tally, Trial, examine
from gatepost.options import Duration

log = logging.getLogger("gatepost.dnslist")

SHORTEST_PAUSE = 0.05
"""Seconds between two looks at what is due, whatever is configured."""


class Report(msgspec.Struct, frozen=True):
    """How one list stands, for people and `--json`; no key is in it."""

    zone: str
    state: str
    """`untested`, `well` or `aside`."""
    reason: str = ""
    """Why it is aside, or what it answered lately that makes us doubt it."""
    without: dict[str, str] = {}
    """Kinds (`ip6`) that the list is not asked about, and why."""
    since: float = 0.0
    """When it came into this state, in seconds since 1970; 0 while it is untested."""
    retry_in: float = 0.0
    """Seconds until it is tested again."""


class ListWatch:
    """The watch over all configured lists; one for each set of lists."""

    def __init__(
        self,
        lists: Iterable[List],
        dns: Resolver,
        clock: Clock,
        options: WatchOptions | None = None,
        *,
        ill: Callable[[], str] = lambda: "",
    ) -> None:
        """Watch `lists` through `dns`; `ill` tells why our own resolver is ill, empty when it is well."""
        self._dns = dns
        self._clock = clock
        self._options = options or WatchOptions()
        self._ill = ill
        self._version = 0
        self._lists: dict[str, list[List]] = {}
        for which in lists:
            self._lists.setdefault(which.zone, []).append(which)
        self._standings = {zone: Standing(self._options, Tally(self._options.window)) for zone in self._lists}
        self._called = asyncio.Event()

    # --- what checks ask (dnslist.base.Watch) ---------------------------------------------------------

    @property
    def version(self) -> int:
        return self._version

    def aside(self, zone: str, kind: str = "") -> str:
        standing = self._standings.get(zone)
        if standing is None:
            return ""
        return standing.reason if standing.state is State.ASIDE else standing.without.get(kind, "")

    def heard(self, zone: str, answer: Answer, *, error: bool) -> None:
        standing = self._standings.get(zone)
        if standing is None or standing.state is State.ASIDE or answer.unasked or self._ill():
            return
        now, wall, due = self._clock.monotonic(), self._clock.now(), standing.due
        if error:
            changed = standing.refused(self._error(zone, answer), now, wall)
            if changed and standing.state is State.WELL:
                log.warning("list %s is tested now, since %s; that does not count", zone, standing.doubt)
                changed = False
        else:
            changed = standing.heard(
                unknown=answer.unknown, why=self._lists[zone][0].redact(answer.why), now=now, wall=wall
            )
        if changed:
            self._tell(zone)
        if standing.due < due:
            self._called.set()

    # --- what people ask ------------------------------------------------------------------------------

    def report(self) -> list[Report]:
        """How every list stands."""
        now = self._clock.monotonic()
        return [
            Report(
                zone=zone,
                state=standing.state.value,
                reason=standing.reason or standing.doubt,
                without=dict(standing.without),
                since=standing.since,
                retry_in=max(0.0, standing.due - now),
            )
            for zone, standing in self._standings.items()
        ]

    def troubles(self) -> tuple[str, ...]:
        """A sentence for each list, or part or answer of one, that is not believed now."""
        found: list[str] = []
        for zone, standing in self._standings.items():
            if standing.state is State.ASIDE:
                found.append(f"the list {zone} is put aside: {standing.reason}")
            else:
                found += [f"the list {zone} is not asked: {why}" for why in standing.without.values()]
                if standing.doubt:
                    found.append(
                        f"the list {zone} gave an error answer, which does not count: {standing.doubt}"
                    )
        return tuple(found)

    # --- testing --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Test each list when it is due, until cancelled."""
        while True:
            await self.probe_due()
            self._called.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_due()):
                    await self._called.wait()

    async def probe_due(self) -> None:
        """Test the lists whose time has come."""
        now = self._clock.monotonic()
        await self._probe_these([zone for zone, s in self._standings.items() if s.due <= now])

    async def probe_all(self, within: float = 2.0) -> None:
        """Test every list now, in at most `within` seconds; those that are slower stay as they are."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._probe_these(self._standings)

    async def probe(self, zone: str) -> None:
        """Test one list now."""
        tests = await asyncio.gather(*(self._test(self._lists[zone][0], *e) for e in self._entries(zone)))
        outcome = examine(tests, key=bool(self._lists[zone][0].key))
        standing = self._standings[zone]
        now, wall = self._clock.monotonic(), self._clock.now()
        if self._ill() or any(test.why == UNASKED for test in tests):
            standing.postpone(now)
        elif standing.tested(self._with_former(outcome, tests, standing), now, wall):
            self._tell(zone)

    def take_over(self, former: "ListWatch") -> None:
        """Let lists stand as they stood in the watch before, where they are the same: for a reload."""
        for zone, lists in self._lists.items():
            if former._lists.get(zone) == lists:  # noqa: SLF001
                standing = former._standings[zone]  # noqa: SLF001
                standing.options = self._options
                self._standings[zone] = standing

    async def _probe_these(self, zones: Iterable[str]) -> None:
        await asyncio.gather(*(self.probe(zone) for zone in zones))

    def _entries(self, zone: str) -> list[tuple[str, bool]]:
        """Every entry to test, and whether it must be listed."""
        lists = self._lists[zone]
        must = dict.fromkeys(entry for which in lists for entry in which.must_list)
        must_not = dict.fromkeys(entry for which in lists for entry in which.must_not_list)
        kinds = sorted({kind for which in lists for kind in which.kinds})
        return [
            *((entry, True) for entry in must),
            *((entry, False) for entry in must_not),
            *((_never_listed(kind), False) for kind in kinds),
        ]

    async def _test(self, which: List, entry: str, must: bool) -> Trial:  # noqa: FBT001
        kind, labels = labels_of(entry)
        answer = await self._dns.ask(which.question(labels), Kind.A)
        if answer.unknown:
            return Trial(kind, entry, must, Seen.UNKNOWN, which.redact(answer.why))
        if answer.absent:
            return Trial(kind, entry, must, Seen.ABSENT)
        error = judge(which, answer.records).error
        return Trial(kind, entry, must, Seen.ERROR if error else Seen.LISTED, error)

    def _error(self, zone: str, answer: Answer) -> str:
        """What an error answer means: each use of a zone may know answers of its own."""
        errors = (judge(which, answer.records).error for which in self._lists[zone])
        return next(filter(None, errors), "it gives an error answer")

    def _with_former(self, outcome: Outcome, tests: Sequence[Trial], standing: Standing) -> Outcome:
        """A kind whose test had no answer stays as it was."""
        unknown = {test.kind for test in tests if test.must and test.seen is Seen.UNKNOWN}
        kept = {kind: why for kind, why in standing.without.items() if kind in unknown}
        return msgspec.structs.replace(outcome, without={**kept, **outcome.without}) if kept else outcome

    def _until_due(self) -> float:
        if not self._standings:
            return self._options.interval
        now = self._clock.monotonic()
        return max(SHORTEST_PAUSE, min(standing.due for standing in self._standings.values()) - now)

    def _tell(self, zone: str) -> None:
        """Something changed: say it once, and let everybody look anew."""
        self._version += 1
        self._called.set()
        standing = self._standings[zone]
        if standing.state is State.ASIDE:
            pause = Duration(round(standing.due - self._clock.monotonic()))
            log.warning("list %s is put aside: %s; tried again in %s", zone, standing.reason, pause)
        else:
            log.info("list %s is believed", zone)
            for why in standing.without.values():
                log.warning("list %s is not asked about some: %s", zone, why)


def _never_listed(kind: str) -> str:
    """An entry that no list has, another one each time: a reserved address or name (RFC 6890, 6761)."""
    if kind == "ip4":
        return str(IPv4Address((240 << 24) + secrets.randbelow(1 << 24)))
    if kind == "ip6":
        return str(IPv6Address((0x20010DB8 << 96) + secrets.randbits(96)))
    return f"{secrets.token_hex(8)}.invalid"
