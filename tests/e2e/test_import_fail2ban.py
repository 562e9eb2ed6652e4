"""What a real fail2ban bans stays banned here, and its jails go on with Debian's filters as they are."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.daemon import ROOT, gatepost

pytestmark = pytest.mark.e2e

LOCAL = """
[DEFAULT]
ignoreip = 127.0.0.1/8 192.0.2.25 mail.example.org
bantime = 2h
bantime.increment = true
bantime.maxtime = 5w
banaction = nothing
syslog_mail = {log}
[postfix]
enabled = true
mode = aggressive
[postfix-sasl]
enabled = true
maxretry = 3
[dovecot]
enabled = true
[recidive]
enabled = true
logpath = {log}
"""
NOTHING = "[Definition]\nactionstart =\nactionstop =\nactioncheck =\nactionban =\nactionunban =\n"


@contextmanager
def fail2ban(folder):
    """A fail2ban with Debian's configuration, and an action that does nothing."""
    conf = folder / "fail2ban"
    shutil.copytree("/etc/fail2ban", conf)
    for file in (conf / "jail.d").iterdir():
        file.unlink()
    log = folder / "mail.log"
    log.write_text("")
    (conf / "jail.local").write_text(LOCAL.format(log=log))
    (conf / "action.d" / "nothing.conf").write_text(NOTHING)
    places = {name: folder / f"f2b.{name}" for name in ("sock", "pid", "log", "sqlite3")}
    (conf / "fail2ban.local").write_text(
        f"[DEFAULT]\ndbfile = {places['sqlite3']}\nlogtarget = {places['log']}\n"
        f"socket = {places['sock']}\npidfile = {places['pid']}\n"
    )
    where = ["-c", str(conf), "-s", str(places["sock"]), "-p", str(places["pid"])]
    server = subprocess.Popen(
        ["fail2ban-server", *where, "-f", "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def client(*words):
        return subprocess.run(
            ["fail2ban-client", *where, *words], capture_output=True, text=True, check=False, timeout=30
        )

    try:
        until = time.monotonic() + 30
        while client("status", "dovecot").returncode:
            assert time.monotonic() < until, places["log"].read_text()
            time.sleep(0.1)
        yield conf, client
    finally:
        server.terminate()
        server.wait(30)


def run(*arguments):
    command = [sys.executable, "-m", "gatepost", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_jails_and_running_bans_of_a_real_fail2ban(tmp_path):
    with fail2ban(tmp_path) as (conf, client), gatepost(tmp_path) as daemon:
        for jail, address in (
            ("postfix", "198.51.100.7"),
            ("dovecot", "2001:db8:7::1"),
            ("postfix", "192.0.2.25"),
        ):
            assert client("set", jail, "banip", address).returncode == 0
        until = time.monotonic() + 10
        while (
            run(
                "import",
                "fail2ban",
                "--from",
                str(conf),
                "--config",
                str(daemon.config),
                "--dry-run",
                "--json",
            )["bans"]["read"]
            < 3
        ):
            assert time.monotonic() < until
        told = run("import", "fail2ban", "--from", str(conf), "--config", str(daemon.config), "--json")
        again = run("import", "fail2ban", "--from", str(conf), "--config", str(daemon.config), "--json")
        bans = run("ban", "list", "--config", str(daemon.config), "--json")["bans"]
        still = client("status", "postfix").stdout

    left = {one["what"]: one["why"] for one in told["not_taken"]}
    assert told["written"]
    assert told["reloaded"]
    assert not again["written"]
    assert {ban["network"]: ban["origin"] for ban in bans} == {
        "198.51.100.7": "fail2ban postfix",
        "2001:db8:7::1": "fail2ban dovecot",
    }
    assert all(7000 < ban["until"] - time.time() <= 7200 for ban in bans)
    assert "the ban of 192.0.2.25" in left, "it is in ignoreip, and a ban by hand is no reason to shut it out"
    assert "fail2ban's own bans" in left["jail recidive: filter recidive[mode=normal]"]
    assert "never looked up" in left["ignoreip mail.example.org"]
    assert "198.51.100.7" in still, "fail2ban is left as it is"
    assert 'filter = "' + str(conf) in Path(daemon.config).read_text()
