"""A real postgrey with a database of its own, which can be asked at pretended times."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from support.postfix import free_port


class Postgrey:
    """A running one."""

    def __init__(self, *options):
        self.home = Path(tempfile.mkdtemp(prefix="gatepost-postgrey-"))
        self.database = self.home / "db"
        self.database.mkdir()
        for name in (self.home, self.database):
            shutil.chown(name, "postgrey", "postgrey")
        self.folder = self.home / "etc"
        self.folder.mkdir()
        self.home.chmod(0o755)
        for name in ("whitelist_clients", "whitelist_recipients"):
            (self.folder / name).write_text("")
        self.port = free_port()
        self.options = [
            *(f"--inet=127.0.0.1:{self.port}", f"--dbdir={self.database}"),
            *(f"--whitelist-clients={self.folder}/whitelist_clients",),
            *(f"--whitelist-recipients={self.folder}/whitelist_recipients", *options),
        ]
        self.process = subprocess.Popen(
            ["postgrey", *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._file = self._connected()
        self._number = 0

    def _connected(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as found:
                    return found.makefile("rwb")
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def ask(self, client, sender, recipient, now=None):
        """Its answer; at a time that is pretended."""
        self._number += 1
        attributes = {
            "request": "smtpd_access_policy",
            "client_address": client,
            "client_name": "unknown",
            "sender": sender,
            "recipient": recipient,
            "instance": f"i{self._number}",
        }
        if now is not None:
            attributes["policy_test_time"] = int(now)
        self._file.write("".join(f"{k}={v}\n" for k, v in attributes.items()).encode() + b"\n")
        self._file.flush()
        reply = self._file.readline().decode()
        self._file.readline()
        return reply.strip().removeprefix("action=")

    def stop(self):
        self._file.close()
        self.process.kill()  # it does not always hear SIGTERM
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def postgrey(*options):
    """A postgrey that runs while the block does."""
    running = Postgrey(*options)
    try:
        yield running
    finally:
        running.stop()
