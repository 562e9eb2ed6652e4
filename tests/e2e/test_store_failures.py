"""Whatever happens to the disk, the store says so with StoreError or mends itself; no hang, nothing else.

Each failure is caused for real, as root: a full file system, one mounted
read-only, a lock held by another process, flipped bits, a WAL cut short, a
directory taken away. Mail passes on StoreError, so none of it costs a mail.
"""

import asyncio
import inspect
import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gatepost.clock import SystemClock
from gatepost.store import snapshot
from gatepost.store.base import JournalEntry, ListEntry, StoreError, Terms, Triplet
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions
from gatepost.store.sqlite import SqliteStore

CLOCK = SystemClock()
TERMS = Terms(delay=3600)
LONGEST = 2.0
"""Seconds that any question may take."""
HEALED_WITHIN = 6.0

Play = Callable[[SqliteStore], Awaitable[None]]


def triplet(number: int) -> Triplet:
    return Triplet(f"10.0.{number}.0/24", "ann@example.org", f"user{number}@example.net")


async def say(store: SqliteStore, number: int) -> str:
    """What the store says of a triplet, or `StoreError`; never late, never anything else."""

    async def ask() -> str:
        answer = store.greylist.meet(triplet(number), CLOCK.now(), TERMS)
        return (await answer if inspect.isawaitable(answer) else answer).outcome.value

    try:
        return await asyncio.wait_for(ask(), LONGEST)
    except StoreError as error:
        return "StoreError" if str(error) else "StoreError without a word"


async def healed(store: SqliteStore, number: int, wanted: str = "new") -> None:
    """Ask until the store answers again."""
    end = time.monotonic() + HEALED_WITHIN
    while (said := await say(store, number)) == "StoreError":
        assert time.monotonic() < end, store.troubles()
        await asyncio.sleep(0.05)
    assert wanted == said


def play(path: Path, what: Play) -> None:
    async def run() -> None:
        store = open_store(StoreOptions(url=f"sqlite:{path}"), CLOCK)
        assert isinstance(store, SqliteStore)
        await asyncio.wait_for(store.open(), LONGEST)
        try:
            await what(store)
        finally:
            await asyncio.wait_for(store.close(), 2 * LONGEST)

    asyncio.run(run())


@contextmanager
def mounted(path: Path, options: str) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill(path: Path) -> Path:
    """Fill a file system to the last byte."""
    filler = path / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return filler


# --- the disk is full ----------------------------------------------------------------------------------


def test_a_disk_that_fills_up_is_told_and_healed_when_there_is_room_again(tmp_path):
    async def what(store: SqliteStore) -> None:
        assert "new" == await say(store, 1)
        filler = fill(store_path.parent)
        said = [await say(store, number) for number in range(2, 40)]
        assert "StoreError" in said
        assert "early" == await say(store, 1)
        with pytest.raises(StoreError):
            await add_many(store)
        assert any("disk is full" in told for told in store.troubles())
        filler.unlink()
        await healed(store, 99)
        said = [await say(store, number) for number in range(2, 40)]
        assert {"new", "early"} >= set(said)

    with mounted(tmp_path / "disk", "size=3m") as directory:
        store_path = directory / "gatepost.db"
        play(store_path, what)


def test_nothing_is_remembered_that_a_full_disk_refused(tmp_path):
    async def what(store: SqliteStore) -> None:
        filler = fill(store_path.parent)
        said = {number: await say(store, number) for number in range(2, 60)}
        refused = [number for number, answer in said.items() if answer == "StoreError"]
        assert refused
        filler.unlink()
        await healed(store, refused[0])
        assert {"new"} == {await say(store, number) for number in refused[1:]}

    with mounted(tmp_path / "disk", "size=3m") as directory:
        store_path = directory / "gatepost.db"
        play(store_path, what)


def test_a_start_on_a_full_disk_heals_by_itself(tmp_path):
    async def what(store: SqliteStore) -> None:
        assert "StoreError" == await say(store, 1)
        assert store.troubles()
        filler.unlink()
        await healed(store, 1)

    with mounted(tmp_path / "disk", "size=1m") as directory:
        filler = fill(directory)
        play(directory / "gatepost.db", what)


# --- the disk may not be written -----------------------------------------------------------------------


def test_a_file_system_mounted_read_only_is_told_and_healed(tmp_path):
    async def what(store: SqliteStore) -> None:
        assert "StoreError" == await say(store, 2)
        assert "StoreError" == await say(store, 1)
        assert any("gatepost.db" in told and "mounted" in told for told in store.troubles()), store.troubles()
        subprocess.run(["mount", "-o", "remount,rw", str(directory)], check=True)
        await healed(store, 2)
        assert "early" == await say(store, 1)

    async def first(store: SqliteStore) -> None:
        assert "new" == await say(store, 1)

    with mounted(tmp_path / "disk", "size=8m") as directory:
        play(directory / "gatepost.db", first)
        subprocess.run(["mount", "-o", "remount,ro", str(directory)], check=True)
        play(directory / "gatepost.db", what)


def _as_nobody(path: str) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)

    async def what(store: SqliteStore) -> None:
        assert "StoreError" == await say(store, 1)
        assert all("check" in told for told in store.troubles()), store.troubles()
        assert 3 == len(store.troubles())

    play(Path(path), what)


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_a_directory_that_an_ordinary_user_may_not_write_is_told(tmp_path, mode):
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o711)
    directory = tmp_path / "state"
    directory.mkdir()
    directory.chmod(mode)
    process = multiprocessing.get_context("fork").Process(
        target=_as_nobody, args=(f"{directory}/gatepost.db",)
    )
    process.start()
    process.join(20)
    assert 0 == process.exitcode


# --- others ----------------------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds the lock of a database."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert b"locked\n" == process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(10)


def test_a_lock_held_by_another_process_is_told_and_healed(tmp_path):
    async def what(store: SqliteStore) -> None:
        assert "new" == await say(store, 1)
        with locked(tmp_path / "gatepost.db"), locked(tmp_path / "gatepost-kept.db"):
            assert {"StoreError"} == set(await asyncio.gather(*(say(store, n) for n in range(2, 60))))
            assert "early" == await say(store, 1)
            assert any("lock" in told for told in store.troubles())
            with pytest.raises(StoreError):
                await asyncio.wait_for(
                    store.lists.add(ListEntry(list="deny", what="10.0.0.1", looks_at="client")), LONGEST
                )
        await healed(store, 2)
        assert await healed_add(store)
        assert () == store.troubles()

    play(tmp_path / "gatepost.db", what)


async def add_many(store: SqliteStore) -> None:
    for number in range(200):
        await store.lists.add(ListEntry(list="deny", what=f"10.0.0.{number}", looks_at="client"))


async def healed_add(store: SqliteStore) -> ListEntry:
    end = time.monotonic() + HEALED_WITHIN
    while True:
        try:
            return await store.lists.add(ListEntry(list="deny", what="10.0.0.1", looks_at="client"))
        except StoreError:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


def test_a_second_daemon_on_the_same_store_is_refused_and_takes_over_when_the_first_ends(tmp_path):
    async def what(first: SqliteStore) -> None:
        assert "new" == await say(first, 1)
        second = SqliteStore(tmp_path / "gatepost.db", StoreOptions(), CLOCK)
        await second.open()
        assert "StoreError" == await say(second, 1)
        assert any(f"process {os.getpid()}" in told for told in second.troubles())
        await first.greylist.close()
        await healed(second, 1, "early")
        await second.close()

    play(tmp_path / "gatepost.db", what)


# --- damage --------------------------------------------------------------------------------------------


async def fill_in(store: SqliteStore) -> None:
    terms = Terms(delay=3600, pending_per_network=10**6)
    many = [Triplet("192.0.2.0/24", f"{n}@example.org", "x@example.net") for n in range(2000)]
    await store.greylist.start(many, CLOCK.now(), terms)
    assert "new" == await say(store, 1)
    await store.lists.add(ListEntry(list="deny", what="10.0.0.1", looks_at="client"))
    store.correspondents.learn("carl@example.com", CLOCK.now())


def damage(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(length))


def aside(path: Path) -> list[Path]:
    return [name for name in path.parent.glob(f"{path.name}.corrupt-*Z") if name.stat().st_size]


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 100), (20, 4), (4096, 4096), (12_000, 40_000)],
    ids=["head", "bits", "page", "middle"],
)
def test_damaged_triplets_are_kept_aside_and_started_afresh(tmp_path, start, length):
    path = tmp_path / "gatepost.db"
    play(path, fill_in)
    damage(path, start, length)

    async def what(store: SqliteStore) -> None:
        await healed(store, 1)
        assert 1 == len(aside(path))
        assert any(aside(path)[0].name in told for told in store.troubles())
        assert ["10.0.0.1"] == [entry.what for entry in await store.lists.entries(CLOCK.now())]

    play(path, what)


@pytest.mark.parametrize(("start", "length"), [(0, 100), (4096, 20_000)], ids=["head", "pages"])
def test_what_people_entered_comes_back_from_a_snapshot(tmp_path, start, length):
    path, kept = tmp_path / "gatepost.db", tmp_path / "gatepost-kept.db"
    play(path, fill_in)
    damage(kept, start, length)

    async def what(store: SqliteStore) -> None:
        assert ["10.0.0.1"] == [entry.what for entry in await store.lists.entries(CLOCK.now())]
        known = store.correspondents.knows("carl@example.com", CLOCK.now(), 60)
        assert await known if inspect.isawaitable(known) else known
        assert 1 == len(aside(kept))
        assert any("snapshot-0" in told for told in store.troubles())
        assert "early" == await say(store, 1)

    play(path, what)


def test_an_older_snapshot_is_taken_when_the_newest_is_damaged_too(tmp_path):
    path, kept = tmp_path / "gatepost.db", tmp_path / "gatepost-kept.db"

    async def first(store: SqliteStore) -> None:
        await fill_in(store)
        await store.kept.snapshot()
        await store.lists.add(ListEntry(list="deny", what="10.0.0.2", looks_at="client"))
        await store.kept.snapshot()

    play(path, first)
    kept.write_bytes(b"")
    damage(snapshot.name(kept, 0), 0, 5000)

    async def what(store: SqliteStore) -> None:
        assert ["10.0.0.1"] == [entry.what for entry in await store.lists.entries(CLOCK.now())]
        assert any("snapshot-1" in told for told in store.troubles())

    play(path, what)


def test_a_person_can_put_an_earlier_snapshot_back(tmp_path):
    path, kept = tmp_path / "gatepost.db", tmp_path / "gatepost-kept.db"

    async def first(store: SqliteStore) -> None:
        await fill_in(store)
        await store.kept.snapshot()
        await store.lists.remove("deny", "10.0.0.1")
        await store.kept.snapshot()

    play(path, first)
    assert "snapshot-1" in snapshot.restore(kept, 1)
    with pytest.raises(StoreError, match="no snapshot"):
        snapshot.restore(kept, 9)

    async def what(store: SqliteStore) -> None:
        assert ["10.0.0.1"] == [entry.what for entry in await store.lists.entries(CLOCK.now())]
        assert () == store.troubles()

    play(path, what)


def test_damage_while_running_is_mended_while_running(tmp_path):
    path = tmp_path / "gatepost.db"

    async def what(store: SqliteStore) -> None:
        await fill_in(store)
        spoil = (
            "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute('PRAGMA wal_checkpoint(TRUNCATE)');"
            "c.execute(\"INSERT INTO client VALUES ('x', 1, 1, 1, 1)\");"
            "c.execute('PRAGMA wal_checkpoint(TRUNCATE)');"
            "d = os.open(sys.argv[1], os.O_RDWR); size = os.fstat(d).st_size;"
            "os.pwrite(d, os.urandom(size - 4096), 4096); os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", spoil, str(path)], check=True)
        await healed(store, 7)
        assert "new" == await say(store, 1)
        assert 1 == len(aside(path))
        assert any("started afresh" in told for told in store.troubles())

    play(path, what)


def test_a_wal_cut_short_costs_only_its_end(tmp_path):
    path, copy = tmp_path / "gatepost.db", tmp_path / "copy"

    async def first(store: SqliteStore) -> None:
        assert "new" == await say(store, 1)
        await fill_in_more(store)
        shutil.copytree(tmp_path, copy)  # as a power cut would leave it

    async def fill_in_more(store: SqliteStore) -> None:
        for number in range(2, 60):
            await say(store, number)

    play(path, first)
    wal = copy / "gatepost.db-wal"
    os.truncate(wal, wal.stat().st_size - 5000)

    async def what(store: SqliteStore) -> None:
        assert "early" == await say(store, 1)
        assert "new" == await say(store, 59)
        assert () == store.troubles()

    play(copy / "gatepost.db", what)


def test_a_directory_taken_away_is_made_anew(tmp_path):
    directory = tmp_path / "state"

    async def what(store: SqliteStore) -> None:
        assert "new" == await say(store, 1)
        shutil.rmtree(directory)
        await asyncio.sleep(1.1)
        await healed(store, 2)
        await healed_add(store)
        assert (directory / "gatepost.db").exists()
        assert any("taken away" in told for told in store.troubles())

    play(directory / "gatepost.db", what)


def test_a_file_of_a_newer_version_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "gatepost.db"
    play(path, fill_in)
    for name in ("gatepost.db", "gatepost-kept.db"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    async def what(store: SqliteStore) -> None:
        assert "StoreError" == await say(store, 1)
        assert any("newer Gatepost" in told for told in store.troubles())
        with pytest.raises(StoreError, match="newer"):
            await store.lists.entries(CLOCK.now())

    play(path, what)
    assert before == path.read_bytes()
    assert [] == aside(path)


def test_a_directory_in_the_place_of_a_file_is_told(tmp_path):
    (tmp_path / "gatepost.db").mkdir()
    (tmp_path / "gatepost-journal.db").mkdir()

    async def what(store: SqliteStore) -> None:
        assert "StoreError" == await say(store, 1)
        with pytest.raises(StoreError):
            await store.journal.find("x")
        await store.lists.add(ListEntry(list="deny", what="10.0.0.1", looks_at="client"))

    play(tmp_path / "gatepost.db", what)


def test_only_we_and_our_group_may_read(tmp_path):
    directory = tmp_path / "state"

    async def what(store: SqliteStore) -> None:
        await fill_in(store)
        await store.kept.snapshot()
        modes = {stat.S_IMODE(name.stat().st_mode) for name in directory.iterdir()}
        assert {0o640} == modes
        assert 0o750 == stat.S_IMODE(directory.stat().st_mode)

    play(directory / "gatepost.db", what)


def test_a_journal_that_cannot_be_written_drops_and_counts(tmp_path):
    async def what(store: SqliteStore) -> None:
        with locked(tmp_path / "gatepost-journal.db"):
            for number in range(StoreOptions().journal_queue + 5000):
                store.journal.write(
                    JournalEntry(
                        time=CLOCK.now(),
                        reference=f"r{number}",
                        stage="RCPT",
                        action="pass",
                        reply="DUNNO",
                        score=0,
                        decided_by="",
                        client_address="192.0.2.1",
                        client_name="",
                        reverse_client_name="",
                        helo_name="",
                        sender="",
                        recipient="",
                        instance="",
                    )
                )
            assert 5000 == store.journal.dropped()
            assert "new" == await say(store, 1)
        end = time.monotonic() + HEALED_WITHIN
        while True:
            try:
                assert 1 == len(await store.journal.find("r19999"))
                break
            except StoreError:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)

    play(tmp_path / "gatepost.db", what)
