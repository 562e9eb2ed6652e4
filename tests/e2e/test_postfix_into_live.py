"""The commands one after the other, on a live Postfix: plan, apply, plan again, taken over, rolled back."""

import json
import os
import smtplib
import subprocess
import sys

import pytest

from support.daemon import ROOT, gatepost
from support.door import HONEST, Session
from support.postfix import Postfix

OURS = "bob@example.net"
SETTINGS = {
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "smtpd_client_restrictions": "permit_mynetworks, reject_unknown_reverse_client_hostname",
}


class World:
    """A live Postfix, a Gatepost that it does not ask yet, and our command line."""

    def __init__(self, folder, daemon, postfix):
        self.folder, self.daemon, self.postfix = folder, daemon, postfix
        self.etc = postfix.home / "etc"
        self.environment = {}

    def run(self, *arguments, status=0):
        """What `gatepost postfix` prints; Postfix's folder, our file and the folder of backups are told."""
        backups = [] if arguments[0] in ("plan", "audit") else ["--backups", str(self.folder / "backups")]
        return self.gatepost("postfix", *arguments, "-c", str(self.etc), *backups, status=status)

    def gatepost(self, *arguments, status=0):
        """What a command prints."""
        done = subprocess.run(
            [sys.executable, "-m", "gatepost", *arguments, "--config", str(self.daemon.config)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | self.environment,
        )
        assert status == done.returncode, done.stdout + done.stderr
        return done.stdout

    def files(self):
        """Octets, mode and owner of all that may change."""
        paths = [*self.etc.iterdir(), self.daemon.config]
        return {
            path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_uid, path.stat().st_gid)
            for path in paths
        }

    def reply(self, **who):
        who = HONEST | who
        session = Session(self.postfix.port, who["client"], who["name"], who["helo"])
        try:
            return session.rcpt(who["sender"], OURS)[0]
        finally:
            session.close()

    def greeting(self, client):
        """How a client is greeted that a proxy names; Postfix then begins anew."""
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30) as smtp:
            smtp.ehlo("test")
            return str(smtp.docmd("XCLIENT", f"ADDR={client} NAME=a.example REVERSE_NAME=a.example")[0])


@pytest.fixture
def world(tmp_path):
    with gatepost(tmp_path / "gatepost") as daemon, Postfix(settings=SETTINGS) as postfix:
        yield World(tmp_path, daemon, postfix)


def test_in_and_out_again(world):
    before = world.files()

    world.run("apply", "--dry-run")
    assert before == world.files()

    told = json.loads(world.run("apply", "--yes", "--json"))
    assert {"greets", "refuses to relay", "asks Gatepost"} <= {probe["name"] for probe in told["probes"]}
    assert {"passed"} == {probe["result"] for probe in told["probes"]}
    assert json.loads(world.run("plan", "--json"))["empty"]
    assert world.reply().startswith("250")
    assert world.daemon.journal(OURS)

    assert "There is nothing to change." in world.run("apply", "--yes")

    world.run("rollback", "last", "--yes")
    assert before == world.files()
    asked = len(world.daemon.journal(OURS))
    assert world.reply().startswith("250")
    assert asked == len(world.daemon.journal(OURS))


def test_what_is_taken_over_is_done_by_gatepost_at_once_and_by_postfix_again_afterwards(world):
    nameless = {"client": "192.0.2.99", "name": ""}
    before = world.files()
    first = world.reply(**nameless)
    assert first.startswith("450 4.7.1"), first

    world.run("apply", "--take-over", "--yes")

    assert '"ptr.missing" = "defer"' in world.daemon.config.read_text()
    assert "reject_unknown_reverse_client_hostname" not in (world.etc / "main.cf").read_text()
    # The tests' name server does not answer, which Gatepost, unlike Postfix, holds against nobody.
    assert world.reply(**nameless).startswith("250")
    assert json.loads(world.run("plan", "--take-over", "--json"))["empty"]

    world.run("rollback", "last", "--yes")
    assert before == world.files()
    assert first == world.reply(**nameless)


def test_without_gatepost_nothing_is_changed(world):
    before = world.files()
    world.daemon.stop()

    world.run("apply", "--yes", status=1)
    assert before == world.files()


def test_asking_about_bans_goes_in_and_comes_out_again(world):
    world.run("apply", "--yes")
    before = world.files()

    told = json.loads(world.run("apply", "--ban-at-connect", "--yes", "--json"))
    assert {"passed"} == {probe["result"] for probe in told["probes"]}
    assert "no" == world.postfix.run("postconf", "-Ph", "*/inet/smtpd_delay_reject").strip()
    assert json.loads(world.run("plan", "--ban-at-connect", "--json"))["empty"]
    plain = json.loads(world.run("plan", "--json"))
    assert (True, True) == (plain["empty"], "asks Gatepost about bans" in plain["notes"][0])
    assert "220" == world.greeting("198.51.100.9")
    world.gatepost("ban", "add", "198.51.100.9", "--for", "1h")
    assert ("521", "220") == (world.greeting("198.51.100.9"), world.greeting("198.51.100.8"))

    world.run("rollback", "last", "--yes")
    assert before == world.files()
    assert "220" == world.greeting("198.51.100.9")


def test_a_service_that_is_left_alone_is_told_with_its_reason(world):
    main = world.etc / "main.cf"
    own = "smtpd_sender_restrictions = reject_unlisted_recipient\n"
    world.postfix.write_file("etc/main.cf", main.read_text() + own)

    said = world.run("plan", "--ban-at-connect")
    told = json.loads(world.run("plan", "--ban-at-connect", "--json"))
    line = len(main.read_text().splitlines())

    (reason,) = told["refused"]
    assert f"{main}:{line}: reject_unlisted_recipient" in reason
    assert f"! {reason}" in said
