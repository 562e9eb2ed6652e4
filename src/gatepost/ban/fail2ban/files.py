"""Reads filter files. Raises: FilterError."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gatepost.ban.fail2ban.ini import MAX_TEXT
from gatepost.ban.fail2ban.trouble import FilterError

MAX_FILES = 100
"""Of one kind in one folder."""


def read_file(path: str) -> str | None:
    """The text of an ordinary file; None when there is none."""
    try:
        with open(path, "rb", opener=_opener) as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise FilterError("not an ordinary file", path)
            octets = opened.read(4 * MAX_TEXT + 1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if isinstance(error, FilterError):
            raise
        raise FilterError(getattr(error, "strerror", None) or str(error), path) from None
    try:
        return octets.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise FilterError("not UTF-8", path, octets[: error.start].count(b"\n") + 1) from None


def laid_over(folder: Path, name: str) -> Iterator[str]:
    """The files that make `name` (jail or fail2ban), in fail2ban's order; they need not exist."""
    yield str(folder / f"{name}.conf")
    yield from map(str, sorted(folder.glob(f"{name}.d/*.conf"))[:MAX_FILES])
    yield str(folder / f"{name}.local")
    yield from map(str, sorted(folder.glob(f"{name}.d/*.local"))[:MAX_FILES])


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not keep us waiting
