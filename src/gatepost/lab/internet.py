"""A network namespace of our own, with every simulated host's address on its loopback.

Everything made here is named after the process, so that labs beside each other
do not meet, and is removed when the `with` block is left.

Raises: LabError, which says what is missing and what to install.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
"""Network namespaces, in setns(2)."""
_NEEDED = (("ip", "iproute2"), ("nsd", "nsd"), ("postfix", "postfix"), ("postconf", "postfix"))
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
"""Where servers live; an ordinary user's PATH does not go there."""


class LabError(Exception):
    """The lab cannot be built, or a part of it does not start; the text says what to do."""


def search_path() -> str:
    """PATH, and the folders of servers behind it."""
    return f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"


def missing() -> list[str]:
    """Sentences about what the lab needs and this machine lacks; empty when it can be built."""
    found = []
    if os.geteuid() != 0:
        found.append("Only root can make a network namespace and start a Postfix.")
    absent = [(what, package) for what, package in _NEEDED if not shutil.which(what, path=search_path())]
    if absent:
        programs = ", ".join(what for what, _ in absent)
        packages = " ".join(sorted({package for _, package in absent}))
        found.append(f"Not installed: {programs} (Debian and Ubuntu: apt install {packages}).")
    return found


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


def stop(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """End a process of ours: asked first, then not asked."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Internet:
    """The namespace `name`, and `folder` for the files of all that runs in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def command(self, *words: str | Path) -> list[str]:
        """The command line that runs `words` in the namespace, with its resolv.conf."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words: str | Path) -> str:
        """Run a program in the namespace to its end; what it printed.

        Raises:
            LabError: it failed.
        """
        return _run(self.command(*words))

    def start(self, log: Path, *words: str | Path) -> subprocess.Popen[bytes]:
        """Start a program in the namespace that writes to `log`; it is the process that is given back."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(*words),
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we end the others in order
            )

    def enter(self) -> None:
        """Take the calling thread, and no other, into the namespace: its sockets belong there then."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/run/netns", self.name).open("rb") as handle:
            if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
                raise LabError(f"cannot enter namespace {self.name}: {os.strerror(ctypes.get_errno())}")

    def within(self, function: Callable[[], T]) -> T:
        """The result of `function`, called by a thread in the namespace."""
        result: list[T] = []
        failure: list[OSError | LabError] = []

        def work() -> None:
            try:
                self.enter()
                result.append(function())
            except (OSError, LabError) as error:
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return result[0]

    def answers(self, host: str, port: int) -> bool:
        """True when somebody accepts connections there, inside."""

        def connects() -> bool:
            with socket.create_connection((host, port), timeout=5):
                return True

        try:
            return self.within(connects)
        except OSError:
            return False


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": search_path()}


def _run(words: Sequence[str], stdin: str = "") -> str:
    done = subprocess.run(words, env=_environment(), input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextlib.contextmanager
def internet(addresses: Iterable[str], name_server: str) -> Iterator[Internet]:
    """Make the namespace with these addresses; remove it and all files afterwards.

    Raises:
        LabError: something is missing, or the kernel refuses.
    """
    if lacks := missing():
        raise LabError("\n".join(lacks))
    name = f"gatepost-lab-{os.getpid()}"
    with contextlib.ExitStack() as undo:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # Postfix and NSD drop root and must still reach their files
        _run(["ip", "netns", "add", name])
        undo.callback(_run, ["ip", "netns", "delete", name])
        undo.enter_context(_resolver_file(name, name_server))
        lines = ["link set lo up"]
        for address in dict.fromkeys(addresses):
            length, flag = (32, "") if ip_address(address).version == 4 else (128, " nodad")
            lines.append(f"address add {address}/{length} dev lo{flag}")
        _run(["ip", "-n", name, "-batch", "-"], "\n".join(lines) + "\n")
        yield Internet(name, folder)


@contextlib.contextmanager
def _resolver_file(name: str, name_server: str) -> Iterator[None]:
    """`ip netns exec` shows this file as /etc/resolv.conf to the programs it starts."""
    folder = Path("/etc/netns", name)
    try:
        folder.mkdir(parents=True)
    except FileNotFoundError:  # another lab has just removed the empty parent
        folder.mkdir(parents=True)
    try:
        (folder / "resolv.conf").write_text(f"nameserver {name_server}\n")
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()  # only when no other namespace has files there
