"""Tells systemd how we are: sd_notify(3) over NOTIFY_SOCKET. Never raises; no-op without systemd."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Sends states to the service manager."""

    __slots__ = ("_address", "_socket", "interval")

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Look where to send to; `@` stands for an abstract socket (unix(7))."""
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{path[1:]}" if path.startswith("@") else path if path.startswith("/") else ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket:
            self._socket.setblocking(False)
        self.interval = _watchdog_interval(environ) if self._address else 0.0
        """Seconds between signs of life; 0 when systemd does not ask for them."""

    def ready(self, status: str = "") -> None:
        """We answer now: after the start, and after a reload."""
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        """The configuration is read anew; `ready` ends it (Type=notify-reload)."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We drain and end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    def alive(self) -> None:
        """A sign of life, for the watchdog."""
        self._send("WATCHDOG=1")

    async def watch(self) -> None:
        """Give signs of life until cancelled; ends at once where none is asked for."""
        while self.interval:
            self.alive()
            await asyncio.sleep(self.interval)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _send(self, *states: str) -> None:
        if self._socket:
            with suppress(OSError):  # systemd gone or its buffer full: nothing that should stop mail
                self._socket.sendto("\n".join(states).encode(), self._address)


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _watchdog_interval(environ: Mapping[str, str]) -> float:
    """Half of WATCHDOG_USEC, in seconds; 0 when it is not set or meant for another process."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(microseconds) / 2_000_000
