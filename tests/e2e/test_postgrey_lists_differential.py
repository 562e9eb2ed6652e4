"""On the same lists, ours excuse from greylisting whom a real postgrey excuses.

Left out are the forms where postgrey slips and the plain meaning is taken
instead: prefixes of one and two octets, names with a dot before them, and
whatever fits the word `unknown`.
"""

import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

from gatepost.access.options import AccessOptions
from gatepost.access.table import AccessTable
from gatepost.clock import SystemClock
from gatepost.model import Request
from support.postfix import free_port

SEED = 7
REQUESTS = 200

NAMES = """\
a
b.a
mx1.b.a
xa
mail.example.org
example.org
EXAMPLE.org
org
home-12.net
net.org
unknown
"""
ADDRESSES = """\
192.0.2.1
192.0.2.200
192.0.3.1
198.51.100.7
10.1.2.3
2001:db8::1
2001:db8:1::9
"""
RECIPIENTS = """\
user@example.net
User+x@example.net
user@sub.example.net
other@example.net
xuser@example.net
postmaster@a.example
postmaster+1@b.example
order-12@example.net
anyone@mylists.net
a@lists.net
"""
CLIENT_LINES = r"""
a
b.a
example.org
Mail.Example.ORG
/^mx\d\./
/home-\d+/
/(a|b)\.net$/
/^EX/
192.0.2.1
192.0.2
192.0.2.0/24
192.0.2.77/25
10.0.0.0/8
198.51.100.7/32
2001:db8::/32
2001:db8:1::/48
2001:db8::1
# comment
a # comment
  net.org
"""
RECIPIENT_LINES = r"""
user@
user@example.net
POSTMASTER@
example.net
lists.net
/^order-\d+@/
other@example.net
/LISTS/
# comment
  user@sub.example.net # comment
"""


class Postgrey:
    """A real one, with its own lists and database."""

    def __init__(self, clients, recipients):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="gatepost-postgrey-"))
        self.clients, self.recipients = self.home / "clients", self.home / "recipients"
        self.clients.write_text(clients)
        self.recipients.write_text(recipients)
        shutil.chown(self.home, "postgrey", "postgrey")
        self.port = free_port()
        self._process = subprocess.Popen(
            [
                *(
                    "postgrey",
                    f"--inet=127.0.0.1:{self.port}",
                    f"--dbdir={self.home}",
                    "--auto-whitelist-clients=0",
                ),
                *(f"--whitelist-clients={self.clients}", f"--whitelist-recipients={self.recipients}"),
                f"--pidfile={self.home}/pid",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._file = None

    def connect(self):
        deadline = time.monotonic() + 20
        while self._file is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as found:
                    self._file = found.makefile("rwb")
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def excuses(self, request, number):
        """Whether it lets this first try pass."""
        attributes = {
            "request": "smtpd_access_policy",
            "client_address": request.client_address,
            "client_name": request.client_name,
            "sender": f"sender-x{number}@elsewhere.example",
            "recipient": request.recipient,
            "instance": str(number),
        }
        self._file.write("".join(f"{k}={v}\n" for k, v in attributes.items()).encode() + b"\n")
        self._file.flush()
        reply = self._file.readline().decode()
        self._file.readline()
        return reply.strip() == "action=DUNNO"

    def stop(self):
        if self._file:
            self._file.close()
        self._process.kill()  # it does not always hear SIGTERM
        self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.mark.parametrize("round_", range(10))
def test_the_same_lists_excuse_the_same_in_a_real_postgrey(round_):
    chance = random.Random(SEED + round_)
    clients = "\n".join(chance.sample(CLIENT_LINES.splitlines(), 4)) + "\n"
    recipients = "\n".join(chance.sample(RECIPIENT_LINES.splitlines(), 2)) + "\n"
    postgrey = Postgrey(clients, recipients)
    try:
        options = AccessOptions(
            postgrey_clients=(str(postgrey.clients),), postgrey_recipients=(str(postgrey.recipients),)
        )
        ours = AccessTable(options, SystemClock())
        ours.load()
        assert ours.troubles() == ()
        postgrey.connect()
        different, excused = [], 0
        for number in range(REQUESTS):
            request = Request(
                client_name=chance.choice(NAMES.splitlines()),
                client_address=chance.choice(ADDRESSES.splitlines()),
                recipient=chance.choice(RECIPIENTS.splitlines()),
            )
            theirs = postgrey.excuses(request, number)
            excused += theirs
            if theirs != bool(ours.matches(request)):
                different.append((request.client_name, request.client_address, request.recipient, theirs))
        assert (different[:3], clients + recipients) == ([], clients + recipients)
        assert 0 < excused < REQUESTS
    finally:
        postgrey.stop()


def test_the_lists_that_come_with_postgrey_are_read_without_a_complaint():
    names = [str(pathlib.Path("/etc/postgrey") / n) for n in ("whitelist_clients", "whitelist_recipients")]
    access = AccessTable(
        AccessOptions(postgrey_clients=(names[0],), postgrey_recipients=(names[1],)), SystemClock()
    )
    access.load()
    assert access.troubles() == ()
    (found,) = access.matches(Request(recipient="postmaster@anywhere.example"))
    assert found.source.startswith(f"{names[1]}:")
