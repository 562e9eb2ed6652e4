"""Programs that the lab starts and ends: NSD, Postfix's own starter, the daemon.

Raises: LabError, with what the program said.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import gatepost

_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
"""Where servers live; an ordinary user's PATH does not go there."""


class LabError(Exception):
    """The lab cannot be built, or a part of it does not start; the text says what to do."""


def search_path() -> str:
    """PATH, and the folders of servers behind it."""
    return f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"


def environment() -> dict[str, str]:
    """Ours, with the folders of servers, and with this very Gatepost for Python programs."""
    source = str(Path(gatepost.__file__).parents[1])
    modules = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PATH": search_path(), "PYTHONPATH": os.pathsep.join(modules)}


def run(command: Sequence[str | Path], stdin: str = "") -> str:
    """Run a program to its end; what it printed.

    Raises:
        LabError: it failed.
    """
    done = subprocess.run(
        command, env=environment(), input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def start(
    log: Path, command: Sequence[str | Path], pass_fds: Sequence[int] = ()
) -> "subprocess.Popen[bytes]":
    """Start a program that writes to `log`, and gets these descriptors of ours."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            start_new_session=True,  # Ctrl-C is for us; we end the others in order
        )


def stop(process: "subprocess.Popen[bytes]", seconds: float = 10.0) -> None:
    """End a process of ours: asked first, then not asked."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 15.0) -> None:
    """Return when `ready` says so.

    Raises:
        LabError: it did not in `seconds`.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise LabError(f"{what}: not ready after {seconds:g} s")
        time.sleep(0.02)


def wait_until_up(
    what: str, process: "subprocess.Popen[bytes]", log: Path, ready: Callable[[], bool]
) -> None:
    """Return when a program that was started is ready.

    Raises:
        LabError: it ended, or is not ready in time; what it logged is quoted.
    """
    try:
        wait_for(what, lambda: process.poll() is not None or ready())
    except LabError as error:
        raise LabError(f"{error}:\n{log.read_text('utf-8', 'replace')}") from error
    if process.poll() is not None:
        said = log.read_text("utf-8", "replace")
        raise LabError(f"{what} ended with status {process.returncode}:\n{said}")
