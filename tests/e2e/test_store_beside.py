"""Commands look into the store beside a running daemon and after it ended, and need but the right to read."""

import asyncio
import concurrent.futures.thread  # noqa: F401  # now: the process that is nobody may not read Python's files
import multiprocessing
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatepost.clock import SystemClock
from gatepost.store.base import JournalEntry, ListEntry, Meeting, Outcome, Store, StoreError, Terms, Triplet
from gatepost.store.open import open_beside, open_store
from gatepost.store.options import StoreOptions

CLOCK = SystemClock()
TERMS = Terms(delay=3600)
TRIPLET = Triplet("192.0.2.0/24", "ann@example.org", "bob@example.net")
ENTRY = ListEntry(list="allow", what="192.0.2.1", looks_at="client")
VERDICT = JournalEntry(
    time=1.5,
    reference="ref1",
    stage="RCPT",
    action="pass",
    reply="DUNNO",
    score=0,
    decided_by="",
    client_address="192.0.2.1",
    client_name="",
    reverse_client_name="",
    helo_name="",
    sender="ann@example.org",
    recipient="bob@example.net",
    instance="i",
)


async def fill_in(store: Store) -> None:
    await store.greylist.start([TRIPLET], CLOCK.now(), TERMS)
    await store.lists.add(ENTRY)
    store.correspondents.learn("carl@example.com", CLOCK.now())
    assert 1 == await store.correspondents.count()
    store.journal.write(VERDICT)
    await store.journal.flush()


async def look(beside: Store) -> None:
    """Everything is there, and nothing changes by looking."""
    await beside.open()
    for _ in range(2):
        met = beside.greylist.meet(TRIPLET, CLOCK.now(), TERMS)
        assert not isinstance(met, Meeting)
        assert Outcome.EARLY == (await met).outcome
        other = beside.greylist.meet(Triplet("10.0.0.0/24", "a@b", "c@d"), CLOCK.now(), TERMS)
        assert not isinstance(other, Meeting)
        assert Outcome.NEW == (await other).outcome
    assert {"waiting": 1, "passed": 0, "clients": 0} == await beside.greylist.count()
    assert ["192.0.2.1"] == [entry.what for entry in await beside.lists.entries(CLOCK.now())]
    known = beside.correspondents.knows("carl@example.com", CLOCK.now(), 60)
    assert not isinstance(known, bool)
    assert await known
    assert [VERDICT] == await beside.journal.find("@example.org")
    await beside.close()


def play(path: Path, what: Callable[[Store], Awaitable[None]]) -> None:
    async def run() -> None:
        store = open_store(StoreOptions(url=f"sqlite:{path}"), CLOCK)
        await store.open()
        await what(store)
        assert () == store.troubles()
        await store.close()

    asyncio.run(run())


def options(path: Path) -> StoreOptions:
    return StoreOptions(url=f"sqlite:{path}")


def test_a_command_sees_all_while_the_daemon_runs_and_after_it_ended(tmp_path):
    path = tmp_path / "gatepost.db"

    async def what(store: Store) -> None:
        await fill_in(store)
        await look(open_beside(options(path), CLOCK))

    play(path, what)
    asyncio.run(look(open_beside(options(path), CLOCK)))


def _look_as_nobody(path: Path) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    asyncio.run(look(open_beside(options(path), CLOCK)))


def look_as_nobody(directory: Path) -> None:
    """Look as somebody who may read everything and write nothing."""
    for place in (directory, *directory.parents):
        if place != Path("/"):
            place.chmod(place.stat().st_mode | 0o755)
    for name in directory.iterdir():
        name.chmod(0o644)
    before = sorted(name.name for name in directory.iterdir())
    process = multiprocessing.get_context("fork").Process(
        target=_look_as_nobody, args=(directory / "gatepost.db",)
    )
    process.start()
    process.join(20)
    assert 0 == process.exitcode
    assert before == sorted(name.name for name in directory.iterdir())


def test_reading_needs_no_right_to_write(tmp_path):
    directory, crashed = tmp_path / "state", tmp_path / "crashed"

    async def what(store: Store) -> None:
        await fill_in(store)
        shutil.copytree(directory, crashed, ignore=shutil.ignore_patterns("*-shm"))  # as after a crash

    play(directory / "gatepost.db", what)
    look_as_nobody(directory)
    assert (crashed / "gatepost.db-wal").stat().st_size
    look_as_nobody(crashed)


def test_a_command_may_change_the_lists_and_the_daemon_notices(tmp_path):
    path = tmp_path / "gatepost.db"

    async def what(store: Store) -> None:
        await fill_in(store)
        before = await store.lists.version()
        beside = open_beside(options(path), CLOCK, change_lists=True)
        await beside.open()
        await beside.lists.add(ListEntry(list="deny", what="10.0.0.1", looks_at="client"))
        await beside.close()
        assert before != await store.lists.version()
        assert ["192.0.2.1", "10.0.0.1"] == [e.what for e in await store.lists.entries(CLOCK.now())]

    play(path, what)


def test_what_may_only_be_read_is_not_changed(tmp_path):
    path = tmp_path / "gatepost.db"
    play(path, fill_in)

    async def change() -> None:
        beside = open_beside(options(path), CLOCK)
        with pytest.raises(StoreError, match="reading"):
            await beside.lists.add(ENTRY)
        with pytest.raises(StoreError, match="reading"):
            await beside.lists.remove("allow", "192.0.2.1")

    asyncio.run(change())


def test_a_store_that_never_was_is_empty_and_stays_so(tmp_path):
    async def look() -> None:
        beside = open_beside(options(tmp_path / "none" / "gatepost.db"), CLOCK)
        await beside.open()
        assert [] == await beside.journal.find("ref1")
        assert [] == await beside.lists.entries(CLOCK.now())
        assert 0 == await beside.correspondents.count()
        await beside.close()

    asyncio.run(look())
    assert [] == list(tmp_path.iterdir())


def test_damage_and_newer_versions_are_told(tmp_path):
    path = tmp_path / "gatepost.db"
    play(path, fill_in)
    (tmp_path / "gatepost-journal.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreError, match=r"gatepost-journal\.db"):
        asyncio.run(open_beside(options(path), CLOCK).journal.find("ref1"))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="memory"):
        open_beside(StoreOptions(url="memory:"), CLOCK)


def test_files_that_root_makes_belong_to_the_owner_of_the_directory(tmp_path):
    directory = tmp_path / "state"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    play(directory / "gatepost.db", fill_in)

    async def what(store: Store) -> None:
        await fill_in(store)
        owners = {name.name: name.stat().st_uid for name in directory.iterdir()}
        assert {65534} == set(owners.values()), owners

    play(directory / "gatepost.db", what)
