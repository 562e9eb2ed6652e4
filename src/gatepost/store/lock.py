"""One process owns the triplets: what it holds in memory would be wrong if another wrote too.

A lock on a file beside the database (flock(2)); the system lets go of it when
the process ends, however it ends.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from gatepost.store.base import StoreError
from gatepost.store.places import give_to_owner

_FLAGS = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
"""Root may take the lock in a directory of the daemon's user, who must not lead it to another's file."""


class Lock:
    """The lock of one database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def take(self) -> None:
        """Take the lock, or keep it.

        Raises:
            StoreError: another process has it.
            OSError: the lock file cannot be made.
        """
        if self._descriptor >= 0:
            return
        descriptor = os.open(self.path, _FLAGS, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StoreError(
                f"{self.path}: another Gatepost (process {owner}) uses this store; "
                "stop it, or give this one its own"
            ) from None
        with suppress(OSError):  # who it is only helps people; a full disk must not stop us here
            give_to_owner(descriptor, self.path.parent)
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
