"""A machine with Debian's Postfix as its package leaves it: `make install`, then one command, and one back.

Postfix, chroot and all, is that of the machine, in a copy of its folders and a network of its own.
"""

import json
import signal
import subprocess
import time

import pytest

from support.machine import ENVIRONMENT, copy_of

RUN = (
    "setpriv",
    "--reuid",
    "gatepost",
    "--regid",
    "gatepost",
    "--init-groups",
    "--no-new-privs",
    "gatepost",
    "run",
)
WHOLE = "cd /etc/postfix && find . -type f -printf '%p %m %U:%G ' -exec sha256sum {} ';'"


@pytest.fixture(scope="module")
def box(installed):
    with copy_of(installed) as copy:
        copy.run("postconf", "-e", "maillog_file = /var/log/postfix.log", "smtpd_peername_lookup = no")
        daemon = copy.start(*RUN, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        copy.run("postfix", "start")
        deadline = time.monotonic() + 20
        while "uptime" not in copy.run("gatepost", "status", "--json", check=None):
            assert daemon.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        try:
            yield copy
        finally:
            copy.run("postfix", "stop", check=None)
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)


def test_from_nothing_to_protected_and_back_again(box):
    before = box.run("sh", "-c", WHOLE)
    assert "Nothing was changed." in box.run("gatepost", "postfix", "plan")
    assert before == box.run("sh", "-c", WHOLE)

    done = json.loads(box.run("gatepost", "postfix", "apply", "--yes", "--json").splitlines()[-1])

    assert {"passed"} == {probe["result"] for probe in done["probes"]}, done
    assert ["asks Gatepost"] == [p["name"] for p in done["probes"] if p["name"].startswith("asks")]
    assert json.loads(box.run("gatepost", "postfix", "plan", "--json"))["empty"]
    audit = json.loads(box.run("gatepost", "postfix", "audit", "--json"))
    assert (0, []) == (audit["serious"], [f for f in audit["findings"] if f["severity"] == "serious"])

    box.run("gatepost", "postfix", "rollback", "last", "--yes")
    assert before == box.run("sh", "-c", WHOLE)
    assert "700" == box.run("stat", "-c", "%a", "/var/backups/gatepost/postfix").strip()
