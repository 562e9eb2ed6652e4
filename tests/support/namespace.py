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
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

_NEW_NET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
Made = TypeVar("Made")


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
        return self.do(
            lambda: socket.create_connection((host, port), seconds, (source, 0) if source else None)
        )

    def listen(self, host: str, port: int) -> socket.socket:
        """A socket that listens in there."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return self.do(lambda: socket.create_server((host, port), family=family))

    def do(self, make: Callable[[], Made]) -> Made:
        """What `make` gives when it is called in there. Raises OSError as it does."""
        found: list[Made | OSError] = []
        thread = threading.Thread(target=self._do, args=(found, make))
        thread.start()  # a namespace is a matter of one thread
        thread.join()
        (result,) = found
        if isinstance(result, OSError):
            raise result
        return result

    def run(self, *command: str, check: bool = True, text: str = "") -> str:
        """What a command says that runs in there."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            capture_output=True,
            text=True,
            check=False,
            input=text,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def link(self, other: "Namespace", mine: Sequence[str], theirs: Sequence[str]) -> None:
        """A cable between the two, with the addresses (and their prefixes) at both ends."""
        ends = [f"gp{next(_numbers)}" for _ in range(2)]
        _ip("-n", self.name, "link", "add", ends[0], "type", "veth", "peer", ends[1], "netns", other.name)
        for where, end, addresses in ((self, ends[0], mine), (other, ends[1], theirs)):
            for address in addresses:
                more = ["nodad"] if ":" in address else []
                _ip("-n", where.name, "address", "add", address, "dev", end, *more)
            _ip("-n", where.name, "link", "set", end, "up")

    def _do(self, found: "list[Made | OSError]", make: Callable[[], Made]) -> None:
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
