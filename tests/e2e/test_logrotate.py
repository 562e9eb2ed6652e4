"""The real logrotate, in each of its ways, while a writer writes and a reader reads and is killed."""

import os
import subprocess
import sys
import threading
import time

import pytest

from gatepost.ban.follow import Follower
from gatepost.ban.place import Place
from gatepost.clock import SystemClock
from support.daemon import ROOT
from support.log_reader import kept

pytestmark = pytest.mark.e2e

WAYS = {
    "create": "create",
    "nocreate": "nocreate",
    "copytruncate": "copytruncate",
    "delaycompress": "create\ncompress\ndelaycompress",
    "compress": "create\ncompress",
    "dateext": "create\ndateext\ndateformat -%Y%m%d-%s",
    "dateext and extension": "create\ndateext\ndateformat -%Y%m%d-%s\nextension .log",
}


class Writer:
    """Writes numbered lines as a syslog daemon does; told to reopen after each rotation."""

    def __init__(self, path):
        self.path, self.count = path, 0
        self.lock = threading.Lock()
        self.reopen()

    def reopen(self):
        with self.lock:
            if self.count:
                os.close(self.number)
            self.number = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)

    def write(self, many):
        for _ in range(many):
            with self.lock:
                self.count += 1
                os.write(self.number, b"%07d connect from unknown[192.0.2.1]\n" % self.count)


class Rotation:
    def __init__(self, folder, path, way):
        self.folder = folder
        config = f"{path} {{\nsu root root\nrotate 100\n{WAYS[way]}\n}}\n"
        (folder / "logrotate.conf").write_text(config)
        (folder / "logrotate.conf").chmod(0o644)

    def __call__(self):
        command = ["logrotate", "--force", "--state", self.folder / "state", self.folder / "logrotate.conf"]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def log(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    folder.chmod(0o755)
    return folder / "mail.log"


def read_all(follower, seen):
    while lines := follower.read():
        seen += [int(line.split()[0]) for line in lines if line]


@pytest.mark.parametrize("way", WAYS)
def test_no_line_is_lost_and_none_comes_twice(tmp_path, log, way):
    """What is not packed is read seldom, and the reader is killed and started before a rotation.

    What is packed at once he must have open: then he reads it to its end all the same.
    """
    writer, rotate = Writer(log), Rotation(tmp_path, log, way)
    seen, follower = [], Follower(log, Place(), SystemClock())
    for number in range(6):
        writer.write(50)
        if "compress" in way:
            read_all(follower, seen)
        if number % 3 == 1:
            place = follower.place
            follower.close()
            follower = Follower(log, place, SystemClock())
        if number % 2 == 0 or "compress" in way:
            read_all(follower, seen)
        rotate()
        if way != "copytruncate":
            writer.write(10)  # into the old file: it was not told yet
        writer.reopen()
        if "%s" in WAYS[way]:
            time.sleep(1.01)  # two in a second would have one name
    writer.write(1)
    read_all(follower, seen)
    follower.close()
    assert seen == list(range(1, writer.count + 1))


@pytest.mark.parametrize("way", ["create", "dateext"])
def test_nothing_is_lost_while_all_of_it_happens_at_once(tmp_path, log, way):
    writer, rotate = Writer(log), Rotation(tmp_path, log, way)
    seen, done = [], threading.Event()

    def write():
        while not done.is_set():
            writer.write(100)

    def rotations():
        for _ in range(5):
            rotate()
            writer.reopen()
            time.sleep(1.01 if way == "dateext" else 0.1)
        done.set()

    threads = [threading.Thread(target=work) for work in (write, rotations)]
    follower = Follower(log, Place(), SystemClock())
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        read_all(follower, seen)
        place = follower.place
        follower.close()
        follower = Follower(log, place, SystemClock())
    read_all(follower, seen)
    follower.close()
    assert sorted(seen) == list(range(1, writer.count + 1))


def test_copytruncate_loses_only_what_it_loses_itself(tmp_path, log):
    """Under a writer who never pauses: each line that is in a file afterwards came once."""
    writer, rotate = Writer(log), Rotation(tmp_path, log, "copytruncate")
    seen, done = [], threading.Event()

    def write():
        while not done.is_set():
            writer.write(100)

    thread = threading.Thread(target=write)
    follower = Follower(log, Place(), SystemClock())
    thread.start()
    for _ in range(5):
        read_all(follower, seen)
        while follower.place.spots[-1].blank:  # one that was empty when we looked is known by its time alone
            read_all(follower, seen)
        rotate()
    done.set()
    thread.join()
    read_all(follower, seen)
    follower.close()
    lines = [line for part in log.parent.iterdir() for line in part.read_bytes().splitlines(keepends=True)]
    kept = {int(line.split()[0]) for line in lines if line.endswith(b"\n")}  # a copy may end within a line
    assert len(seen) == len(set(seen))
    assert kept - set(seen) == set()


@pytest.mark.parametrize("way", ["create", "copytruncate"])
def test_a_reader_that_is_killed_again_and_again_goes_on_where_it_was(tmp_path, log, way):
    """With kill -9, at any moment, while lines are written and the log is rotated."""
    writer, rotate = Writer(log), Rotation(tmp_path, log, way)
    journal = tmp_path / "journal"
    command = [sys.executable, "-m", "support.log_reader", log, journal]
    paths = os.pathsep.join(str(ROOT / name) for name in ("src", "tests"))
    for number in range(8):
        reader = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths})
        end = time.monotonic() + 0.6 + 0.05 * number
        while time.monotonic() < end:
            writer.write(200)
            time.sleep(0.002)
        if number % 2:
            rotate()
            writer.reopen()
        reader.kill()
        reader.wait()
    follower = Follower(log, kept(journal)[-1].place, SystemClock())
    seen = [int(line.split()[0]) for row in kept(journal) for line in row.lines if line]
    assert len(seen) > 1000
    read_all(follower, seen)
    follower.close()
    assert seen == list(range(1, writer.count + 1))


def test_a_log_that_may_not_be_read_is_told_and_read_when_it_may(log):
    log.write_bytes(b"0\n")
    log.chmod(0o600)
    for folder in log.parents:
        if folder.stat().st_mode & 0o5 != 0o5:
            folder.chmod(0o755)
    os.seteuid(65534)
    try:
        follower = Follower(log, None, SystemClock())
        assert follower.read() == []
        assert follower.trouble.startswith(f"{log}: may not be read; let the daemon's user read it")
        os.seteuid(0)
        log.chmod(0o644)
        os.seteuid(65534)
        assert (follower.read(), follower.trouble) == ([], "")
    finally:
        os.seteuid(0)
    with log.open("ab") as file:
        file.write(b"1\n")
    assert follower.read() == [b"1"]
    follower.close()
