"""Whether our own resolver can be believed: what a doctor asks it, and what follows from the answers.

Strangers choose most of the names that we ask for, and can make any number of
them fail. So traffic alone never makes the resolver ill; many questions in a
row without usable answer only have it examined now instead of later:

- The probe, the root's NS records, and names that nobody can have chosen, must
  be answered at all. If one is not, and traffic is not answered either, then
  nothing answers. (Traffic counts, since a server for a closed net may know
  no root and yet be right in all that it says.)
- Names that nobody can have chosen must not exist. If one does, everything
  resolves: a hijacking provider, a portal. Then no answer proves anything.

`Health` is pure; `Doctor` does the asking. Neither raises, except when cancelled.
"""

import asyncio
import secrets
import string
from collections import deque
from collections.abc import Callable, Iterable

from gatepost.clock import Clock
from gatepost.dns.base import Answer, Kind, Resolver

AGAIN = 5.0
"""Seconds to the next examination of an ill resolver; also the least time between two."""
_HEARD = 20
_FRESH = 60.0
"""So many answers of traffic, and no older ones (seconds), tell whether traffic is answered."""


class Health:
    """What is known of the resolver's health: a state machine without any asking."""

    def __init__(self, clock: Clock, *, suspicious_after: int = 10) -> None:
        self._clock = clock
        self._suspicious_after = suspicious_after
        self._silent = ""
        self._lies = ""
        self._in_a_row = 0
        self._heard: deque[tuple[float, bool]] = deque(maxlen=_HEARD)

    @property
    def ill(self) -> str:
        """Why the resolver cannot be believed, a sentence for people; empty when it is well."""
        if self._lies:
            return self._lies
        return self._silent if self._silent and not self._traffic_is_answered() else ""

    @property
    def lies(self) -> bool:
        """Whether names resolve that cannot exist."""
        return bool(self._lies)

    @property
    def suspicious(self) -> bool:
        """So many questions in a row went wrong that an examination is due."""
        return self._in_a_row >= self._suspicious_after

    def heard(self, answer: Answer) -> None:
        """An answer to a question of traffic, as the name servers gave it (not from the cache)."""
        self._in_a_row = self._in_a_row + 1 if answer.unknown else 0
        self._heard.append((self._clock.monotonic(), not answer.unknown))

    def examined(self, probe: Answer, canaries: dict[str, Answer]) -> None:
        """An examination's outcome: the probe's answer, and those for names that cannot exist."""
        self._in_a_row = 0
        found = [name for name, answer in canaries.items() if answer.found]
        self._lies = f'names that cannot exist resolve, such as "{found[0]}"' if found else ""
        unanswered = [answer.why for answer in (probe, *canaries.values()) if answer.unknown]
        self._silent = f"the name servers give no usable answers ({unanswered[0]})" if unanswered else ""

    def _traffic_is_answered(self) -> bool:
        since = self._clock.monotonic() - _FRESH
        fresh = [useful for when, useful in self._heard if when >= since]
        return sum(fresh) * 2 > len(fresh)


class Doctor:
    """Examines the resolver, and hears its traffic: a Resolver to be put between cache and servers."""

    def __init__(
        self,
        upstream: Resolver,
        health: Health,
        *,
        probe: str = ".",
        canaries: Iterable[str] = ("invalid", "com"),
        every: float = 60.0,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take on a patient.

        Args:
            upstream: asks the name servers; no cache.
            health: what is found out goes there.
            probe: a name whose NS records must be answered for, existing or not.
            canaries: domains in which random names do not exist.
            every: seconds between two examinations while all is well.
            changed: told when the resolver begins or ceases to lie: what is remembered is worthless then.
        """
        self._upstream = upstream
        self._health = health
        self._probe = probe
        self._canaries = tuple(canaries)
        self._every = every
        self._changed = changed
        self._called = asyncio.Event()

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Pass the question on, and hear the answer."""
        answer = await self._upstream.ask(name, kind)
        if answer.unasked:
            return answer
        self._health.heard(answer)
        if self._health.suspicious:
            self._called.set()
        return answer

    async def probe_once(self) -> str:
        """Examine now; why the resolver is ill, or empty."""
        names = [f"{_random_label()}.{domain}" for domain in self._canaries]
        probe, *canaries = await asyncio.gather(
            self._upstream.ask(self._probe, Kind.NS),
            *(self._upstream.ask(name, Kind.A) for name in names),
        )
        if probe.unasked or any(canary.unasked for canary in canaries):
            return self._health.ill  # nothing was learned
        lied = self._health.lies
        self._health.examined(probe, dict(zip(names, canaries, strict=True)))
        if lied != self._health.lies:
            self._changed()
        return self._health.ill

    async def run(self) -> None:
        """Examine now, at intervals, on suspicion, and often while ill; until cancelled."""
        while True:
            ill = await self.probe_once()
            self._called.clear()
            await asyncio.sleep(AGAIN)  # also when called: strangers must not set the pace
            if not ill:
                await self._until_called(self._every - AGAIN)

    async def _until_called(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._called.wait()
        except TimeoutError:
            return


def _random_label() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(20))
