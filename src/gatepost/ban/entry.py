"""An entry of the systemd journal, as `journalctl --output=json` writes it, into a line as in mail.log. Pure.

Fields that begin with `_` are journald's own words (systemd.journal-fields(7));
the others are those of whoever wrote the entry, and any local user may write any.
So the head of the line is made of trusted fields, of one more whose form is
checked, and the text after it is kept on the line.
"""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import field


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What is needed of an entry. Values are texts, lists of octets or of several, or null when too long."""

    cursor: str = field(name="__CURSOR")
    time: str = field(name="__REALTIME_TIMESTAMP")
    """Microseconds since 1970, when journald got it."""
    message: Any = field(name="MESSAGE", default=None)
    identifier: Any = field(name="SYSLOG_IDENTIFIER", default=None)
    """The program's name as it gives it itself."""
    user: Any = field(name="_UID", default=None)
    process: Any = field(name="_PID", default=None)
    host: Any = field(name="_HOSTNAME", default=None)


FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_UID", "_PID", "_HOSTNAME")
"""The fields that journalctl is asked for; it gives time and cursor unasked."""

_DECODER = msgspec.json.Decoder(Entry)
_NAME = re.compile(r"[!-9;-Z\\^-~]{1,64}")
"""Printable ASCII without blank, colon or bracket: the head ends where it should."""
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


def parse(data: bytes) -> Entry | None:
    """An entry; None when it is none."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def line(entry: Entry, users: Collection[str]) -> bytes | None:
    """The entry as a line of mail.log, without newline; None when it is nothing that a mail server said.

    Args:
        entry: what journald has.
        users: numbers of those who are believed; empty: everybody.
    """
    message, stamp = _octets(entry.message), _stamp(entry.time)
    believed = not users or (isinstance(entry.user, str) and entry.user in users)
    if message is None or not stamp or not believed or not _is_name(entry.identifier):
        return None
    host = entry.host if _is_name(entry.host) else "localhost"
    process = f"[{entry.process}]" if _is_number(entry.process) else ""
    text = _CONTROL.sub(_escaped, message.rstrip(b"\n"))
    return f"{stamp} {host} {entry.identifier}{process}: ".encode("ascii") + text


def _octets(value: object) -> bytes | None:
    """What a field holds; None for several values, or too long ones."""
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, list):
        return None
    try:
        return bytes(value)
    except (TypeError, ValueError):
        return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20


def _stamp(microseconds: str) -> str:
    """RFC 3339; empty when it is no time."""
    if not _is_number(microseconds):
        return ""
    second = _second(int(microseconds) // 1_000_000)
    return f"{second}.{microseconds[-6:].zfill(6)}+00:00" if second else ""


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return ""


def _escaped(found: re.Match[bytes]) -> bytes:
    """A control character as rsyslog writes it (`#` and three octal digits): one entry stays one line."""
    return b"#%03o" % found[0][0]
