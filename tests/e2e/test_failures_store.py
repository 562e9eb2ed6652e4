"""Whatever happens to the disk, no mail is refused for it, what can be mended is, and the daemon says so."""

import contextlib
import shutil
import sqlite3
import subprocess
import time

import pytest

from support.daemon import Daemon
from support.door import Door

TOP = 'profile = "strict"'
TABLES = """
[greylist]
delay = "1s"
[rules]
"helo.unresolvable" = 0
"sender_domain.*" = 0
[[dnsbl]]
zone = "zen.spamhaus.org"
"""
GREYLISTED = "450 4.7.1"


def of_journal(door, client="192.0.2.7"):
    """Rules found in the newest RCPT question of this client."""
    entries = [e for e in door.gatepost.journal(client) if e["stage"] == "RCPT"]
    return [f["rule"] for f in entries[0]["findings"]]


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of three megabytes, as the daemon's state folder."""
    folder = tmp_path / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(tmp_path, small_disk):
    with Door(tmp_path, TOP, TABLES) as door:
        assert door.mail().startswith(GREYLISTED)
        filler = small_disk / "filler"
        fill(filler)
        replies = [door.mail(client=f"198.51.100.{n}", sender=f"s{n}@example.org") for n in range(40)]
        assert replies[-1].startswith("250")
        assert all(r.startswith(("250", GREYLISTED)) for r in replies)
        assert "full" in door.gatepost.logged()
        assert door.gatepost.running()

        filler.unlink()
        deadline = time.monotonic() + 15
        while not door.mail(client="203.0.113.9", sender="after@example.org").startswith(GREYLISTED):
            assert time.monotonic() < deadline, "does not heal when there is room again"
            time.sleep(0.5)


def test_a_read_only_store(tmp_path, small_disk):
    with Door(tmp_path, TOP, TABLES) as door:
        assert door.mail().startswith(GREYLISTED)
        door.gatepost.stop()  # while files are open for writing the kernel refuses the remount
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        door.gatepost.start()

        assert door.mail().startswith("250")
        assert str(small_disk) in door.gatepost.logged()
        assert door.gatepost.running()

        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        deadline = time.monotonic() + 15
        while not door.mail(client="203.0.113.9", sender="after@example.org").startswith(GREYLISTED):
            assert time.monotonic() < deadline, "does not heal when it may write again"
            time.sleep(0.5)


def test_a_locked_store(tmp_path):
    with Door(tmp_path, TOP, TABLES) as door:
        other = sqlite3.connect(door.gatepost.state / "gatepost.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")

        assert door.mail().startswith("250")
        assert ["error.store"] == of_journal(door)

        other.execute("ROLLBACK")
        other.close()
        time.sleep(1.5)
        assert door.mail(client="198.51.100.1").startswith(GREYLISTED)


def test_a_corrupt_store(tmp_path):
    with Door(tmp_path, TOP, TABLES) as door:
        assert door.mail().startswith(GREYLISTED)
        door.gatepost.stop()
        flip_bits(door.gatepost.state / "gatepost.db")
        door.gatepost.start()

        assert door.mail().startswith(GREYLISTED)
        assert [True] == ["corrupt" in p.name for p in door.gatepost.state.glob("gatepost.db.corrupt-*")][:1]
        assert "corrupt" in door.gatepost.logged()


def test_a_store_that_cannot_be_opened(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "gatepost.db").mkdir()  # root may open any file; a folder of that name stops even root
    with Door(tmp_path, TOP, TABLES) as door:
        assert door.mail().startswith("250")
        assert ["error.store"] == of_journal(door)
        assert "gatepost.db" in door.gatepost.logged()


def test_corrupt_lists_are_restored(tmp_path):
    with Door(tmp_path, TOP, TABLES) as door:
        door.gatepost.command("allow", "192.0.2.7", check=0)
        assert door.mail().startswith("250")
        deadline = time.monotonic() + 20
        while not list(door.gatepost.state.glob("gatepost-kept.db.snapshot-*")):
            assert time.monotonic() < deadline, "no snapshot after an entry was added"
            time.sleep(0.2)
        door.gatepost.stop()
        flip_bits(door.gatepost.state / "gatepost-kept.db")
        door.gatepost.start()

        assert door.mail().startswith("250")
        assert "snapshot" in door.gatepost.logged()


def fill(path):
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def flip_bits(path):
    """Make a database unreadable, without changing its size; its log is merged first, as at a clean stop."""
    for suffix in ("-wal", "-shm"):
        shutil.rmtree(f"{path}{suffix}", ignore_errors=True)
    octets = bytearray(path.read_bytes())
    for place in range(0, len(octets), 7):
        octets[place] ^= 0xFF
    path.write_bytes(octets)


def test_state_survives_a_clean_restart(tmp_path):
    daemon = Daemon(tmp_path, TOP, TABLES)
    daemon.start()
    assert "DEFER_IF_PERMIT" in daemon.ask()
    daemon.stop()
    time.sleep(1.1)
    daemon.start()
    try:
        assert daemon.ask(instance="2").startswith(("DUNNO", "PREPEND X-Greylist"))
    finally:
        daemon.stop()
