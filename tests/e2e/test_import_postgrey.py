"""What a real postgrey remembers passes here at once as it would there; nothing of it is lost unsaid."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gatepost.imports import machine
from gatepost.server.control_client import ControlError, call
from support.daemon import ROOT, Daemon, gatepost
from support.postgrey import postgrey

pytestmark = pytest.mark.e2e

SEED = 11
LETTERS = str.maketrans("0123456789", "ghijklmnop")
HOUR = 3600
DAY = 24 * HOUR
CLIENTS = (
    "192.0.2.7", "192.0.2.9", "198.51.100.3", "203.0.113.77", "203.0.114.1",
    "2001:db8::1", "2001:db8:5:6:7::8",
)  # fmt: skip
SENDERS = (
    "", "anna@a.example", "Anna+list@A.example", "bounce-123-4@news.example", "b-12ab34cd@news.example",
    "prvs=1234567890=anna@a.example", "prvs=12a4b6789f=anna@a.example", "btv1==1234567890==anna@a.example",
    "SRS0=Ab1C=T7=far.example=joe@fwd.example", "SRS0=1234=12=far.example=joe@fwd.example",
    "list-return-77-bob=x.example@lists.example", "a/b@slash.example", "user12b@digits.example", "root",
    "550e8400-e29b-41d4-a716-446655440000@uuid.example", "x-550e8400e29b41d4a716446655440000@hex.example",
    "12345678-1234-4234-9234-123456789012@uuid.example", "joe@müller.example", "jürgen.2@a.example",
    "under_score_12@a.example", "x.2024-11-05.y@dates.example",
)  # fmt: skip
RECIPIENTS = ("bob@example.net", "Bob+tag@Example.net", "c/d@example.net", "sales-12@example.net")


def run(config, *arguments, check=0, **options):
    done = subprocess.run(
        [sys.executable, "-m", "gatepost", "import", *arguments, "--config", str(config)],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | options.pop("env", {}),
        **options,
    )
    assert check == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def take(theirs, config, *more):
    """Import from a postgrey that runs; what the command says."""
    options = " ".join(theirs.options)
    return json.loads(run(config, "postgrey", "--options", options, "--json", *more))


def live(theirs, now):
    """Mail of weeks: some passed, some still wait, some came too early; every question that was asked."""
    chance = random.Random(SEED)
    asked = []
    for client in CLIENTS:
        for sender in SENDERS:
            question = (client, sender, chance.choice(RECIPIENTS))
            began = now - chance.choice((100, 2 * HOUR, DAY, 3 * DAY, 30 * DAY))
            for later in chance.choice(((), (10,), (400,), (400, 2 * DAY), (5, 20, 700))):
                theirs.ask(*question, now=began)
                began = min(began + later, now)
            theirs.ask(*question, now=began)
            asked.append(question)
    for number in range(8):  # a client that proves itself: each a new mail that waits and comes back
        for moment in (now - DAY + number * 4000, now - DAY + number * 4000 + 400):
            theirs.ask("198.18.5.5", f"writer{chr(97 + number)}@a.example", "bob@example.net", now=moment)
    asked.append(("198.18.5.5", "never@seen.example", "nobody@example.net"))
    return asked


def passes(answer):
    return not answer.startswith(("DEFER", "4"))


def both(theirs, daemon, asked):
    """Each question with the answers of both, true when it passes."""
    return [
        (
            question,
            passes(theirs.ask(*question)),
            passes(daemon.ask(client_address=question[0], sender=question[1], recipient=question[2])),
        )
        for question in asked
    ]


def without_null(asked):
    """The null sender is asked at DATA here, so it passes at RCPT anyway."""
    return [question for question in asked if question[1]]


@pytest.mark.parametrize(
    "options", [("--delay=300",), ("--delay=60", "--lookup-by-host"), ("--ipv4cidr=20", "--ipv6cidr=48")]
)
def test_what_passes_there_passes_here_while_both_run(tmp_path, options):
    with postgrey(*options) as theirs, gatepost(tmp_path) as daemon:
        asked = live(theirs, time.time())
        told = take(theirs, daemon.config)
        strangers = [(f"100.64.{n}.1", f"new{chr(97 + n)}@b.example", "bob@example.net") for n in range(9)]

        answers = both(theirs, daemon, without_null(asked))
        new = both(theirs, daemon, strangers)

    assert [] == [question for question, there, here in answers if there and not here]
    assert told["reloaded"]
    assert 20 < sum(there for _, there, _ in answers) < len(answers), "it must be able to differ"
    assert 5 < sum(not here for _, _, here in answers)
    assert [] == [question for question, _, here in new if here]


def test_the_null_sender_passes_at_data_too(tmp_path):
    now = time.time()
    with postgrey("--delay=300") as theirs, gatepost(tmp_path) as daemon:
        for moment in (now - 1000, now - 400):
            theirs.ask("192.0.2.7", "", "bob@example.net", now=moment)
        take(theirs, daemon.config)

        known = {"client_address": "192.0.2.7", "sender": "", "protocol_state": "DATA"}
        here = daemon.ask(**known, recipient="bob@example.net", instance="1")
        other = daemon.ask(**known, recipient="eve@example.net", instance="2")

    assert (True, False) == (passes(here), passes(other))


def test_again_changes_nothing(tmp_path):
    with postgrey("--delay=300") as theirs, gatepost(tmp_path) as daemon:
        live(theirs, time.time())
        first = take(theirs, daemon.config)
        text = daemon.config.read_bytes()
        second = take(theirs, daemon.config)
        again = daemon.config.read_bytes()
        names = sorted(path.name for path in daemon.config.parent.glob("gatepost.toml*"))

    assert 0 < first["triplets"]["stored"]["taken"]
    assert (0, 0) == (second["triplets"]["stored"]["taken"], second["triplets"]["stored"]["clients"])
    assert text == again
    assert not second["written"]
    assert 2 == len(names), names


def test_without_a_daemon_the_store_is_written_and_a_daemon_finds_it(tmp_path):
    daemon = Daemon(tmp_path)
    with postgrey("--delay=300") as theirs:
        now = time.time()
        for moment in (now - 1000, now - 400):
            theirs.ask("192.0.2.7", "anna@a.example", "bob@example.net", now=moment)
        told = take(theirs, daemon.config)
        daemon.start()
        try:
            question = {"client_address": "192.0.2.7", "sender": "anna@a.example"}
            answer = daemon.ask(**question, recipient="bob@example.net")
        finally:
            daemon.stop()

    assert (1, False) == (told["triplets"]["stored"]["taken"], told["reloaded"])
    assert passes(answer)


def test_a_dry_run_changes_nothing(tmp_path):
    daemon = Daemon(tmp_path)
    before = daemon.config.read_bytes()
    with postgrey("--delay=300") as theirs:
        theirs.ask("192.0.2.7", "anna@a.example", "bob@example.net")
        told = take(theirs, daemon.config, "--dry-run")

    assert 1 == told["triplets"]["read"]["waiting"]
    assert before == daemon.config.read_bytes()
    assert [daemon.config] == list(tmp_path.iterdir())


def test_hashed_triplets_are_told(tmp_path):
    with postgrey("--privacy") as theirs:
        theirs.ask("192.0.2.7", "anna@a.example", "bob@example.net")
        told = take(theirs, tmp_path / "new" / "gatepost.toml", "--store", f"sqlite:{tmp_path}/s/g.db")

    assert {"hashed": 1} == told["triplets"]["left"]
    assert (tmp_path / "new" / "gatepost.toml").read_text().count("stranger")


def test_without_the_tool_the_package_is_named_and_the_rest_is_taken(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    with postgrey("--delay=77") as theirs:
        theirs.ask("192.0.2.7", "anna@a.example", "bob@example.net")
        options = " ".join(theirs.options)
        where = ("--store", f"sqlite:{tmp_path}/s/g.db")
        config = tmp_path / "gatepost.toml"
        said = run(config, "postgrey", "--options", options, *where, env={"PATH": str(folder)})

    assert "db5.3-util" in said
    assert 'delay = "77s"' in config.read_text()


def test_owner_and_mode_stay_and_the_old_file_is_kept(tmp_path):
    config = tmp_path / "gatepost.toml"
    config.write_text('# mine\nprofile = "strict"\n')
    config.chmod(0o640)
    shutil.chown(config, "postgrey", "postgrey")
    with postgrey("--delay=77") as theirs:
        told = take(theirs, config, "--store", f"sqlite:{tmp_path}/s/g.db")

    found = config.stat()
    assert (0o640, "postgrey") == (found.st_mode & 0o777, config.owner())
    assert '# mine\nprofile = "strict"\n' == Path(told["backup"]).read_text()
    assert config.read_text().startswith("# mine\nprofile")


@pytest.mark.parametrize(
    "triplet",
    [
        {"network": 1},
        {"network": "n", "sender": "s", "recipient": "r", "first": 1e300, "last": 1, "passed": True},
        {"network": "n", "sender": "s", "recipient": "r", "first": -1, "last": 1, "passed": True},
    ],
)
def test_the_daemon_refuses_what_is_no_triplet(tmp_path, triplet):
    with gatepost(tmp_path) as daemon, pytest.raises(ControlError, match="not triplets"):
        call(str(daemon.control), "greylist.bring", triplets=[triplet])


def test_a_process_with_other_options_than_the_file_says_is_told(monkeypatch, tmp_path):
    file = tmp_path / "default"
    monkeypatch.setattr(machine, "DEFAULTS", (tmp_path / "none", file))
    monkeypatch.setattr(machine, "PROC", tmp_path)
    with postgrey("--delay=91") as theirs:
        (tmp_path / "1234").symlink_to(f"/proc/{theirs.process.pid}")
        file.write_text("# nothing\n")
        nothing = machine.said(None)
        file.write_text(f'POSTGREY_OPTS="{" ".join(theirs.options)}"\n')
        same = machine.said(None)
        file.write_text('POSTGREY_OPTS="--inet=10023"\n')
        other = machine.said(None)

    assert ("process 1234", "") == (nothing.where, nothing.doubt)
    assert (str(file), "") == (same.where, same.doubt)
    assert (str(file), "10023") == (other.where, other.options.value("inet"))
    assert "process 1234" in other.doubt


def test_the_running_process_tells_its_options(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "DEFAULTS", ())
    monkeypatch.setattr(machine, "PROC", tmp_path)
    with postgrey("--delay=91", "--greylist-text=wait a while") as theirs:
        (tmp_path / "1234").symlink_to(f"/proc/{theirs.process.pid}")
        found = machine.said(None)

    assert "process 1234" == found.where
    assert ("91", "wait a while") == (found.options.value("delay"), found.options.value("greylist-text"))
    assert str(theirs.database) == found.options.value("dbdir")


def test_what_postgrey_answered_before_is_found_while_it_goes_on_writing(tmp_path):
    done, stop = [], threading.Event()

    def mail(theirs):
        while not stop.is_set():
            number = len(done)
            sender = f"{number}@a.example".translate(LETTERS)
            theirs.ask(f"198.18.{number % 200}.1", sender, f"r{number % 7}@example.net")
            done.append(number)

    with postgrey() as theirs:
        config = tmp_path / "gatepost.toml"
        config.write_text("[greylist]\npending_per_network = 100000\n")
        writer = threading.Thread(target=mail, args=(theirs,))
        writer.start()
        try:
            wait_until(lambda: len(done) > 400)
            for _ in range(4):
                before = len(done)
                told = take(theirs, config, "--dry-run")
                after = len(done)
                assert before <= told["triplets"]["read"]["waiting"] <= after + 1
                notes = [note for note in told["notes"][1:] if "is a copy of" not in note]
                assert ([], {}) == (notes, told["triplets"]["left"])
        finally:
            stop.set()
            writer.join()

    assert after > before, "it wrote meanwhile"


def wait_until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_database_that_is_damaged_is_told(tmp_path):
    with postgrey() as theirs:
        theirs.ask("192.0.2.7", "anna@a.example", "bob@example.net")
        database = tmp_path / "db"
        shutil.copytree(theirs.database, database)
        for log in database.glob("log.*"):  # from which the database could be made anew
            log.unlink()
        (database / "postgrey.db").write_bytes(os.urandom(8192))
        options = " ".join(theirs.options)
        said = run(
            tmp_path / "g.toml", "postgrey", "--options", options, "--database", str(database), "--dry-run"
        )

    assert "postgrey.db" in said
    assert "breaks off" in said
    assert "Traceback" not in said


def test_links_in_the_database_folder_are_not_followed(tmp_path):
    database = tmp_path / "db"
    database.mkdir()
    (database / "postgrey.db").symlink_to("/etc/shadow")
    (database / "log.1").symlink_to("/dev/zero")
    said = run(
        tmp_path / "g.toml", "postgrey", "--options", "--inet=1", "--database", str(database), "--folder",
        str(tmp_path), "--dry-run",
    )  # fmt: skip

    assert "Nothing was changed." in said
    assert "triplets" in said


def test_the_store_belongs_to_the_daemons_user_after_root_imported(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    shutil.chown(state, "postgrey", "postgrey")
    tmp_path.chmod(0o755)
    for folder in list(tmp_path.parents)[:-2]:
        folder.chmod(folder.stat().st_mode | 0o011)
    with postgrey("--delay=300") as theirs:
        theirs.ask("192.0.2.7", "anna@a.example", "bob@example.net")
        told = take(theirs, tmp_path / "gatepost.toml", "--store", f"sqlite:{state}/gatepost.db")

    assert 1 == told["triplets"]["stored"]["taken"]
    assert {"postgrey"} == {file.owner() for file in state.iterdir()}
