"""Every store says the same: one suite over all back-ends, on the same clock."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from gatepost.clock import FakeClock
from gatepost.store.base import (
    Ban,
    Brought,
    BroughtClient,
    JournalEntry,
    ListEntry,
    Meeting,
    Outcome,
    Past,
    Store,
    Terms,
    Triplet,
    Trusted,
)
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

T = TypeVar("T")
DAY = 86400.0
TERMS = Terms(delay=60, retry_window=2 * DAY, keep=35 * DAY)
TRIPLET = Triplet("192.0.2.0/24", "ann@example.org", "bob@example.net")

Play = Callable[[Store, FakeClock], Awaitable[None]]


@pytest.fixture(params=["memory", "sqlite", "sqlite with small caches"])
def options(request, tmp_path: Path) -> StoreOptions:
    if request.param == "memory":
        return StoreOptions(url="memory:")
    url = f"sqlite:{tmp_path}/state/gatepost.db"
    if request.param == "sqlite":
        return StoreOptions(url=url)
    return StoreOptions(url=url, cached_triplets=2, cached_clients=2)


def play(options: StoreOptions, what: Play) -> None:
    """Open a store, play with it, close it; nothing may be wrong at the end."""

    async def run() -> None:
        clock = FakeClock()
        store = open_store(options, clock)
        await store.open()
        try:
            await what(store, clock)
            assert () == store.troubles()
        finally:
            await store.close()

    asyncio.run(run())


async def value(answer: T | Awaitable[T]) -> T:
    return await answer if inspect.isawaitable(answer) else answer  # type: ignore[return-value]


async def meet(store: Store, clock: FakeClock, triplet: Triplet = TRIPLET, terms: Terms = TERMS) -> Meeting:
    return await value(store.greylist.meet(triplet, clock.now(), terms))


async def outcome(
    store: Store, clock: FakeClock, triplet: Triplet = TRIPLET, terms: Terms = TERMS
) -> Outcome:
    return (await meet(store, clock, triplet, terms)).outcome


def of(number: int, network: str = "192.0.2.0/24") -> Triplet:
    return Triplet(network, "ann@example.org", f"user{number}@example.net")


# --- triplets ------------------------------------------------------------------------------------------


def test_a_triplet_waits_then_passes_then_is_known(options):
    async def what(store: Store, clock: FakeClock) -> None:
        began = clock.now()
        assert Meeting(Outcome.NEW, began, 60) == await meet(store, clock)
        clock.advance(20)
        assert Meeting(Outcome.EARLY, began, 40) == await meet(store, clock)
        clock.advance(40)
        assert Meeting(Outcome.PASSED, began) == await meet(store, clock)
        assert Meeting(Outcome.KNOWN, began) == await meet(store, clock)
        clock.advance(30 * DAY)
        assert Meeting(Outcome.KNOWN, began) == await meet(store, clock)
        clock.advance(30 * DAY)
        assert Meeting(Outcome.KNOWN, began) == await meet(store, clock)
        clock.advance(36 * DAY)
        assert Meeting(Outcome.NEW, clock.now(), 60) == await meet(store, clock)

    play(options, what)


def test_a_retry_after_the_window_starts_anew(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock)
        clock.advance(2 * DAY + 1)
        assert Meeting(Outcome.NEW, clock.now(), 60) == await meet(store, clock)
        clock.advance(61)
        assert Outcome.PASSED == await outcome(store, clock)

    play(options, what)


def test_a_second_mx_a_second_later_passes_when_the_delay_is_a_second(options):
    async def what(store: Store, clock: FakeClock) -> None:
        terms = Terms(delay=1)
        assert Outcome.NEW == await outcome(store, clock, terms=terms)
        clock.advance(1)
        assert Outcome.PASSED == await outcome(store, clock, terms=terms)

    play(options, what)


def test_every_part_of_the_triplet_counts(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock)
        clock.advance(61)
        for other in (
            Triplet("192.0.3.0/24", TRIPLET.sender, TRIPLET.recipient),
            Triplet(TRIPLET.network, "", TRIPLET.recipient),
            Triplet(TRIPLET.network, TRIPLET.sender, TRIPLET.recipient.upper()),
        ):
            assert Outcome.NEW == await outcome(store, clock, other)
        assert Outcome.PASSED == await outcome(store, clock)

    play(options, what)


@pytest.mark.parametrize(
    "odd", ["nul\0byte@x", "lone\ud800@x", "tab\tnew\nline@x", "quote'\"\\@x", "*@*", "ü@ü", "x" * 5000]
)
def test_text_from_hostile_strangers_is_only_text(options, odd):
    async def what(store: Store, clock: FakeClock) -> None:
        triplet = Triplet("192.0.2.0/24", odd, odd)
        assert Outcome.NEW == await outcome(store, clock, triplet)
        clock.advance(61)
        assert Outcome.NEW == await outcome(store, clock)
        assert Outcome.PASSED == await outcome(store, clock, triplet)
        assert Outcome.KNOWN == await outcome(store, clock, triplet)

    play(options, what)


def test_two_questions_about_one_new_triplet_at_once_agree(options):
    async def what(store: Store, clock: FakeClock) -> None:
        found = await asyncio.gather(*(meet(store, clock) for _ in range(50)))
        assert [Outcome.NEW, *[Outcome.EARLY] * 49] == [meeting.outcome for meeting in found]
        assert {clock.now()} == {meeting.first for meeting in found}
        assert {60} == {meeting.wait for meeting in found}

    play(options, what)


def test_a_waiter_that_gives_up_harms_nobody(options):
    async def what(store: Store, clock: FakeClock) -> None:
        tasks = [asyncio.ensure_future(meet(store, clock, of(n))) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for number in range(1, 20, 2):
            assert Outcome.EARLY == await outcome(store, clock, of(number))

    play(options, what)


# --- a clock set back ----------------------------------------------------------------------------------


def test_a_clock_set_back_an_hour_starts_a_waiting_triplet_anew(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock)
        clock.set_back(3600)
        assert Meeting(Outcome.NEW, clock.now(), 60) == await meet(store, clock)
        clock.advance(61)
        assert Outcome.PASSED == await outcome(store, clock)

    play(options, what)


def test_a_clock_set_back_a_little_lets_a_mail_wait_on(options):
    async def what(store: Store, clock: FakeClock) -> None:
        began = clock.now()
        await meet(store, clock)
        clock.set_back(30)
        assert Meeting(Outcome.EARLY, began, 90) == await meet(store, clock)

    play(options, what)


def test_a_clock_set_back_never_makes_known_mail_wait(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock)
        clock.advance(61)
        await meet(store, clock)
        clock.set_back(400 * DAY)
        assert Outcome.KNOWN == await outcome(store, clock)
        clock.advance(36 * DAY)
        assert Outcome.NEW == await outcome(store, clock)

    play(options, what)


# --- recipients of one mail ----------------------------------------------------------------------------


def test_all_recipients_of_a_mail_may_start_together_and_any_of_them_come_back(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock, of(0))
        await store.greylist.start([of(1), of(2)], clock.now(), TERMS)
        clock.advance(61)
        assert Outcome.PASSED == await outcome(store, clock, of(2))
        assert Outcome.PASSED == await outcome(store, clock, of(0))
        assert Outcome.NEW == await outcome(store, clock, of(3))

    play(options, what)


def test_starting_again_neither_shortens_nor_lengthens_a_wait_nor_lets_it_pass(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await store.greylist.start([TRIPLET], clock.now(), TERMS)
        clock.advance(70)
        await store.greylist.start([TRIPLET], clock.now(), TERMS)
        assert {"waiting": 1, "passed": 0, "clients": 0} == await store.greylist.count()
        assert Outcome.PASSED == await outcome(store, clock)
        await store.greylist.start([TRIPLET], clock.now(), TERMS)
        assert Outcome.KNOWN == await outcome(store, clock)

    play(options, what)


def test_other_recipients_of_a_mail_that_passed_are_known(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock, of(1))
        store.greylist.accept([of(1), of(2)], clock.now(), TERMS)
        await store.greylist.start([], clock.now(), TERMS)
        await meet(store, clock, of(9))
        assert Outcome.KNOWN == await outcome(store, clock, of(1))
        assert Outcome.KNOWN == await outcome(store, clock, of(2))
        assert {"waiting": 1, "passed": 2, "clients": 0} == await store.greylist.count()

    play(options, what)


# --- networks that prove themselves --------------------------------------------------------------------


async def succeed(store: Store, clock: FakeClock, number: int, network: str = TRIPLET.network) -> None:
    await meet(store, clock, of(number, network))
    clock.advance(60)
    assert Outcome.PASSED == await outcome(store, clock, of(number, network))


def test_a_network_that_came_back_five_times_passes_at_once(options):
    async def what(store: Store, clock: FakeClock) -> None:
        for number in range(5):
            await succeed(store, clock, number)
            clock.advance(3600)
        assert Outcome.CLIENT == await outcome(store, clock, of(99))
        assert Outcome.NEW == await outcome(store, clock, of(99, "198.51.100.0/24"))
        assert Outcome.NEW == await outcome(store, clock, of(98), Terms(clients_after=0))
        clock.advance(36 * DAY)
        assert Outcome.NEW == await outcome(store, clock, of(99))

    play(options, what)


def test_successes_of_one_hour_count_once(options):
    async def what(store: Store, clock: FakeClock) -> None:
        for number in range(8):
            await succeed(store, clock, number)
        assert Outcome.NEW == await outcome(store, clock, of(99))

    play(options, what)


def test_a_proven_network_is_remembered_from_its_last_mail(options):
    async def what(store: Store, clock: FakeClock) -> None:
        for number in range(5):
            await succeed(store, clock, number)
            clock.advance(3600)
        for number in range(5):
            clock.advance(30 * DAY)
            assert Outcome.CLIENT == await outcome(store, clock, of(100 + number))

    play(options, what)


# --- dictionary attacks --------------------------------------------------------------------------------

FEW = Terms(pending_per_network=3)


def test_a_dictionary_attack_is_bounded_and_what_was_said_is_remembered(options):
    async def what(store: Store, clock: FakeClock) -> None:
        began = clock.now()
        for number in range(3):
            assert Outcome.NEW == await outcome(store, clock, of(number), FEW)
        assert Meeting(Outcome.NEW, began, 60) == await meet(store, clock, of(3), FEW)
        clock.advance(10)
        for number in range(4, 30):
            assert Meeting(Outcome.EARLY, began, 50) == await meet(store, clock, of(number), FEW)
        assert {"waiting": 4, "passed": 0, "clients": 0} == await store.greylist.count()
        assert Outcome.NEW == await outcome(store, clock, of(0, "198.51.100.0/24"), FEW)
        clock.advance(51)
        assert Outcome.PASSED == await outcome(store, clock, of(17), FEW)
        assert Outcome.PASSED == await outcome(store, clock, of(1), FEW)
        assert Outcome.PASSED == await outcome(store, clock, of(29), FEW)
        assert {"waiting": 4, "passed": 1, "clients": 1} == await store.greylist.count()

    play(options, what)


def test_a_crowded_network_starts_anew_after_the_retry_window(options):
    async def what(store: Store, clock: FakeClock) -> None:
        for number in range(5):
            await meet(store, clock, of(number), FEW)
        clock.advance(2 * DAY + 1)
        await store.greylist.expire(clock.now(), FEW)
        for number in range(3, 6):
            assert Outcome.NEW == await outcome(store, clock, of(number), FEW)
        clock.advance(61)
        for number in range(3, 6):
            assert Outcome.PASSED == await outcome(store, clock, of(number), FEW)
        assert {"waiting": 0, "passed": 3, "clients": 1} == await store.greylist.count()

    play(options, what)


def test_a_flood_does_not_prove_its_network(options):
    async def what(store: Store, clock: FakeClock) -> None:
        for number in range(20):
            await meet(store, clock, of(number), FEW)
        for number in range(10, 20):
            clock.advance(3601)
            assert Outcome.PASSED == await outcome(store, clock, of(number), FEW)
        assert 0 == (await store.greylist.count())["clients"]

    play(options, what)


# --- forgetting ----------------------------------------------------------------------------------------


def test_expiry_forgets_what_is_over_and_nothing_else(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await succeed(store, clock, 1)
        await meet(store, clock, of(2))
        clock.advance(1.5 * DAY)
        await meet(store, clock, of(3))
        assert 0 == await store.greylist.expire(clock.now(), TERMS)
        clock.advance(DAY)
        assert 1 == await store.greylist.expire(clock.now(), TERMS)
        assert {"waiting": 1, "passed": 1, "clients": 1} == await store.greylist.count()
        clock.advance(40 * DAY)
        assert 3 == await store.greylist.expire(clock.now(), TERMS)
        assert {"waiting": 0, "passed": 0, "clients": 0} == await store.greylist.count()

    play(options, what)


def test_a_triplet_met_with_the_clock_far_back_is_forgotten_like_any_other(options):
    async def what(store: Store, clock: FakeClock) -> None:
        store.greylist.accept([TRIPLET], clock.now(), TERMS)
        clock.set_back(40 * DAY)
        assert Outcome.KNOWN == await outcome(store, clock)
        clock.advance(36 * DAY)
        assert 1 == await store.greylist.expire(clock.now(), TERMS)
        assert {"waiting": 0, "passed": 0, "clients": 0} == await store.greylist.count()

    play(options, what)


def test_what_expiry_forgot_stays_forgotten_when_the_clock_is_set_back(options):
    async def what(store: Store, clock: FakeClock) -> None:
        store.greylist.accept([TRIPLET], clock.now(), TERMS)
        assert Outcome.KNOWN == await outcome(store, clock)
        clock.advance(35 * DAY + 100)
        assert 1 == await store.greylist.expire(clock.now(), TERMS)
        clock.set_back(200)
        assert Outcome.NEW == await outcome(store, clock)

    play(options, what)


def test_a_proven_network_that_expiry_forgot_stays_forgotten_when_the_clock_is_set_back(options):
    async def what(store: Store, clock: FakeClock) -> None:
        terms = Terms(delay=60, clients_after=1)
        await meet(store, clock, terms=terms)
        clock.advance(60)
        assert Outcome.PASSED == await outcome(store, clock, terms=terms)
        assert Outcome.CLIENT == await outcome(store, clock, of(2), terms)
        clock.advance(35 * DAY + 100)
        assert 2 == await store.greylist.expire(clock.now(), terms)
        clock.set_back(200)
        assert Outcome.NEW == await outcome(store, clock, of(3), terms)

    play(options, what)


def test_expiry_takes_more_than_one_step(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await store.greylist.start([of(n, f"10.0.{n % 250}.0/24") for n in range(1700)], clock.now(), TERMS)
        clock.advance(3 * DAY)
        assert 1700 == await store.greylist.expire(clock.now(), TERMS)

    play(options, what)


# --- lists ---------------------------------------------------------------------------------------------


def test_list_entries_are_replaced_removed_and_run_out(options):
    async def what(store: Store, clock: FakeClock) -> None:
        now = clock.now()
        first = await store.lists.add(ListEntry(list="allow", what="192.0.2.1", looks_at="client", added=now))
        await store.lists.add(ListEntry(list="deny", what="192.0.2.1", looks_at="client"))
        again = await store.lists.add(
            ListEntry(
                list="allow", what="192.0.2.1", looks_at="client", comment='it\'s "ours"', expires=now + 60
            )
        )
        assert first.id != again.id
        assert [("deny", ""), ("allow", 'it\'s "ours"')] == [
            (entry.list, entry.comment) for entry in await store.lists.entries(now)
        ]
        assert again == (await store.lists.entries(now))[1]
        assert ["deny"] == [entry.list for entry in await store.lists.entries(now + 60)]
        assert 0 == await store.lists.remove("deny", "192.0.2.1", "helo")
        assert 1 == await store.lists.remove("deny", "192.0.2.1", "client")
        assert 1 == await store.lists.remove("allow", "192.0.2.1")
        assert [] == await store.lists.entries(now)

    play(options, what)


def test_the_version_of_the_lists_changes_with_them_only(options):
    async def what(store: Store, clock: FakeClock) -> None:
        seen = [await store.lists.version()]
        await store.lists.add(ListEntry(list="expect", what="bob@example.net", looks_at="recipient"))
        seen.append(await store.lists.version())
        await store.lists.add(
            ListEntry(list="expect", what="bob@example.net", looks_at="recipient", scope="greylist")
        )
        seen.append(await store.lists.version())
        await store.lists.remove("expect", "bob@example.net")
        seen.append(await store.lists.version())
        assert 4 == len(set(seen))
        await store.lists.remove("expect", "bob@example.net")
        store.correspondents.learn("carl@example.com", clock.now())
        await store.correspondents.count()
        assert seen[-1] == await store.lists.version()

    play(options, what)


# --- correspondents ------------------------------------------------------------------------------------


def test_whom_we_wrote_to_is_known_for_a_while(options):
    async def what(store: Store, clock: FakeClock) -> None:
        store.correspondents.learn("carl@example.com", clock.now())
        assert await value(store.correspondents.knows("carl@example.com", clock.now(), DAY))
        assert not await value(store.correspondents.knows("dora@example.com", clock.now(), DAY))
        assert 1 == await store.correspondents.count()
        clock.advance(DAY + 1)
        assert not await value(store.correspondents.knows("carl@example.com", clock.now(), DAY))
        assert await value(store.correspondents.knows("carl@example.com", clock.now(), 2 * DAY))
        store.correspondents.learn("carl@example.com", clock.now())
        assert await value(store.correspondents.knows("carl@example.com", clock.now(), DAY))
        assert 1 == await store.correspondents.count()

    play(options, what)


# --- journal -------------------------------------------------------------------------------------------


def verdict(number: int, **fields: object) -> JournalEntry:
    given: dict[str, object] = {
        "time": 1_700_000_000.25 + number,
        "reference": f"ref{number}",
        "stage": "RCPT",
        "action": "defer",
        "reply": "450 4.7.1 later",
        "score": 1.5,
        "decided_by": "greylist.new",
        "client_address": "192.0.2.7",
        "client_name": "unknown",
        "reverse_client_name": "unknown",
        "helo_name": "mail.example.org",
        "sender": "Ann@Example.org",
        "recipient": "bob@example.net",
        "instance": f"i{number}",
        "findings": (
            {"rule": "greylist.new", "worth": "defer", "text": "ü\0", "detail": "", "excused_by": ""},
        ),
    }
    return JournalEntry(**(given | fields))  # type: ignore[arg-type]


def test_verdicts_are_found_by_whatever_names_them(options):
    mail = [
        verdict(1),
        verdict(2, client_address="192.0.3.7", sender="", instance="m2"),
        verdict(3, client_address="192.0.3.7", sender="", instance="m2", queue_id="4Fxyz"),
        verdict(4, client_address="2001:db8::7", sender="x@sub.example.org", recipient="Eve@example.com"),
    ]
    questions = {
        "ref1": [1],
        "4Fxyz": [3, 2],
        "192.0.2.7": [1],
        "192.0.3.7": [3, 2],
        "192.0.2.0/23": [3, 2, 1],
        "2001:db8::/32": [4],
        "2001:DB8:0::7": [4],
        "ann@example.org": [1],
        "<ANN@EXAMPLE.ORG>": [1],
        "@example.org": [1],
        "@example.net": [3, 2, 1],
        "eve@example.com": [4],
        "<>": [3, 2],
        "": [],
        "nobody": [],
        "ann@example": [],
        "' OR 1=1 --": [],
        "\0": [],
    }

    async def what(store: Store, clock: FakeClock) -> None:
        for entry in mail:
            store.journal.write(entry)
        await store.journal.flush()
        for question, numbers in questions.items():
            found = await store.journal.find(question)
            assert (question, [mail[n - 1] for n in numbers]) == (question, found)
        assert [mail[2]] == await store.journal.find("192.0.2.0/23", 1)

    play(options, what)


def test_old_verdicts_are_forgotten(options):
    async def what(store: Store, clock: FakeClock) -> None:
        for number in range(2500):
            store.journal.write(verdict(number))
        await store.journal.flush()
        assert 1200 == await store.journal.expire(1_700_000_000.25 + 1200 + 30 * DAY)
        assert [] == await store.journal.find("ref1199")
        assert 1 == len(await store.journal.find("ref1200"))

    play(options, what)


# --- brought from elsewhere ------------------------------------------------------------------------------


def brought(clock: FakeClock, triplet: Triplet = TRIPLET, *, ago: float, passed: bool) -> Brought:
    first = clock.now() - ago
    last = clock.now() - 10 if passed else first
    return Brought(triplet.network, triplet.sender, triplet.recipient, first, last, passed)


async def bring(store: Store, clock: FakeClock, *things: Brought | BroughtClient) -> dict[str, int]:
    triplets = [one for one in things if isinstance(one, Brought)]
    clients = [one for one in things if isinstance(one, BroughtClient)]
    found = await store.greylist.bring(triplets, clients, clock.now(), TERMS)
    return {name: count for name, count in found.items() if count}


def test_what_passed_elsewhere_is_known_here(options):
    async def what(store: Store, clock: FakeClock) -> None:
        assert {"taken": 1} == await bring(store, clock, brought(clock, ago=9 * DAY, passed=True))
        assert Meeting(Outcome.KNOWN, clock.now() - 9 * DAY) == await meet(store, clock)

    play(options, what)


def test_what_waits_elsewhere_goes_on_waiting_here(options):
    async def what(store: Store, clock: FakeClock) -> None:
        assert {"taken": 1} == await bring(store, clock, brought(clock, ago=20, passed=False))
        assert Meeting(Outcome.EARLY, clock.now() - 20, 40) == await meet(store, clock)
        clock.advance(40)
        assert Outcome.PASSED == await outcome(store, clock)

    play(options, what)


def test_the_same_again_changes_nothing(options):
    async def what(store: Store, clock: FakeClock) -> None:
        things = [
            brought(clock, ago=20, passed=False),
            brought(clock, of(1), ago=DAY, passed=True),
            brought(clock, of(1), ago=2 * DAY, passed=False),
            BroughtClient("198.51.100.0/24", 7, clock.now() - DAY),
        ]
        assert {"taken": 2, "clients": 1} == await bring(store, clock, *things)
        before = await store.greylist.count()
        assert {"known": 2} == await bring(store, clock, *things)
        assert {"waiting": 1, "passed": 1, "clients": 1} == before == await store.greylist.count()

    play(options, what)


def test_what_the_store_knows_better_stays(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock)
        clock.advance(61)
        assert Outcome.PASSED == await outcome(store, clock)
        assert {"known": 1} == await bring(store, clock, brought(clock, ago=5, passed=False))
        assert Outcome.KNOWN == await outcome(store, clock)

    play(options, what)


def test_several_of_theirs_that_are_one_here_pass_when_one_passed(options):
    async def what(store: Store, clock: FakeClock) -> None:
        both = [brought(clock, ago=DAY, passed=True), brought(clock, ago=10, passed=False)]
        for things in (both, list(reversed(both))):
            await bring(store, clock, *things)
            assert Outcome.KNOWN == await outcome(store, clock)

    play(options, what)


def test_what_is_over_is_not_brought(options):
    async def what(store: Store, clock: FakeClock) -> None:
        old = Brought(*msgspec.structs.astuple(TRIPLET), clock.now() - 50 * DAY, clock.now() - 40 * DAY, True)
        gone = BroughtClient(TRIPLET.network, 9, clock.now() - 40 * DAY)
        assert {"over": 2} == await bring(
            store, clock, old, brought(clock, of(1), ago=3 * DAY, passed=False), gone
        )
        assert {"waiting": 0, "passed": 0, "clients": 0} == await store.greylist.count()

    play(options, what)


def test_a_client_that_proved_itself_elsewhere_passes_here(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await meet(store, clock)
        assert {"clients": 1} == await bring(
            store, clock, BroughtClient(TRIPLET.network, TERMS.clients_after, clock.now() - DAY)
        )
        assert Outcome.CLIENT == await outcome(store, clock, of(5))

    play(options, what)


def test_a_crowd_that_waits_elsewhere_does_not_fill_the_store(options):
    async def what(store: Store, clock: FakeClock) -> None:
        crowd = [brought(clock, of(n), ago=10, passed=False) for n in range(TERMS.pending_per_network + 5)]
        assert {"taken": TERMS.pending_per_network, "crowded": 5} == await bring(store, clock, *crowd)

    play(options, what)


# --- bans ---------------------------------------------------------------------------------------------


def ban(clock: FakeClock, network: str, seconds: float | None = 600.0, **more: object) -> Ban:
    until = None if seconds is None else clock.now() + seconds
    return Ban(network=network, since=clock.now(), until=until, **more)


def test_a_ban_is_in_force_until_its_time_is_over_and_remembered_afterwards(options):
    async def what(store: Store, clock: FakeClock) -> None:
        one = ban(clock, "192.0.2.1", 600, reason="auth.failed 5x", origin="jail mail", offences=5, times=2)
        for_ever = ban(clock, "2001:db8::/64", None, evidence=("a line", "another"))
        await store.bans.put([one, for_ever])
        assert [one, for_ever] == await store.bans.active(clock.now())
        clock.advance(600)
        assert [for_ever] == await store.bans.active(clock.now())
        assert {"192.0.2.1": Past(2, one.until)} == await store.bans.past(["192.0.2.1", "192.0.2.2"])
        assert 1 == await store.bans.expire(clock.now() + 1, 0)
        assert {} == await store.bans.past(["192.0.2.1"])
        assert [for_ever] == await store.bans.active(clock.now())

    play(options, what)


def test_a_ban_replaces_that_of_the_same_network(options):
    async def what(store: Store, clock: FakeClock) -> None:
        await store.bans.put([ban(clock, "192.0.2.1", 60)])
        longer = ban(clock, "192.0.2.1", 6000)
        await store.bans.put([longer])
        assert [longer] == await store.bans.active(clock.now())

    play(options, what)


def test_a_ban_that_is_removed_is_over_and_forgotten(options):
    async def what(store: Store, clock: FakeClock) -> None:
        one, other = ban(clock, "192.0.2.1"), ban(clock, "192.0.2.2")
        await store.bans.put([one, other])
        assert [one] == await store.bans.remove(["192.0.2.1", "192.0.2.9"])
        assert [] == await store.bans.remove(["192.0.2.1"])
        assert [other] == await store.bans.active(clock.now())
        assert {} == await store.bans.past(["192.0.2.1"])
        clock.advance(601)
        assert [] == await store.bans.remove(["192.0.2.2"])

    play(options, what)


def test_the_version_of_bans_changes_with_them_only(options):
    async def what(store: Store, clock: FakeClock) -> None:
        versions = [await store.bans.version()]
        await store.bans.put([])
        await store.bans.remove(["192.0.2.1"])
        assert versions == [await store.bans.version()]
        await store.bans.put([ban(clock, "192.0.2.1")])
        versions.append(await store.bans.version())
        await store.bans.remove(["192.0.2.1"])
        versions.append(await store.bans.version())
        assert 3 == len(set(versions))

    play(options, what)


def test_trust_is_remembered_from_its_last_time(options):
    async def what(store: Store, clock: FakeClock) -> None:
        now = clock.now()
        await store.bans.trust([Trusted("192.0.2.1", "login", now), Trusted("192.0.2.2", "login", now - 50)])
        await store.bans.trust([Trusted("192.0.2.1", "login", now - 10), Trusted("192.0.2.2", "login", now)])
        both = [Trusted("192.0.2.1", "login", now), Trusted("192.0.2.2", "login", now)]
        assert both == sorted(await store.bans.trusted(now), key=lambda client: client.address)
        assert [] == await store.bans.trusted(now + 1)
        await store.bans.expire(0, now + 1)
        assert [] == await store.bans.trusted(0)

    play(options, what)


def test_where_reading_stands_in_logs_is_remembered(options):
    async def what(store: Store, _clock: FakeClock) -> None:
        assert {} == await store.bans.places()
        await store.bans.put_places({"/var/log/mail.log": "1", "journal": "2"})
        await store.bans.put_places({"/var/log/mail.log": "3"})
        assert {"/var/log/mail.log": "3"} == await store.bans.places()

    play(options, what)


def test_ten_thousand_bans_are_one_step(options):
    async def what(store: Store, clock: FakeClock) -> None:
        many = [ban(clock, f"10.{n // 65536}.{n // 256 % 256}.{n % 256}") for n in range(10_000)]
        await store.bans.put(many)
        assert 10_000 == len(await store.bans.active(clock.now()))

    play(options, what)


@pytest.mark.parametrize("odd", ["", "\0", "\ud800", "'; DROP TABLE ban; --", "x" * 10_000, "[198.51.100.9]"])
def test_what_a_stranger_wrote_stays_text_in_a_ban(options, odd):
    async def what(store: Store, clock: FakeClock) -> None:
        await store.bans.put([ban(clock, "192.0.2.1", reason=odd, evidence=(odd,))])
        (found,) = await store.bans.active(clock.now())
        assert ("192.0.2.1", 1) == (found.network, len(found.evidence))

    play(options, what)
