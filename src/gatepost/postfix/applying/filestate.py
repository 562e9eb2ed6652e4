"""A file's whole state: octets, owner, mode and extended attributes; read, and put in place at once.

POSIX ACLs and security labels are extended attributes, so they are kept too
(xattr(7), acl(5)). A file is written beside its target under another name and
then renamed, so that there is never half a file.

Raises: FileError, with the file and the reason.
"""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

import msgspec

MAX_FILE = 16 * 1024 * 1024
"""Octets of a file that is read; no configuration is larger."""
NEW_MODE = 0o644
KERNELS_OWN = frozenset({"security.ima", "security.evm"})
"""Checksums that the kernel makes itself; a copy would be wrong for other octets."""

SETTLED = 2.0
"""Seconds since it was written, as its times tell: Postfix's programs wait until a file is more than a second
old, in case it is half written, and ours never is."""

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class FileError(Exception):
    """A file cannot be read or written."""

    def __init__(self, path: Path | str, reason: str | OSError) -> None:
        self.path = str(path)
        self.reason = (reason.strerror or str(reason)).lower() if isinstance(reason, OSError) else reason
        super().__init__(f"{self.path}: {self.reason}")


class FileState(msgspec.Struct, frozen=True):
    """All of a file that is kept and brought back. Its times are not."""

    content: bytes
    mode: int = NEW_MODE
    """Permission bits only, as in chmod(2)."""
    uid: int = 0
    gid: int = 0
    attributes: dict[str, bytes] = {}


def new_state(content: bytes) -> FileState:
    """That of a file which we make: ours, and everybody may read it."""
    return FileState(content, NEW_MODE, os.geteuid(), os.getegid())


def read_state(path: Path) -> FileState | None:
    """What the file is now; None when there is none. `path` is no symbolic link."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(path, error) from None
    try:
        return _state_of(descriptor, path)
    except OSError as error:
        raise FileError(path, error) from None
    finally:
        os.close(descriptor)


def _state_of(descriptor: int, path: Path) -> FileState:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise FileError(path, "is no ordinary file")
    if found.st_size > MAX_FILE:
        raise FileError(path, f"is larger than {MAX_FILE} octets")
    attributes = {name: os.getxattr(descriptor, name) for name in _attributes(descriptor)}
    return FileState(
        _content(descriptor), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, attributes
    )


def _content(descriptor: int) -> bytes:
    pieces = []
    while piece := os.read(descriptor, MAX_FILE):
        pieces.append(piece)
    return b"".join(pieces)


def _attributes(descriptor: int) -> list[str]:
    try:
        return sorted(set(os.listxattr(descriptor)) - KERNELS_OWN)
    except OSError:  # a file system without any
        return []


def stage(state: FileState, path: Path) -> None:
    """Write a new file with this state, complete and on the disk; nothing may be at `path`."""
    try:
        descriptor = os.open(path, _MAKE, 0o600)
    except OSError as error:
        raise FileError(path, error) from None
    try:
        _fill(descriptor, state)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise FileError(path, error) from None
    finally:
        os.close(descriptor)


def _fill(descriptor: int, state: FileState) -> None:
    rest = memoryview(state.content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (state.uid, state.gid):
        os.fchown(descriptor, state.uid, state.gid)
    # After the owner, since chown takes capabilities away; before the mode, since an ACL changes it.
    given = {name: os.getxattr(descriptor, name) for name in _attributes(descriptor)}
    for name in given.keys() - state.attributes.keys():
        os.removexattr(descriptor, name)
    for name, value in state.attributes.items():
        if given.get(name) != value:
            os.setxattr(descriptor, name, value)
    os.fchmod(descriptor, state.mode)
    written = time.time() - SETTLED
    os.utime(descriptor, (written, written))
    os.fsync(descriptor)


def put_in_place(staged: Path, target: Path) -> None:
    """Let `target` be what was staged. On the disk for certain only after `sync_folder`."""
    try:
        staged.rename(target)
    except OSError as error:
        raise FileError(target, error) from None


def remove(path: Path) -> bool:
    """Remove a file; False when there is none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileError(path, error) from None
    return True


def sync_folder(folder: Path) -> None:
    """Return when names in this folder are on the disk. A folder that is gone has none."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileError(folder, error) from None
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise FileError(folder, error) from None
    finally:
        os.close(descriptor)
