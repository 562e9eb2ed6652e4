"""The installed service, as systemd runs it: sockets held for it, told how it is, in its unit's sandbox.

    with Service(box) as service:
        service.start()
        service.ask(helo_name="localhost")

`box` is a `support.machine` on which Gatepost is installed.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from support.policy_client import PolicyClient

SANDBOX = Path(__file__).with_name("sandbox.py")
UNITS = "/usr/local/lib/systemd/system"
DAEMON, FIREWALL = "gatepost.service", "gatepost-firewall.service"
PORT = 10023
NOTIFY = "/run/systemd/notify"
SECONDS = 20.0


def inside(box, code, unit=DAEMON):
    """What a Python program prints that runs in the service's sandbox."""
    done = subprocess.run(
        [
            *box.entered,
            sys.executable,
            SANDBOX,
            f"{UNITS}/{unit}",
            "",
            "/opt/gatepost/bin/python",
            "-Ic",
            code,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Service:
    """What systemd does for gatepost.service and gatepost.socket, or for another unit."""

    def __init__(self, box, *, sockets=True, unit=DAEMON):
        self.box = box
        self.unit = unit
        self.process = None
        self.log = box.path("/var/log/gatepost-test")
        self._listener = self._listen() if sockets else None
        self._notified = self._notify_socket()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(AssertionError):
            self.stop()
        for one in filter(None, (self._listener, self._notified)):
            one.close()
        self.box.path(NOTIFY).unlink(missing_ok=True)

    def _listen(self):
        listener = self.box.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", PORT))
        listener.listen(1024)
        return listener

    def _notify_socket(self):
        path = self.box.path(NOTIFY)
        path.parent.mkdir(exist_ok=True)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.bind(str(path))
        path.chmod(0o777)
        return made

    # --- life ---

    def start(self):
        """Start it, and wait until it says that it is ready; what it said."""
        passed = [self._listener.fileno()] if self._listener else []
        command = [
            sys.executable,
            SANDBOX,
            f"{UNITS}/{self.unit}",
            " ".join(f"{number}=policy" for number in passed),
        ]
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": NOTIFY, "WATCHDOG_USEC": "400000"}
        with self.log.open("ab") as log:
            self.process = self.box.start(
                *command, pass_fds=passed, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        return self.told("READY=1")

    def told(self, state):
        """Wait until systemd is told this; the whole notification."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            self._notified.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                said = self._notified.recv(4096).decode()
                if state in said.splitlines():
                    return said
        raise AssertionError(f"{state} was not told; exit {self.process.poll()}:\n{self.logged()}")

    def stop(self):
        """SIGTERM; the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop on SIGTERM:\n{self.logged()}") from None

    def logged(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # --- questions ---

    def connect(self):
        """A connection such as Postfix has."""
        connected = self.box.socket()
        connected.settimeout(15)
        connected.connect(("127.0.0.1", PORT))
        return PolicyClient(connected)

    def ask(self, **attributes):
        """One question on a connection of its own."""
        with self.connect() as client:
            return client.ask(**attributes)
