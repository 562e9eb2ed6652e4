"""The small parts of the store: bounded memory, the filter of strangers, search keys, URLs, limits."""

import asyncio
import threading
from contextlib import closing

import msgspec
import pytest

from gatepost.clock import FakeClock
from gatepost.store import pages, worker
from gatepost.store.base import Meeting, Outcome, StoreError, Terms, Triplet
from gatepost.store.file import connect
from gatepost.store.lock import Lock
from gatepost.store.maybe import Maybe
from gatepost.store.open import open_store, sqlite_path
from gatepost.store.options import StoreOptions
from gatepost.store.recent import Recent
from gatepost.store.search import Search, client_key, hint, mail_key, search
from gatepost.store.sqlite import SqliteStore


def test_recent_never_holds_more_than_its_size():
    recent: Recent[int, int] = Recent(10)
    for number in range(1000):
        recent.put(number, number)
        assert len(recent) <= 10
    assert 999 == recent.get(999)
    assert recent.get(0) is None


def test_recent_keeps_what_is_used():
    recent: Recent[int, int] = Recent(10)
    for number in range(1, 1000):
        recent.put(0, 7)
        recent.put(number, number)
        assert 7 == recent.get(0)


def test_recent_never_gives_an_older_value_back():
    recent: Recent[str, int] = Recent(4)
    for number in range(100):
        recent.put("x", number)
        recent.put(f"other{number}", number)
        assert number == recent.get("x")
    recent.drop("x")
    assert recent.get("x") is None
    recent.clear()
    assert 0 == len(recent)


def test_maybe_never_denies_what_was_added_and_denies_most_else():
    added = [f"user{number}@example.org" for number in range(20_000)]
    maybe = Maybe(added)
    assert all(mail in maybe for mail in added)
    assert 100 > sum(f"other{number}@example.org" in maybe for number in range(20_000))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("3f2a", Search("3f2a")),
        ("192.0.2.1", Search("192.0.2.1", clients=("00000000000000000000ffffc0000201",) * 2)),
        ("::ffff:192.0.2.1", Search("::ffff:192.0.2.1", clients=("00000000000000000000ffffc0000201",) * 2)),
        (
            "2001:db8::/32",
            Search("2001:db8::/32", clients=("20010db8" + "0" * 24, "20010db8" + "f" * 24)),
        ),
        ("192.0.2.1/24", Search("192.0.2.1/24")),
        ("Ann@Example.ORG", Search("Ann@Example.ORG", mails=("example.org@ann", "example.org@ann"))),
        ("@ü.example", Search("@ü.example", mails=("xn--tda.example@", "xn--tda.example@\U0010ffff"))),
        (" <> ", Search("<>", mails=("<>", "<>"))),
        ("", Search("")),
        ("@", Search("@")),
    ],
)  # fmt: skip
def test_what_is_looked_for_becomes_keys(what, expected):
    assert expected == search(what)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("3f2a", "3f2a"),
        ('a"bcd', "bcd"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.0/23", "192.0."),
        ("0.0.0.0/0", ""),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("2001:db8::/47", "2001:db8:"),
        ("::/0", ""),
        ("<Ann@Example.ORG>", "ann@example.org"),
        ("@ü.example", ".example"),
        ("<>", '"sender":""'),
    ],
)  # fmt: skip
def test_pages_of_the_journal_are_chosen_by_text_that_every_wanted_verdict_holds(what, expected):
    assert expected == hint(search(what))


def test_an_address_sorts_within_its_network_and_a_mail_within_its_domain():
    first, last = search("192.0.2.0/24").clients or ("", "")
    assert first <= client_key("192.0.2.255") <= last
    assert not first <= client_key("192.0.3.0") <= last
    first, last = search("@example.org").mails or ("", "")
    assert first <= mail_key("zoë@example.org") <= last
    assert not first <= mail_key("ann@example.org.example.com") <= last
    assert not first <= mail_key("ann@sub.example.org") <= last


@pytest.mark.parametrize("url", ["", "sqlite", "sqlite:", "mysql:x", "/var/lib/gatepost.db", "sqlite:a\0b"])
def test_a_url_that_names_no_store_is_told(url):
    with pytest.raises(StoreError, match="names no store"):
        open_store(StoreOptions(url=url), FakeClock())


def test_urls_with_slashes_name_the_same_file():
    assert sqlite_path("sqlite:/a/b.db") == sqlite_path("sqlite:///a/b.db")


def run(tmp_path, what, **limits):
    async def play() -> None:
        clock = FakeClock()
        store = open_store(StoreOptions(url=f"sqlite:{tmp_path}/gatepost.db", **limits), clock)
        assert isinstance(store, SqliteStore)
        await store.open()
        await what(store, clock)
        await store.close()

    asyncio.run(play())


async def outcome(store, clock, triplet, terms):
    answer = store.greylist.meet(triplet, clock.now(), terms)
    return (answer if isinstance(answer, Meeting) else await answer).outcome


def test_a_flood_between_two_expiries_is_bounded_too(tmp_path):
    async def what(store, clock) -> None:
        terms = Terms(delay=10)
        for number in range(1000):
            await store.greylist.start([of(number)], clock.now(), terms)
            clock.advance(1)
        assert (await store.greylist.count())["waiting"] <= 60
        assert Outcome.EARLY == await outcome(store, clock, of(999), terms)

    run(tmp_path, what, triplets=50)


def of(number):
    return Triplet(f"10.0.{number % 250}.0/24", "ann@example.org", f"user{number}@example.net")


def test_too_many_questions_at_once_are_refused_at_once(tmp_path):
    async def what(store, clock) -> None:
        waiting = [store.greylist.meet(of(number), clock.now(), Terms()) for number in range(10)]
        with pytest.raises(StoreError, match="10 questions wait"):
            store.greylist.meet(of(11), clock.now(), Terms())
        store.greylist.accept([of(12)], clock.now(), Terms())
        assert {Outcome.NEW} == {meeting.outcome for meeting in await asyncio.gather(*waiting)}
        assert Outcome.NEW == (await store.greylist.meet(of(12), clock.now(), Terms())).outcome

    run(tmp_path, what, waiting_questions=10)


def test_beyond_the_limit_the_oldest_waiting_go_first_then_those_that_passed(tmp_path):
    async def what(store, clock) -> None:
        terms = Terms(delay=10)
        for number in range(100):
            await store.greylist.start([of(number)], clock.now(), terms)
            clock.advance(1)
        store.greylist.accept([of(0), of(1)], clock.now(), terms)
        await store.greylist.expire(clock.now(), terms)
        assert {"waiting": 48, "passed": 2, "clients": 0} == await store.greylist.count()
        assert Outcome.EARLY == await outcome(store, clock, of(99), terms)
        assert Outcome.NEW == await outcome(store, clock, of(40), terms)

    run(tmp_path, what, triplets=50)


def test_a_disk_that_does_not_answer_is_soon_not_asked_any_more(tmp_path, monkeypatch):
    async def what(store, clock) -> None:
        disk = threading.Event()
        hung = asyncio.ensure_future(store.greylist._worker.ask(lambda _: disk.wait(30)))
        waiting = store.greylist.meet(of(1), clock.now(), Terms())
        monkeypatch.setattr(worker, "STUCK", 0.01)
        while not store.troubles():
            await asyncio.sleep(0)
        try:
            with pytest.raises(StoreError, match="not answered for"):
                store.greylist.meet(of(2), clock.now(), Terms())
            assert ["not answered" in told for told in store.troubles()] == [True]
        finally:
            disk.set()
            monkeypatch.undo()
        assert Outcome.NEW == (await waiting).outcome
        await hung
        assert Outcome.NEW == (await store.greylist.meet(of(2), clock.now(), Terms())).outcome

    run(tmp_path, what)


def test_a_disk_that_does_not_answer_is_not_asked_who_our_correspondents_are(tmp_path, monkeypatch):
    async def what(store: SqliteStore, clock: FakeClock) -> None:
        disk = threading.Event()
        lists = store.correspondents._worker
        hung = asyncio.ensure_future(lists.ask(lambda _: disk.wait(10)))
        monkeypatch.setattr(worker, "STUCK", 0.01)
        while not lists.stuck:
            await asyncio.sleep(0)
        monkeypatch.setattr(store.correspondents, "_all", None)
        try:
            with pytest.raises(StoreError, match="not answered for"):
                await store.correspondents.knows("ann@example.org", clock.now(), 60)
        finally:
            disk.set()
            monkeypatch.undo()
        await hung

    run(tmp_path, what)


def test_questions_asked_while_it_closes_are_answered_or_refused(tmp_path):
    async def what(store, clock) -> None:
        before = store.greylist.meet(of(1), clock.now(), Terms())
        closing = asyncio.ensure_future(store.close())
        for _ in range(3):  # until all parts have begun to close
            await asyncio.sleep(0)
        with pytest.raises(StoreError, match="not open"):
            store.greylist.meet(of(2), clock.now(), Terms())
        await closing
        assert Outcome.NEW == (await before).outcome

    run(tmp_path, what)


def test_a_closed_store_answers_with_its_error_only(tmp_path):
    async def what(store, clock) -> None:
        await store.close()
        with pytest.raises(StoreError, match="not open"):
            store.greylist.meet(of(1), clock.now(), Terms())
        store.greylist.accept([of(1)], clock.now(), Terms())
        with pytest.raises(StoreError, match="not open"):
            await store.lists.version()
        await store.open()
        assert Outcome.NEW == (await store.greylist.meet(of(1), clock.now(), Terms())).outcome

    run(tmp_path, what)


def test_a_journal_larger_than_it_may_be_loses_its_oldest(tmp_path):
    from contract.test_stores import verdict  # noqa: PLC0415

    async def what(store, clock) -> None:
        for number in range(5000):
            store.journal.write(verdict(number))
        await store.journal.flush()
        assert 3000 < await store.journal.expire(0)
        assert [] == await store.journal.find("ref0")
        assert 1 == len(await store.journal.find("ref4999"))
        assert (tmp_path / "gatepost-journal.db").stat().st_size < 3_000_000

    run(tmp_path, what, journal_size=1)


def test_a_verdict_that_cannot_be_read_is_left_out_and_forgotten_in_time(tmp_path):
    from contract.test_stores import verdict  # noqa: PLC0415

    newer = pages.Line(2.0, b'{"time":2.0,"reference":{"ref2":2}}')
    broken = pages.Line(3.0, b"no JSON, ref3")
    lines = [pages.Line(n, msgspec.json.encode(verdict(int(n), time=n))) for n in (1.0, 4.0)]

    async def what(store, clock) -> None:
        with closing(connect(store.journal.file.path, "rw", 1)) as connection:
            pages.write(connection, [lines[0], newer, broken, lines[1]])
        assert [4, 1] == [e.time for e in await store.journal.find("bob@example.net")]
        assert [] == await store.journal.find("ref2")
        assert 2 == await store.journal.expire(30 * 86400 + 2)
        assert 1 == await store.journal.expire(30 * 86400 + 4)
        assert [4] == [e.time for e in await store.journal.find("bob@example.net")]
        assert 1 == await store.journal.expire(30 * 86400 + 5)

    run(tmp_path, what)


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path):
    """Whoever may write there is the daemon's user, and who takes the lock may be root."""
    elsewhere = tmp_path / "shadow"
    elsewhere.write_text("root's own")
    link = tmp_path / "gatepost.db.lock"
    link.symlink_to(elsewhere)

    with pytest.raises(OSError, match="symbolic link"):
        Lock(link).take()

    assert "root's own" == elsewhere.read_text()
