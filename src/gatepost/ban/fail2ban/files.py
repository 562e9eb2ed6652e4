"""Reads filter files. Raises: FilterError."""

import os
import stat

from gatepost.ban.fail2ban.ini import MAX_TEXT
from gatepost.ban.fail2ban.trouble import FilterError


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


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not keep us waiting
