"""Logs beside the event loop: who is slow to take lines holds up reading; places are those of lines taken."""

import asyncio
import contextlib
import logging

import pytest

from gatepost.ban.blocks import BLOCK
from gatepost.ban.following import LogFiles
from gatepost.ban.place import Place
from gatepost.clock import SystemClock

LINE = b"x" * 99


async def until(ready):
    async with asyncio.timeout(20):
        while not ready():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(logs):
    task = asyncio.create_task(logs.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_lines_of_all_logs_come_and_places_go_on_from_there(tmp_path):
    paths = [tmp_path / name for name in ("mail.log", "mail.err")]
    taken = []

    async def follow(places):
        logs = LogFiles(paths, places, SystemClock(), lambda path, lines: taken.extend([(path.name, *lines)]))
        expected = len(taken) + 2
        async with running(logs):
            await until(lambda: len(taken) == expected)
        return logs.places

    async def twice():
        for path in paths:
            path.write_bytes(b"one\n")
        places = await follow(dict.fromkeys(paths, Place()))
        for path in paths:
            path.write_bytes(b"one\ntwo\n")
        await follow(places)

    asyncio.run(twice())
    assert sorted(taken) == [(name, line) for name in ("mail.err", "mail.log") for line in (b"one", b"two")]


def test_reading_waits_for_who_takes_and_his_last_block_is_not_taken(tmp_path):
    path = tmp_path / "mail.log"
    path.write_bytes((LINE + b"\n") * 100_000)
    taken, gate = [], asyncio.Event()

    async def take(_, lines):
        await gate.wait()
        taken.append(lines)
        gate.clear()

    async def main():
        logs = LogFiles([path], {path: Place()}, SystemClock(), take)
        async with running(logs):
            gate.set()
            await until(lambda: taken)
            first = logs.places[path]
        return first, logs.places[path]

    first, last = asyncio.run(main())
    assert len(taken) == 1
    assert first == last
    assert last.spots[0].offset == len(taken[0]) * 100 <= BLOCK


def test_trouble_is_told_once_and_so_is_its_end(tmp_path, caplog):
    path = tmp_path / "mail.log"
    path.mkdir()
    taken = []

    async def main():
        logs = LogFiles([path], {}, SystemClock(), lambda _, lines: taken.extend(lines))
        async with running(logs):
            await until(lambda: logs.troubles)
            told = logs.troubles
            await asyncio.sleep(0.6)
            path.rename(f"{path}.aside")
            await until(lambda: "is not there" in logs.troubles[0])
            path.write_bytes(b"one\n")
            await until(lambda: taken)
            return told, logs.troubles, logs.lost

    with caplog.at_level(logging.WARNING, "gatepost.ban"):
        told, after, lost = asyncio.run(main())
    sentences = [
        f"{path}: is a folder, not a file; name the file that the lines are written to",
        f"{path}: is not there; it is read as soon as it is",
        f"{path}: is read again",
    ]
    assert (told, after) == ((sentences[0],), ())
    assert [record.message for record in caplog.records] == sentences
    assert list(lost) == [path]


@pytest.mark.parametrize("burst", [300_000])
def test_the_event_loop_goes_on_during_a_burst(tmp_path, burst):
    path = tmp_path / "mail.log"
    path.write_bytes((LINE + b"\n") * burst)
    count = turns = 0

    def take(_, lines):
        nonlocal count
        count += len(lines)

    async def main():
        nonlocal turns
        async with running(LogFiles([path], {path: Place()}, SystemClock(), take)):
            while count < burst:
                turns += 1
                await asyncio.sleep(0)

    asyncio.run(main())
    assert count == burst
    assert turns > burst * 100 / BLOCK


def test_without_logs_there_is_nothing_to_do():
    asyncio.run(LogFiles([], {}, SystemClock(), lambda *_: None).run())


def test_nothing_more_is_read_until_what_followed_from_the_last_is_done(tmp_path):
    path = tmp_path / "mail.log"
    path.write_bytes(3 * BLOCK // len(LINE) * (LINE + b"\n"))
    taken, done = [], asyncio.Event()

    async def play():
        logs = LogFiles(
            [path], {path: Place()}, SystemClock(), lambda _, lines: taken.append(len(lines)), done.wait
        )
        async with running(logs):
            await until(lambda: logs.places[path].spots)
            for _ in range(20):
                await asyncio.sleep(0)
            assert 1 == len(taken)
            done.set()
            await until(lambda: sum(taken) == 3 * BLOCK // len(LINE))

    asyncio.run(play())
