"""From postgrey to Gatepost at one port: a real postgrey, a real Gatepost, and a `systemctl` that runs them.

systemd does not run where the tests do, so that the program of its name writes
down what it is told and starts and ends the two.
"""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from e2e.test_postgrey_lists_differential import Postgrey
from support.daemon import READY, ROOT, Daemon
from support.door import HONEST, Session
from support.postfix import Postfix

SYSTEMCTL = """\
#!/bin/sh
echo "$@" >> {folder}/told
case "$*" in
"disable --now postgrey.service") kill -9 $(cat {folder}/postgrey) ;;
"enable --now gatepost.socket gatepost.service")
    {fault}
    PYTHONPATH={src} {python} -m gatepost run --config {config} >/dev/null 2>>{folder}/log &
    echo $! > {folder}/started
    while ! grep -q '{ready}' {folder}/log; do sleep 0.05; done ;;
"disable --now gatepost.service gatepost.socket") kill $(cat {folder}/started) ;;
esac
"""
# Where systemd is the init, this folder is there (sd_booted(3)).
BOOTED = 'mount -t tmpfs run /run && mkdir -p /run/systemd/system && exec "$@"'


class Machine:
    """postgrey in front of a Postfix, and Gatepost installed."""

    def __init__(self, folder):
        self.folder = folder
        self.postgrey = Postgrey("", "")
        self.gatepost = Daemon(folder / "gatepost")
        self.gatepost.port = self.postgrey.port
        self.gatepost.write()
        (folder / "postgrey").write_text(str(self.postgrey._process.pid))
        (folder / "log").touch()
        self.systemctl()
        line = f"check_policy_service inet:127.0.0.1:{self.postgrey.port}"
        self.postfix = Postfix(
            settings={
                "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
                "smtpd_recipient_restrictions": f"permit_mynetworks, reject_unauth_destination, {line}",
            }
        )

    def __enter__(self):
        self.postgrey.connect()
        self.postfix.__enter__()
        return self

    def __exit__(self, *error):
        self.postfix.__exit__(*error)
        self.postgrey.stop()
        if (started := self.folder / "started").exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(started.read_text()), signal.SIGTERM)

    def systemctl(self, fault=":"):
        program = self.folder / "bin" / "systemctl"
        program.parent.mkdir(exist_ok=True)
        text = SYSTEMCTL.format(
            folder=self.folder,
            src=ROOT / "src",
            python=sys.executable,
            config=self.gatepost.config,
            ready=READY,
            fault=fault,
        )
        program.write_text(text)
        program.chmod(0o755)

    def told(self):
        file = self.folder / "told"
        return file.read_text().splitlines() if file.exists() else []

    def apply(self, *, booted=True):
        words = [sys.executable, "-m", "gatepost", "postfix", "apply", "--yes"]
        words += ["-c", str(self.postfix.home / "etc"), "--config", str(self.gatepost.config)]
        words += ["--backups", str(self.folder / "backups")]
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", BOOTED, "sh", *words] if booted else words,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT / "src"),
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            },
        )
        return done.returncode, done.stdout + done.stderr

    def reply(self):
        session = Session(self.postfix.port, HONEST["client"], HONEST["name"], HONEST["helo"])
        try:
            return session.rcpt(HONEST["sender"], "bob@example.net")[0]
        finally:
            session.close()


@pytest.fixture
def machine(tmp_path):
    with Machine(tmp_path) as made:
        yield made


def test_gatepost_takes_the_place_of_postgrey(machine):
    assert "Greylisted" in machine.reply()

    status, said = machine.apply()

    assert 0 == status, said
    assert "where Gatepost is to answer: apply switches over" in said
    assert [
        "disable --now postgrey.service",
        "enable --now gatepost.socket gatepost.service",
    ] == machine.told()
    assert machine.reply().startswith("250")  # with `doubtful` greylisting, nothing speaks against it
    main = (machine.postfix.home / "etc" / "main.cf").read_text()
    assert f"check_policy_service inet:127.0.0.1:{machine.postgrey.port}" not in main


def test_when_gatepost_does_not_start_postgrey_is_started_again_and_nothing_is_changed(machine):
    before = (machine.postfix.home / "etc" / "main.cf").read_bytes()
    machine.systemctl(fault="echo 'Job for gatepost.service failed.' >&2; exit 1")

    status, said = machine.apply()

    assert status != 0
    assert "Job for gatepost.service failed." in said
    assert [
        "disable --now gatepost.service gatepost.socket",
        "enable --now postgrey.service",
    ] == machine.told()[-2:]
    assert before == (machine.postfix.home / "etc" / "main.cf").read_bytes()


def test_without_systemd_it_is_said_what_to_do(machine):
    before = (machine.postfix.home / "etc" / "main.cf").read_bytes()

    status, said = machine.apply(booted=False)

    assert 2 == status
    assert f"postgrey (pid {machine.postgrey._process.pid}) answers at" in said
    assert "call apply again" in said
    assert before == (machine.postfix.home / "etc" / "main.cf").read_bytes()
    assert [] == machine.told()
