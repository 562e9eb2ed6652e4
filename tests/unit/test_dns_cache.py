"""The one cache: bounded, on the clock it is given, one flight for each question."""

import asyncio

import pytest

from gatepost.clock import FakeClock
from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.cache import SHORTEST, CachingResolver, Keep
from gatepost.dns.zone import Zone


class Fixed:
    """Gives the same answer to everything, and counts."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = 0

    async def ask(self, name: str, kind: Kind) -> Answer:
        self.asked += 1
        await asyncio.sleep(0)
        return self.answer


def found(ttl: float, *records: str) -> Answer:
    return Answer(Status.FOUND, records or ("192.0.2.1",), ttl)


@pytest.mark.parametrize(
    ("answer", "ttl"),
    [
        (found(300), 300),
        (found(0), SHORTEST),
        (found(10**9), 3600),
        (Answer(Status.ABSENT, ttl=50, why="nxdomain"), 50),
        (Answer(Status.ABSENT, ttl=10**9, why="nodata"), 900),
        (Answer(Status.UNKNOWN, why="timeout"), 2),
        (Answer(Status.UNKNOWN, ttl=10**9, why="timeout"), 2),
    ],
)
def test_each_answer_is_kept_as_long_as_it_may(answer, ttl):
    async def run():
        clock, upstream = FakeClock(), Fixed(answer)
        cache = CachingResolver(upstream, clock)
        assert (await cache.ask("a.example", Kind.A)).ttl == ttl
        clock.advance(ttl - 0.25)
        again = await cache.ask("a.example", Kind.A)
        assert (again.status, again.records, again.why) == (answer.status, answer.records, answer.why)
        assert again.ttl == pytest.approx(0.25)
        assert upstream.asked == 1
        clock.advance(0.25)
        await cache.ask("a.example", Kind.A)
        assert upstream.asked == 2

    asyncio.run(run())


def test_a_wall_clock_set_back_changes_nothing():
    async def run():
        clock, upstream = FakeClock(), Fixed(found(60))
        cache = CachingResolver(upstream, clock)
        await cache.ask("a.example", Kind.A)
        clock.set_back(3600)
        clock.advance(60)
        await cache.ask("a.example", Kind.A)
        assert upstream.asked == 2

    asyncio.run(run())


def test_peek_answers_from_memory_only():
    async def run():
        zone = Zone({"a.example A": "192.0.2.1"})
        cache = CachingResolver(zone, FakeClock())
        assert cache.peek("a.example", Kind.A) is None
        asked = await cache.ask("a.example", Kind.A)
        assert cache.peek("A.Example.", Kind.A) == asked
        assert cache.peek("a.example", Kind.AAAA) is None
        assert zone.asked == [("a.example", Kind.A)]

    asyncio.run(run())


def test_the_least_recently_used_answer_goes_first():
    async def run():
        cache = CachingResolver(Fixed(found(60)), FakeClock(), Keep(entries=3))
        for name in ("a", "b", "c", "a", "d"):
            await cache.ask(name, Kind.A)
        assert [name for name in "abcd" if cache.peek(name, Kind.A)] == ["a", "c", "d"]
        assert cache.stats()["entries"] == 3

    asyncio.run(run())


def test_a_large_answer_takes_the_place_of_several():
    async def run():
        cache = CachingResolver(Fixed(found(60)), FakeClock(), Keep(entries=10))
        for number in range(10):
            await cache.ask(str(number), Kind.A)
        cache._upstream = Fixed(found(60, "x" * 512 * 4))
        await cache.ask("large", Kind.TXT)
        assert cache.stats()["entries"] == 6
        cache._upstream = Fixed(found(60, "x" * 512 * 40))
        await cache.ask("larger than everything", Kind.TXT)
        assert cache.stats()["entries"] == 0
        await cache.ask("y" * 512 * 4, Kind.A)
        assert cache.stats()["entries"] == 0

    asyncio.run(run())


def test_an_answer_renewed_takes_its_place_once():
    async def run():
        clock = FakeClock()
        cache = CachingResolver(Fixed(found(1)), clock, Keep(entries=100))
        for _ in range(300):
            await cache.ask("a.example", Kind.A)
            clock.advance(2)
        assert cache._slots == 1

    asyncio.run(run())


def test_many_that_ask_together_fly_once_and_are_counted():
    async def run():
        upstream = Fixed(found(60))
        cache = CachingResolver(upstream, FakeClock())
        await asyncio.gather(*(cache.ask("a.example", Kind.A) for _ in range(20)))
        await cache.ask("a.example", Kind.A)
        assert upstream.asked == 1
        assert cache.stats() == {"hits": 1, "misses": 1, "joined": 19, "entries": 1, "under_way": 0}

    asyncio.run(run())


def test_forgotten_answers_are_asked_again():
    async def run():
        upstream = Fixed(found(60))
        cache = CachingResolver(upstream, FakeClock())
        await cache.ask("a.example", Kind.A)
        cache.clear()
        assert cache.peek("a.example", Kind.A) is None
        assert cache.stats()["entries"] == 0

    asyncio.run(run())


def test_an_answer_under_way_when_all_is_forgotten_is_not_remembered():
    async def run():
        cache = CachingResolver(Fixed(found(60)), FakeClock())
        asking = asyncio.create_task(cache.ask("a.example", Kind.A))
        await asyncio.sleep(0)
        cache.clear()
        assert (await asking).found
        assert cache.peek("a.example", Kind.A) is None

    asyncio.run(run())


def test_close_gives_up_what_is_under_way_and_who_asked_gets_an_answer():
    async def run():
        cache = CachingResolver(Zone({"a.example": "!hang"}), FakeClock())
        asking = [asyncio.create_task(cache.ask("a.example", Kind.A)) for _ in range(2)]
        await asyncio.sleep(0)
        await cache.close()
        assert [Status.UNKNOWN] * 2 == [(await one).status for one in asking]
        assert cache.stats()["under_way"] == 0

    asyncio.run(run())


def test_who_is_cancelled_while_he_asks_stays_cancelled():
    async def run():
        cache = CachingResolver(Zone({"a.example": "!hang"}), FakeClock())
        asking = asyncio.create_task(cache.ask("a.example", Kind.A))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await cache.close()

    asyncio.run(run())
