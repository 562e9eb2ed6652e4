"""One policy service leaves its port and another takes it, while Postfix goes on asking there.

Postfix tries a policy service that refuses the connection once more after a
second (smtpd_policy_service_retry_delay), so a port may be without a listener
for that long. Gatepost gets its port already open, as from systemd's socket
unit: whoever connects while it starts waits in the queue and is not refused.

Raises: LabError when the port is not free in time, or Gatepost does not start.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from gatepost.lab.internet import Internet
from gatepost.lab.processes import LabError, stop, wait_until_up

BACKLOG = 1024
PATIENCE = 3.0

_AS_SYSTEMD = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execvp(sys.argv[2], sys.argv[2:])"
)
_QUESTION = (
    b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
    b"client_address=192.0.2.1\npolicy_context=learn\n\n"
)
"""About nobody: nothing comes of it."""


class Window(msgspec.Struct, frozen=True):
    """How long a switch took, in seconds from when the old service was told to end."""

    closed: float
    """Until connections were taken again; refused before."""
    silent: float
    """Until the new service answered."""


class Switch:
    """The port, and whoever has it."""

    def __init__(self, net: Internet, port: int) -> None:
        self.net = net
        self.port = port

    def to_gatepost(
        self, leave: Callable[[], None], config: Path, log: Path
    ) -> "tuple[subprocess.Popen[bytes], Window]":
        """Let the old service `leave`, and start Gatepost on the same port; it answers when this returns."""
        began = time.monotonic()
        leave()
        listener = self.net.within(self._listener)
        closed = time.monotonic() - began
        with listener:
            passed = listener.fileno()
            daemon = (sys.executable, "-m", "gatepost", "run", "--config", config)
            process = self.net.start(
                log, sys.executable, "-c", _AS_SYSTEMD, str(passed), *daemon, pass_fds=(passed,)
            )
        wait_until_up("gatepost run", process, log, self.answers)
        return process, Window(closed, time.monotonic() - began)

    def back(self, process: "subprocess.Popen[bytes]", come: Callable[[], None]) -> Window:
        """Tell Gatepost to end, and let the old service `come` when the port is free; it answers then."""
        began = time.monotonic()
        process.terminate()
        self.net.within(self._listener).close()
        come()
        taken = time.monotonic() - began
        stop(process)
        return Window(taken, taken)

    def answers(self) -> bool:
        """Whether a policy service answers at the port."""
        with contextlib.suppress(OSError):
            return self.net.within(self._ask)
        return False

    def _listener(self) -> socket.socket:
        end = time.monotonic() + PATIENCE
        while True:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", self.port))
                listener.listen(BACKLOG)
                return listener
            except OSError as error:
                listener.close()
                if time.monotonic() > end:
                    raise LabError(f"port {self.port} is not free after {PATIENCE:g} s: {error}") from error
                time.sleep(0.001)

    def _ask(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as asked:
            asked.sendall(_QUESTION)
            return asked.recv(512).startswith(b"action=")
