"""Starting Postfix's own programs from commands that wait for them: no event loop, bounded in time and size.

Postfix's programs say what is wrong only to a terminal, and else to the mail
log alone, so they get one as their standard error.

Never raises, except when interrupted: what went wrong is in the result. A
program that is late is killed with all that it started.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from gatepost.postfix.program import Ran

MAX_SAID = 4 * 1024 * 1024
"""Octets kept of what a program says."""

RunNow = Callable[[Sequence[str], float], Ran]
"""Run a program with these arguments to its end, and wait for so many seconds at most."""


def run_now(arguments: Sequence[str], seconds: float) -> Ran:
    """Run a program to its end, without a shell and without input."""
    with ExitStack() as held:
        out, out_end = _pair(held, *os.pipe2(os.O_CLOEXEC))
        said, said_end = _pair(held, *_terminal())
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=out_end,
                stderr=said_end,
                start_new_session=True,
                env=os.environ | {"LC_ALL": "C"},
            )
        except (OSError, ValueError) as error:
            return Ran(-1, err=f"{arguments[0]}: {_reason(error)}")
        try:
            texts = _read(process, (out, said), seconds)
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if texts is None:
        return Ran(-1, err=f"{arguments[0]}: no answer within {seconds:g} s")
    return Ran(process.returncode, texts[0], texts[1].replace("\r\n", "\n"))


def _pair(held: ExitStack, reading: int, writing: int) -> tuple[int, int]:
    held.callback(os.close, reading)
    held.callback(os.close, writing)
    os.set_blocking(reading, False)
    return reading, writing


def _terminal() -> tuple[int, int]:
    """A terminal's two ends; where there is none to be had, a pipe."""
    try:
        return os.openpty()
    except OSError:
        return os.pipe2(os.O_CLOEXEC)


def _read(process: subprocess.Popen[bytes], ends: Sequence[int], seconds: float) -> tuple[str, ...] | None:
    """What came out of each end by the time the process ended; None when it was late.

    What it left running may hold the ends open, so their end is not waited for.
    """
    found = {end: bytearray() for end in ends}
    deadline = time.monotonic() + seconds
    ended = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            for end in (*ends, ended):
                selector.register(end, selectors.EVENT_READ)
            ready: list[int] = []
            while ended not in ready:
                if (rest := deadline - time.monotonic()) <= 0:
                    return None
                ready = [key.fd for key, _ in selector.select(rest)]
                for end in ends:
                    _drain(end, found[end])
    finally:
        os.close(ended)
    return tuple(octets.decode(errors="backslashreplace") for octets in found.values())


def _drain(end: int, found: bytearray) -> None:
    with suppress(OSError):  # nothing there now
        while octets := os.read(end, 65536):
            if len(found) < MAX_SAID:
                found += octets


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
