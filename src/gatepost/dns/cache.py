"""The one memory of answers: before any Resolver, bounded, by the TTLs that the zones give.

Answers are kept by RFC 1035 and, what is absent, RFC 2308 (`record` computes
the TTL), between one second and a longest time; what is UNKNOWN a moment
only, so that a dead server is not hammered. One question is under way once,
however many ask it; whoever stops waiting does not stop the others, nor the
answer from being remembered.
"""

import asyncio
from collections import OrderedDict

import msgspec

from gatepost.clock import Clock
from gatepost.dns.base import Answer, Kind, Resolver, Status
from gatepost.dns.record import plain, unknown

SHORTEST = 1.0
"""Seconds an answer is kept at least, even with a TTL of 0: as long as one SMTP session asks for it."""
OCTETS_PER_SLOT = 512
"""Text of this length counts as one more entry, so that large TXT records cannot fill the memory."""


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept, and how long at most (seconds); `DnsOptions` tells what each means."""

    entries: int = 20_000
    longest: float = 3600.0
    longest_absent: float = 900.0
    unknown: float = 2.0


class _Entry(msgspec.Struct, frozen=True, gc=False):
    answer: Answer
    until: float
    slots: int


class CachingResolver:
    """Answers from memory, else asks `upstream` and remembers."""

    def __init__(self, upstream: Resolver, clock: Clock, keep: Keep | None = None) -> None:
        self._upstream = upstream
        self._clock = clock
        self._keep = keep or Keep()
        self._longest = {
            Status.FOUND: self._keep.longest,
            Status.ABSENT: self._keep.longest_absent,
        }
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()
        self._flights: dict[tuple[str, int], asyncio.Task[Answer]] = {}
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._slots = 0
        self._hits = 0
        self._misses = 0
        self._joined = 0

    def peek(self, name: str, kind: Kind) -> Answer | None:
        """The answer when it is remembered, without waiting for anybody; None when it must be asked."""
        return self._remembered((plain(name), kind))

    async def ask(self, name: str, kind: Kind) -> Answer:
        """The records of `kind` at `name`; `ttl` is what remains of it. Raises only when cancelled."""
        name = plain(name)
        key = (name, kind)
        remembered = self._remembered(key)
        if remembered is not None:
            return remembered
        flight = self._flights.get(key)
        if flight is None:
            self._misses += 1
            flight = asyncio.get_running_loop().create_task(self._fly(name, kind))
            self._flights[key] = flight
            self._tasks.add(flight)
            flight.add_done_callback(self._tasks.discard)
        else:
            self._joined += 1
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            asking = asyncio.current_task()
            if asking is not None and asking.cancelling():
                raise
            return unknown("given up")  # we were closed, and who asks was not: a reload is no reason to end

    def clear(self) -> None:
        """Forget all answers, those under way too: what a lying resolver said is worth nothing later."""
        self._flights.clear()
        self._entries.clear()
        self._slots = 0

    def stats(self) -> dict[str, int]:
        """For `status`: answered from memory, passed on, joined to one under way; and what is held now."""
        return {
            "hits": self._hits,
            "misses": self._misses,
            "joined": self._joined,
            "entries": len(self._entries),
            "under_way": len(self._tasks),
        }

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flights.clear()

    def _remembered(self, key: tuple[str, int]) -> Answer | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        remaining = entry.until - self._clock.monotonic()
        if remaining <= 0:
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        self._hits += 1
        answer = entry.answer
        return Answer(answer.status, answer.records, remaining, answer.why)

    async def _fly(self, name: str, kind: Kind) -> Answer:
        key = (name, kind)
        try:
            answer = await self._upstream.ask(name, kind)
        finally:
            wanted = self._flights.get(key) is asyncio.current_task()
            if wanted:
                del self._flights[key]
        return self._remember(key, answer) if wanted else answer

    def _remember(self, key: tuple[str, int], answer: Answer) -> Answer:
        if answer.unknown:
            ttl = self._keep.unknown
        else:
            ttl = min(max(answer.ttl, SHORTEST), self._longest[answer.status])
        answer = msgspec.structs.replace(answer, ttl=ttl)
        if ttl <= 0:
            return answer
        slots = 1 + (len(key[0]) + sum(map(len, answer.records))) // OCTETS_PER_SLOT
        self._forget(key)
        self._entries[key] = _Entry(answer, self._clock.monotonic() + ttl, slots)
        self._slots += slots
        while self._slots > self._keep.entries:
            self._forget(next(iter(self._entries)))
        return answer

    def _forget(self, key: tuple[str, int]) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._slots -= entry.slots
