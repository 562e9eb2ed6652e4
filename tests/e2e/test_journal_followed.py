"""The systemd journal through the real journalctl: growing, rotated, after a restart, and in trouble."""

import asyncio
import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest

from gatepost.ban.journal import JournalLog
from support.journal import entry, rotate, write

pytestmark = pytest.mark.e2e


async def until(ready):
    async with asyncio.timeout(30):
        while not ready():
            await asyncio.sleep(0.02)


class Reader:
    """A JournalLog and what it handed over."""

    def __init__(self, folder, cursor="", **options):
        self.lines = []
        self.log = JournalLog(self.lines.extend, cursor, folder=folder, **options)

    @property
    def texts(self):
        return [line.partition(b"]: ")[2].decode(errors="replace") for line in self.lines]

    async def __aenter__(self):
        self.task = asyncio.create_task(self.log.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def begun(self, folder):
        """journalctl is at the end of what is there: what is written from now on comes."""
        number = 0
        while not self.lines:
            number += 1
            write(folder, entry(f"begun {number}"))
            await asyncio.sleep(0.2)
        await until(lambda: self.texts[-1] == f"begun {number}")
        self.lines.clear()


def children():
    """journalctl processes that this process started."""
    started = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # threads end as well
            started += (task / "children").read_text().split()
    found = []
    for child in started:
        with contextlib.suppress(OSError):
            if b"journalctl" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def test_lines_come_as_they_are_written_over_rotations_and_from_new_files(tmp_path):
    write(tmp_path, entry("old"))

    async def main():
        async with Reader(tmp_path) as reader:
            await reader.begun(tmp_path)
            before = time.time()
            for number in range(6):
                write(
                    tmp_path, entry(f"line {number}"), entry("more"), name="system" if number % 2 else "other"
                )
                if number == 3:
                    rotate(tmp_path)
            await until(lambda: len(reader.lines) == 12)
            return before, reader

    before, reader = asyncio.run(main())
    assert reader.texts == [text for number in range(6) for text in (f"line {number}", "more")]
    assert time.time() - before < 20
    assert re.fullmatch(rb"20\d\d-[0-9T:.-]+\+00:00 mx postfix/smtpd\[123\]: line 0", reader.lines[0])
    assert children() == []


def test_a_place_is_gone_on_from_once_also_in_another_boot(tmp_path):
    async def main():
        async with Reader(tmp_path) as first:
            await first.begun(tmp_path)
            write(tmp_path, entry("read"))
            await until(lambda: first.texts == ["read"])
        write(tmp_path, entry("1"), entry("2", boot=2))
        rotate(tmp_path)
        write(tmp_path, entry("3", boot=2), entry("4", boot=3))
        async with Reader(tmp_path, first.log.cursor) as second:
            await until(lambda: len(second.lines) == 4)
            write(tmp_path, entry("5", boot=3))
            await until(lambda: len(second.lines) == 5)
        async with Reader(tmp_path, second.log.cursor) as third:
            write(tmp_path, entry("6", boot=3))
            await until(lambda: third.lines)
        return second.texts, third.texts

    assert asyncio.run(main()) == (["1", "2", "3", "4", "5"], ["6"])


def test_only_mail_of_believed_users_is_read_and_no_second_line_can_be_forged(tmp_path):
    forged = b"x\n2026-11-28T08:58:23.300985+00:00 mx postfix/smtpd[1]: lost connection after AUTH"

    async def main():
        async with Reader(tmp_path) as reader:
            await reader.begun(tmp_path)
            write(
                tmp_path,
                entry("a user's", _UID=1000),
                entry("a web server's", _UID=33),
                entry("nobody knows whose", _UID=None),
                entry("no mail", SYSLOG_FACILITY=4),
                entry("a head", SYSLOG_IDENTIFIER="postfix/smtpd[1]: x"),
                entry(forged),
                entry(b"x" * 5000),
                entry(b"\xff\x00\x1b any octets"),
                entry("last"),
            )
            await until(lambda: reader.texts[-1:] == ["last"])
            return reader

    reader = asyncio.run(main())
    assert reader.lines[0].endswith(b": x#012" + forged[2:])
    assert reader.lines[1].endswith(b": \xff#000#033 any octets")
    assert len(reader.lines) == 3
    assert reader.log.lost.too_long == 1


def test_other_entries_are_read_where_that_was_said(tmp_path):
    async def main():
        options = {"matches": ["SYSLOG_IDENTIFIER=sshd", "SYSLOG_IDENTIFIER=other"], "users": ()}
        async with Reader(tmp_path, **options) as reader:
            while not reader.lines:
                write(tmp_path, entry("mail"), entry("begun", SYSLOG_IDENTIFIER="sshd", _UID=1000))
                await asyncio.sleep(0.2)
            write(tmp_path, entry("2", SYSLOG_IDENTIFIER="other"))
            await until(lambda: reader.texts[-1] == "2")
            return reader.texts

    assert set(asyncio.run(main())) == {"begun", "2"}


def test_journalctl_that_is_killed_is_started_again_and_goes_on(tmp_path):
    async def main():
        async with Reader(tmp_path) as reader:
            await reader.begun(tmp_path)
            write(tmp_path, entry("1"))
            await until(lambda: reader.texts == ["1"])
            (process,) = children()
            os.kill(process, signal.SIGKILL)
            await until(lambda: reader.log.trouble)
            trouble = reader.log.trouble
            write(tmp_path, entry("2"))
            await until(lambda: reader.texts == ["1", "2"])
            return trouble, reader.log.trouble

    assert asyncio.run(main()) == ("the journal: journalctl ended", "")


def test_a_place_that_means_nothing_is_forgotten(tmp_path):
    write(tmp_path, entry("old"))

    async def main():
        async with Reader(tmp_path, "nonsense") as reader:
            await until(lambda: reader.log.lost.gone)
            trouble = reader.log.trouble
            await reader.begun(tmp_path)
            return trouble, reader.log.trouble

    assert asyncio.run(main()) == ("the journal: Failed to seek to cursor: Invalid argument", "")


def test_taking_waits_for_who_takes(tmp_path):
    write(tmp_path, *(entry(f"{number} {'x' * 1000}") for number in range(3000)))
    taken, gate = [], asyncio.Event()

    async def take(lines):
        await gate.wait()
        taken.extend(lines)

    async def main():
        first = Reader(tmp_path)
        async with first:
            await first.begun(tmp_path)
            write(tmp_path, entry("here"))
            await until(lambda: first.lines)
        write(tmp_path, *(entry(f"{number} {'x' * 1000}") for number in range(3000)))
        log = JournalLog(take, first.log.cursor, folder=tmp_path)
        task = asyncio.create_task(log.run())
        await asyncio.sleep(0.5)
        assert (taken, log.cursor) == ([], first.log.cursor)
        gate.set()
        await until(lambda: len(taken) == 3000)
        task.cancel()
        await asyncio.wait([task])
        return log.cursor != first.log.cursor

    assert asyncio.run(main())


def test_nothing_more_is_read_until_what_followed_is_done_and_the_place_is_behind_what_was_taken(tmp_path):
    async def main():
        first = Reader(tmp_path)
        async with first:
            await first.begun(tmp_path)
            write(tmp_path, entry("here"))
            await until(lambda: first.lines)
        write(tmp_path, *(entry(f"{number} {'x' * 1000}") for number in range(3000)))
        done = asyncio.Event()
        second = Reader(tmp_path, first.log.cursor, breathe=done.wait)
        async with second:
            await until(lambda: second.lines)
            await asyncio.sleep(0.5)
            some = len(second.lines)
            assert second.log.cursor != first.log.cursor
            done.set()
            await until(lambda: len(second.lines) == 3000)
        return some

    assert asyncio.run(main()) < 3000


def test_a_journal_that_may_not_be_read_is_told(tmp_path):
    write(tmp_path, entry("old"))
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o5 != 0o5:
            folder.chmod(0o755)
    (tmp_path / "system.journal").chmod(0o600)

    async def main():
        async with Reader(tmp_path) as reader:
            await until(lambda: reader.log.trouble)
            return reader.log.trouble

    os.seteuid(65534)
    try:
        trouble = asyncio.run(main())
    finally:
        os.seteuid(0)
    assert trouble == (
        "the journal: its entries may not be read; "
        "make the daemon's user a member of systemd-journal, and restart it"
    )


def test_a_machine_without_journalctl_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    async def main():
        async with Reader(tmp_path) as reader:
            await until(lambda: reader.log.trouble)
            return reader.log.trouble

    assert asyncio.run(main()) == "the journal: journalctl cannot be started: No such file or directory"


def test_an_empty_journal_is_waited_for(tmp_path):
    async def main():
        async with Reader(tmp_path) as reader:
            await until(children)
            await reader.begun(tmp_path)
            return reader.log.trouble

    assert asyncio.run(main()) == ""
