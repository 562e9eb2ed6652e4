"""The real `gatepost run`, as a process of its own, for tests that need it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from support.policy_client import PolicyClient

ROOT = Path(__file__).parents[2]
READY = "ready to answer"
READY_SECONDS = 20.0


def free_port():
    """A TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """A running daemon; its files lie in `folder`."""

    def __init__(self, folder, top="", tables="", *, dns=None, prefix=(), env=None, store=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.state = self.folder / "state"
        self.control = self.folder / "control.sock"
        self.config = self.folder / "gatepost.toml"
        self.log = self.folder / "log"
        self._prefix = list(prefix)
        self._env = env or {}
        self.process = None
        self._dns = dns or "127.0.0.1:9"
        self._store = store or f"sqlite:{self.state}/gatepost.db"
        self.write(top, tables)

    def write(self, top="", tables=""):
        """Write the configuration: `top`, the sections every test needs, then `tables`."""
        self.config.write_text(
            f"{top}\n"
            f'[listen]\npolicy = ["inet:127.0.0.1:{self.port}"]\n'
            f'[control]\nsocket = "{self.control}"\n'
            f'[store]\nurl = "{self._store}"\n'
            f'[dns]\nservers = ["{self._dns}"]\n'
            f'[ours]\nread_postfix = false\nnames = ["mx.example.net"]\n'
            f'domains = ["example.net"]\nnetworks = ["10.0.0.0/8"]\n'
            f"{tables}\n"
        )

    def start(self, wait=True):
        """Start it and wait until it says that it is ready."""
        command = [sys.executable, "-m", "gatepost", "run", "--config", str(self.config)]
        before = self.logged().count(READY)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, *command],
                stderr=log,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | self._env,
            )
        if wait:
            self.wait_for(READY, count=before + 1)
        return self

    def wait_for(self, word, seconds=READY_SECONDS, count=1):
        """Wait until the log has `word`, `count` times."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.logged().count(word) >= count:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{word!r} not logged; exit {self.process.poll()}:\n{self.logged()}")

    def logged(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def client(self):
        return PolicyClient(("127.0.0.1", self.port))

    def ask(self, **attributes):
        """One question on a connection of its own."""
        with self.client() as client:
            return client.ask(**attributes)

    def command(self, *arguments, check=None):
        """Run a command of the same installation with this configuration; (exit status, output)."""
        done = subprocess.run(
            [sys.executable, "-m", "gatepost", *arguments, "--config", str(self.config)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | self._env,
        )
        if check is not None:
            assert check == done.returncode, done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr

    def journal(self, what):
        """Entries of the journal about `what`, newest first."""
        status, output = self.command("explain", what, "--limit", "1000", "--json")
        return json.loads(output) if status == 0 else []

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=15.0):
        """SIGTERM; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop on SIGTERM:\n{self.logged()}") from None


@contextlib.contextmanager
def gatepost(folder, top="", tables="", **options):
    """A daemon that runs while the block does."""
    daemon = Daemon(folder, top, tables, **options)
    try:
        daemon.start()
        yield daemon
    finally:
        if daemon.running():
            daemon.stop()
