"""A network namespace of our own, with as many addresses on loopback as a test wants; needs root on Linux.

with Namespace("192.0.2.25", "198.51.100.7") as there:
    connection = there.connect("192.0.2.25", 25, source="198.51.100.7")
"""

import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

_NEW_NET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


class Namespace:
    """A context manager; `name` is for `ip netns exec`."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.name = f"gp-{os.getpid()}-{next(_numbers)}"

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        try:
            _ip("-n", self.name, "link", "set", "lo", "up")
            for address in self.addresses:
                more = ["nodad"] if ":" in address else []
                _ip("-n", self.name, "address", "add", address, "dev", "lo", *more)
        except BaseException:
            _ip("netns", "delete", self.name)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ip("netns", "delete", self.name)

    def connect(self, host: str, port: int, source: str = "", seconds: float = 30) -> socket.socket:
        """A connection made in there; it stays there. Raises OSError as socket does."""
        return self._made(
            lambda: socket.create_connection((host, port), seconds, (source, 0) if source else None)
        )

    def listen(self, host: str, port: int) -> socket.socket:
        """A socket that listens in there; it stays there. Raises OSError as socket does."""
        return self._made(lambda: socket.create_server((host, port)))

    def _made(self, make: Callable[[], socket.socket]) -> socket.socket:
        found: list[socket.socket | OSError] = []
        thread = threading.Thread(target=self._make, args=(found, make))
        thread.start()  # a namespace is a matter of one thread
        thread.join()
        (result,) = found
        if isinstance(result, OSError):
            raise result
        return result

    def _make(self, found: list[socket.socket | OSError], make: Callable[[], socket.socket]) -> None:
        try:
            self._go_there()
            found.append(make())
        except OSError as error:
            found.append(error)

    def _go_there(self) -> None:
        """Take the thread that calls into the namespace, for good."""
        with Path("/run/netns", self.name).open() as there:
            if _libc.setns(there.fileno(), _NEW_NET):
                raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
