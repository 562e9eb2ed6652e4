"""Reads a Berkeley DB that another program may have open, with the tools of Berkeley DB itself.

As its manual tells for a hot backup: databases are copied first, log files
after them, and db_recover brings the copy to the last transaction that was
done (https://docs.oracle.com/cd/E17276_01/html/programmer_reference/transapp_hotbackup.html).
The folder itself is only read. Tools run as its owner, not as root.

Raises: BerkeleyError, with a sentence for people.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import msgspec

from gatepost.imports.dump import MAX_LINE, cut

PACKAGE = "db5.3-util"
"""Debian's package of the tools, for the version of Berkeley DB that its postgrey uses."""
RECOVER_SECONDS = 300
LEAST_RECORD = 8
"""Octets that a record takes in a file at least."""
_DUMP = re.compile(r"db(\d+(?:\.\d+)?)?_?dump(\d+(?:\.\d+)?)?")
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class BerkeleyError(Exception):
    """The database cannot be read."""


class Tools(msgspec.Struct, frozen=True):
    """Programs of one version of Berkeley DB."""

    dump: str
    recover: str
    """Empty when there is none."""


def find_tools(path: str | None = None) -> Tools | None:
    """The tools in PATH (or the one given), Debian's before others; None when there is no db_dump."""
    folders = [Path(folder) for folder in (path or os.environ.get("PATH", os.defpath)).split(os.pathsep)]
    names = ["db5.3_dump", "db_dump", *sorted({n for f in folders for n in _names(f) if _DUMP.fullmatch(n)})]
    for name in names:
        dump = shutil.which(name, path=path)
        if dump:
            recover = shutil.which(name.replace("dump", "recover"), path=path)
            return Tools(dump, recover or "")
    return None


def _names(folder: Path) -> list[str]:
    try:
        return [file.name for file in folder.iterdir()]
    except OSError:
        return []


@contextmanager
def copy_of(folder: Path, tools: Tools, notes: list[str]) -> Iterator["Copy"]:
    """A copy of the databases in `folder`, as they are now; gone at the end. Doubts go into `notes`."""
    try:
        owner = folder.stat()
        with TemporaryDirectory(prefix="gatepost-import-") as place:
            copy = Copy(Path(place), tools, owner.st_uid, owner.st_gid)
            copy.take(folder)
            copy.recover(notes)
            yield copy
    except OSError as error:
        raise BerkeleyError(f"{error.filename or folder}: {error.strerror or error}") from None


class Copy:
    """Databases in a folder of our own."""

    def __init__(self, place: Path, tools: Tools, uid: int, gid: int) -> None:
        self._place = place
        self._tools = tools
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0 and uid:
            self._identity = {"user": uid, "group": gid, "extra_groups": []}
            os.chown(place, uid, gid)

    def take(self, folder: Path) -> None:
        """Copy databases, then the log files."""
        for pattern in ("*.db", "log.*"):
            for source in sorted(folder.glob(pattern)):
                _copy(source, self._place / source.name)
        for file in self._place.iterdir() if self._identity else ():
            os.chown(file, self._identity["user"], self._identity["group"])

    def has(self, name: str) -> bool:
        """Whether there is such a database."""
        return (self._place / name).exists()

    def most_records(self, name: str) -> int:
        """How many records a database of this size can have."""
        return (self._place / name).stat().st_size // LEAST_RECORD

    def recover(self, notes: list[str]) -> None:
        """Bring the databases to the last transaction that is in the log files."""
        if not any(self._place.glob("log.*")):
            return
        late = "what was remembered last may be missing"
        if not self._tools.recover:
            notes.append(f"{self._tools.dump} is there without its db_recover, so {late}")
            return
        command = [self._tools.recover, "-c", "-h", str(self._place)]
        try:
            done = self._run(command, timeout=RECOVER_SECONDS)
        except subprocess.TimeoutExpired:
            notes.append(f"{command[0]} did not end within {RECOVER_SECONDS} seconds, so {late}")
            return
        if done.returncode:
            said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
            notes.append(f"{command[0]} failed ({said[-1][:200] if said else 'no reason given'}), so {late}")

    def _run(self, command: list[str], timeout: float) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
            env=_ENVIRONMENT,
            **self._identity,
        )

    def lines(self, name: str) -> Iterator[bytes]:
        """What db_dump prints of a database, line by line as it comes; see `dump.cut`."""
        with subprocess.Popen(
            [self._tools.dump, "-p", str(self._place / name)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            **self._identity,
        ) as process:
            assert process.stdout is not None
            try:
                yield from cut(_pieces(process.stdout))
            finally:
                process.kill()


_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.readline(MAX_LINE):
        yield piece


def _copy(source: Path, target: Path) -> None:
    """Copy an ordinary file; a link that somebody put there is not followed."""
    try:
        descriptor = os.open(source, _READ)
    except FileNotFoundError:  # postgrey removes old log files
        return
    with os.fdopen(descriptor, "rb") as opened:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with target.open("xb") as copied:
                shutil.copyfileobj(opened, copied, 1 << 20)
