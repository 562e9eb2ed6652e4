"""A network namespace of our own, with every simulated host's address on its loopback.

Everything made here is named after the process, so that labs beside each other
do not meet, and is removed when the `with` block is left.

Raises: LabError, which says what is missing and what to install.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

from gatepost.lab import processes
from gatepost.lab.processes import LabError

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
"""Network namespaces, in setns(2)."""
_NEEDED = (("ip", "iproute2"), ("nsd", "nsd"), ("postfix", "postfix"), ("postconf", "postfix"))


def missing() -> list[str]:
    """Sentences about what the lab needs and this machine lacks; empty when it can be built."""
    if os.geteuid() != 0:
        return ["Only root can make a network namespace and start a Postfix.", *_not_installed()]
    return _not_installed() or _refused()


def _not_installed() -> list[str]:
    path = processes.search_path()
    absent = [(what, package) for what, package in _NEEDED if not shutil.which(what, path=path)]
    if not absent:
        return []
    programs = ", ".join(what for what, _ in absent)
    packages = " ".join(sorted({package for _, package in absent}))
    return [f"Not installed: {programs} (Debian and Ubuntu: apt install {packages})."]


def _refused() -> list[str]:
    """Whether the kernel lets us make a namespace; in many containers root may not."""
    name = f"{_name()}-trial"
    with _undisturbed():
        try:
            processes.run(["ip", "netns", "add", name])
            processes.run(["ip", "netns", "exec", name, "true"])
        except LabError as error:
            return [f"Network namespaces cannot be made here, as in a container without privileges: {error}"]
        finally:
            _delete(name)
    return []


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: a program that is just being started would go on without us, and make what we removed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _name() -> str:
    return f"gatepost-lab-{os.getpid()}"


class Internet:
    """The namespace `name`, and `folder` for the files of all that runs in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder

    def run(self, *words: str | Path) -> str:
        """Run a program in the namespace, with its resolv.conf, to its end; what it printed.

        Raises:
            LabError: it failed.
        """
        return processes.run(self._command(*words))

    def start(self, log: Path, *words: str | Path, pass_fds: Sequence[int] = ()) -> "subprocess.Popen[bytes]":
        """Start a program in the namespace that writes to `log`; it is the process that is given back."""
        return processes.start(log, self._command(*words), pass_fds)

    def _command(self, *words: str | Path) -> list[str | Path]:
        return ["ip", "netns", "exec", self.name, *words]

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


@contextlib.contextmanager
def internet(addresses: Iterable[str], name_server: str, part: str = "") -> Iterator[Internet]:
    """Make the namespace with these addresses; remove it and all files afterwards.

    `part` tells several of one lab apart.

    Raises:
        LabError: something is missing, or the kernel refuses.
    """
    if lacks := missing():
        raise LabError("\n".join(lacks))
    name = f"{_name()}{part}"
    with contextlib.ExitStack() as undo:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # Postfix and NSD drop root and must still reach their files
        undo.callback(_delete, name)
        with _undisturbed():
            processes.run(["ip", "netns", "add", name])
        undo.enter_context(_resolver_file(name, name_server))
        lines = ["link set lo up"]
        for address in dict.fromkeys(addresses):
            length, flag = (32, "") if ip_address(address).version == 4 else (128, " nodad")
            lines.append(f"address add {address}/{length} dev lo{flag}")
        processes.run(["ip", "-n", name, "-batch", "-"], "\n".join(lines) + "\n")
        yield Internet(name, folder)


def _delete(name: str) -> None:
    if Path("/run/netns", name).exists():
        with contextlib.suppress(LabError):  # a name that was made in vain is no namespace
            processes.run(["ip", "netns", "delete", name])
        Path("/run/netns", name).unlink(missing_ok=True)


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
