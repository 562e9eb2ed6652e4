"""A real `gatepost firewall` on a server in a network namespace, with clients at the other end of a cable.

with Street() as street, Firewall(tmp_path, street.server) as wall:
    wall.control.put("198.51.100.7")
    wall.wait_for("198.51.100.7")
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.control import Control
from support.namespace import Namespace

ROOT = Path(__file__).parents[2]
SERVER4, SERVER6 = "198.51.100.1", "2001:db8:51::1"
CLIENTS4 = tuple(f"198.51.100.{number}" for number in range(7, 12))
CLIENTS6 = ("2001:db8:51:1::7", "2001:db8:51:1::8", "2001:db8:51:2::7")
INSIDE = "10.99.0.2"
NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
SECONDS = 15.0
SOON = 8.0
"""Seconds in which the kernel has to follow on a busy machine: sooner than the next look would find it."""


class Street:
    """A server, clients with many addresses, and a container behind the server."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.server, self.clients, self.container = (stack.enter_context(Namespace()) for _ in range(3))
            self.server.link(
                self.clients,
                [f"{SERVER4}/24", f"{SERVER6}/48"],
                [*(f"{one}/24" for one in CLIENTS4), *(f"{one}/48" for one in CLIENTS6)],
            )
            self.server.link(self.container, ["10.99.0.1/24"], [f"{INSIDE}/24"])
            self.server.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            self.container.run("ip", "route", "add", "default", "via", "10.99.0.1")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def connect(self, source, port=25, seconds=5.0):
        """A connection of a client with the server; TimeoutError when its packets are dropped."""
        return self.clients.connect(SERVER6 if ":" in source else SERVER4, port, source, seconds)

    def reaches(self, source, port=25):
        """Whether a client comes through, tried for a moment."""
        try:
            self.connect(source, port, seconds=0.3).close()
        except TimeoutError:
            return False
        return True


class Firewall:
    """The process; `control` is the daemon it follows."""

    def __init__(
        self, folder, where, *, top="", ports=None, look="10s", control=None, prefix=(), counted=True
    ):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.where = where
        self.state = self.folder / "state"
        self.log = self.folder / "log"
        self.config = self.folder / "gatepost.toml"
        self.control = control or Control(self.folder / "control.sock")
        self.process = None
        self._more = ["--ports", ports] if ports else []
        self._prefix = list(prefix)
        self._runs = self.folder / "runs"
        self._counter = self._count_runs() if counted else ""
        self.config.write_text(
            f'{top}\n[control]\nsocket = "{self.folder}/control.sock"\n'
            f'[firewall]\nstate = "{self.state}"\nlook = "{look}"\n'
        )

    def __enter__(self):
        self.control.start()
        try:
            self.start()
            if self.control.path.exists():
                wait_until(lambda: self.control.watched)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()
        self.control.stop()

    # --- life ---

    def start(self, *, wait=True):
        before = self.logged().count("ready: ")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, *self._command(*self._more)], stdout=log, stderr=log, env=self._environment()
            )
        if wait:
            self.wait_logged("ready: ", before + 1)
        return self

    def command(self, *arguments, check=0):
        """What another `gatepost firewall` with this configuration says."""
        done = subprocess.run(
            self._command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
            timeout=60,
        )
        assert check in (None, done.returncode), done.stdout + done.stderr
        return done.stdout + done.stderr

    def _command(self, *arguments):
        inside = ["ip", "netns", "exec", self.where.name] if self.where else []
        return [
            *inside,
            sys.executable,
            "-m",
            "gatepost",
            "firewall",
            "--config",
            str(self.config),
            *arguments,
        ]

    def _environment(self):
        path = f"{self._counter}{os.environ['PATH']}"
        return os.environ | {"PYTHONPATH": str(ROOT / "src"), "PATH": path}

    def _count_runs(self):
        """A folder with an nft before the real one that notes each run."""
        program = self.folder / "bin" / "nft"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho >> {self._runs}\nexec {NFT} "$@"\n')
        program.chmod(0o755)
        return f"{program.parent}:"

    def logged(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_logged(self, word, count=1):
        wait_until(
            lambda: self.logged().count(word) >= count or self.process.poll() is not None,
            why=lambda: f"{word!r} was not logged:\n{self.logged()}",
        )
        assert self.logged().count(word) >= count, self.logged()

    def stop(self):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop:\n{self.logged()}") from None

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def runs(self):
        """How often it ran nft."""
        return self._runs.read_text().count("\n") if self._runs.exists() else 0

    # --- the kernel ---

    def nft(self, *words, text=""):
        return self.where.run("nft", *words, text=text)

    def kernel(self):
        """Elements of our sets: addresses as nft writes them, with what is told of each."""
        found = {}
        for name in ("banned4", "banned6"):
            done = self.where.run("nft", "-j", "list", "set", "inet", "gatepost", name, check=False)
            for one in json.loads(done or '{"nftables": []}')["nftables"]:
                for element in one.get("set", {}).get("elem", ()):
                    found[_text(element["elem"]["val"])] = element["elem"]
        return found

    def wait_for(self, *addresses, seconds=SOON):
        """Wait until the kernel holds just these."""
        wait_until(
            lambda: set(self.kernel()) == set(addresses),
            seconds,
            lambda: f"{sorted(self.kernel())} instead of {sorted(addresses)}:\n{self.logged()}",
        )

    def table(self):
        """Our table as text, without what traffic changes."""
        return self.where.run("nft", "-s", "-n", "list", "table", "inet", "gatepost", check=False)

    def rules(self):
        """The rules as text, without what traffic changes."""
        return [line.strip() for line in self.table().splitlines() if "saddr" in line]


def wait_until(true, seconds=SECONDS, why=lambda: "it did not come true"):
    """Wait until it is true; how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, why()
        time.sleep(0.02)
    return time.monotonic() - began


def _text(value):
    match value:
        case {"prefix": {"addr": address, "len": length}}:
            return f"{address}/{length}"
        case {"range": [first, last]}:
            return f"{first}-{last}"
    return value
