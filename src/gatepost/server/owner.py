"""Who listens at a place that we wanted: pid and name of the program, from /proc (proc(5)).

Everything answers an empty text when it cannot be known: no /proc, no right to look.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


def owner_of_port(port: int) -> str:
    """`NAME (pid N)` of a program that listens at a TCP port, at whatever address."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not wanted:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        if any(target in wanted for target in _open_files(process)):
            return _describe(process)
    return ""


def owner_of_peer(connected: socket.socket) -> str:
    """`NAME (pid N)` of the program at the other end of a unix socket (SO_PEERCRED, unix(7))."""
    pid, _, _ = peer_credentials(connected)
    return _describe(Path("/proc") / str(pid)) if pid else ""


def peer_credentials(connected: socket.socket) -> tuple[int, int, int]:
    """Process, user and group id of the other end of a unix socket."""
    form = struct.Struct("3i")
    pid, uid, gid = form.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return pid, uid, gid


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for link in (process / "fd").iterdir():
            yield str(link.readlink())
    except OSError:  # ended meanwhile, or not ours to look at
        return


def _describe(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        name = (process / "comm").read_text().strip()
    except OSError:
        return ""
    # An interpreter hides the program: `perl /usr/sbin/postgrey`, or a title that it gave itself.
    for word in words[:3]:
        program = Path(word.split(b" ")[0].decode("utf-8", "replace")).name
        if program in {"postgrey", "gatepost"}:
            name = program
    return f"{name} (pid {process.name})" if name.isprintable() else f"pid {process.name}"
