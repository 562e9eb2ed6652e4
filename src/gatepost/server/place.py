"""Places to listen at, as the configuration names them, and a socket that listens at one.

`place` raises ValueError for a text that names no place.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

import msgspec

BACKLOG = 4096
"""Connections that may wait for us; the kernel's somaxconn bounds it."""
MAX_PATH = 107
"""Octets in the path of a unix socket (unix(7))."""


class ListenError(Exception):
    """We cannot listen there; the text is a sentence for people."""


class TakenError(ListenError):
    """Another program listens there."""


class Inet(msgspec.Struct, frozen=True):
    """A TCP port; host `*` is every address of the machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"inet:[{self.host}]:{self.port}" if ":" in self.host else f"inet:{self.host}:{self.port}"


class Unix(msgspec.Struct, frozen=True):
    """A unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def place(text: str) -> Inet | Unix:
    """The place a text of the configuration names: `inet:HOST:PORT`, `inet:PORT` (loopback), `unix:/PATH`.

    Raises:
        ValueError: it names none.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest.startswith("/") and "\0" not in rest:
        if len(os.fsencode(rest)) > MAX_PATH:
            raise ValueError(f'"{text}": the path of a unix socket has at most {MAX_PATH} octets')
        return Unix(rest)
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if kind == "inet" and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536:
        return Inet(host, int(port))
    raise ValueError(f'"{text}" is no place to listen; write inet:HOST:PORT, inet:[::1]:PORT or unix:/PATH')


class Listener:
    """A socket that listens, and the file to remove after it."""

    __slots__ = ("_file", "_path", "place", "socket")

    def __init__(self, place: str, listening: socket.socket, path: str = "") -> None:
        """Take a socket that listens; `path` is the file that was made for it and goes with it."""
        self.place = place
        self.socket = listening
        self._path = path
        self._file = _identity(path)

    def close(self) -> None:
        """Stop listening, and remove the socket's file unless another has taken its place. Harmless twice."""
        self.socket.close()
        if self._path and _identity(self._path) == self._file:
            with suppress(OSError):
                Path(self._path).unlink()
        self._path = ""

    @property
    def port(self) -> int:
        """The TCP port in use; 0 for a unix socket."""
        return 0 if self.socket.family == socket.AF_UNIX else int(self.socket.getsockname()[1])


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def taken(where: Inet | Unix, owner: str) -> TakenError:
    """The error for a place where another program listens; `owner` is `NAME (pid N)`, empty when unknown."""
    if not owner:
        who = "by another program; as root, `ss -lpn` shows which. Stop it"
    elif owner.startswith("postgrey"):
        who = f"by {owner}. Is postgrey still running? Stop it (systemctl disable --now postgrey)"
    else:
        who = f"by {owner}. Stop it"
    return TakenError(
        f"{where} is already taken {who}, or listen elsewhere (policy in [listen], or --listen)"
    )
