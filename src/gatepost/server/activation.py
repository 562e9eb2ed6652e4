"""Sockets that systemd opened before it started us (sd_listen_fds(3)). Raises ListenError."""

import os
import socket
from collections.abc import MutableMapping

from gatepost.server.place import Listener, ListenError

FIRST = 3
"""Number of the first socket that is passed."""
CONTROL = "control"
"""FileDescriptorName= of the control socket; a socket of any other name takes policy requests."""


def inherited(environ: MutableMapping[str, str], first: int = FIRST) -> dict[str, list[Listener]]:
    """Listeners passed to us, under `policy` and `control`; empty lists when there are none.

    The variables are removed, so that no program which we start takes the sockets for its own.

    Raises:
        ListenError: what was passed is no stream socket that listens.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[Listener]] = {"policy": [], CONTROL: []}
    if pid != str(os.getpid()) or not count.isdigit():
        return found
    for number in range(int(count)):
        name = names[number] if number < len(names) else ""
        listener = _adopt(first + number, name)
        found[CONTROL if name == CONTROL else "policy"].append(listener)
    return found


def _adopt(descriptor: int, name: str) -> Listener:
    where = f"systemd:{name or descriptor}"
    try:
        passed = socket.socket(fileno=descriptor)
        listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ListenError(f"{where}: passed by systemd, but no socket ({error.strerror})") from None
    if passed.type != socket.SOCK_STREAM or not listens:
        passed.close()
        raise ListenError(f"{where}: passed by systemd, but no stream socket that listens (ListenStream=)")
    passed.setblocking(False)
    os.set_inheritable(descriptor, False)
    return Listener(where, passed)
