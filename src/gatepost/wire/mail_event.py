"""What a line of a mail log says, as a value, and the small pieces that it is read from. Pure."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from gatepost.network import parse_address

MAX_TEXT = 320
"""Characters kept of a text."""
_OCTET = rb"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_DOTTED = re.compile(_OCTET + (rb"\." + _OCTET) * 3)


class Kind(StrEnum):
    """What happened."""

    AUTH_FAILED = "auth-failed"
    """A password, user or mechanism was refused."""
    AUTH_TROUBLE = "auth-trouble"
    """AUTH failed, and that says nothing of the client."""
    LOGIN = "login"
    """Somebody authenticated himself."""
    LOST = "lost"
    """The client went away in the middle; `command` says where."""
    REJECT = "reject"
    """A command was refused, with `code` (or only `enhanced`) and `reason`."""
    PROTOCOL = "protocol"
    """What was sent is no SMTP: `reason` says what."""
    PREGREET = "pregreet"
    """The client talked before it was greeted (postscreen)."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """What one line says, and of whom."""

    kind: Kind
    time: float
    """Seconds since 1970."""
    service: str
    """`smtpd`, `postscreen`, `cleanup`, or Dovecot's `imap`, `pop3`, `submission`, `managesieve`."""
    address: str
    """The client's, in its one form."""
    command: str = ""
    """SMTP command or stage: `AUTH`, `RCPT`, `CONNECT`."""
    code: int = 0
    """Basic reply code of a refusal; a milter's refusals are logged without, then 400 or 500."""
    enhanced: str = ""
    reason: bytes = b""
    """As logged; a stranger may have chosen parts of it."""
    count: int = 1
    """How often, where one line tells of several."""
    mail: bytes = b""
    """The same for all refusals of one mail: process and sender; of AUTH only the process."""


@lru_cache(65536)
def canonical(octets: bytes) -> str:
    """The address in its one form; empty when it is none."""
    if _DOTTED.fullmatch(octets):  # as nearly all are, and ten times as fast
        return octets.decode("ascii")
    address = parse_address(octets.decode("ascii", "replace"))
    return "" if address is None else str(address)


def text(octets: bytes) -> str:
    """Octets of a log as printable text, bounded."""
    found = octets[:MAX_TEXT].decode("utf-8", "backslashreplace")
    return found if found.isprintable() else "".join(c if c.isprintable() else "?" for c in found)


def event(
    kind: Kind, seconds: float, service: str, address: bytes, command: str, **more: Any
) -> Event | None:
    """The event, when its address is one."""
    known = canonical(address)
    return Event(kind, seconds, service, known, command, **more) if known else None


@lru_cache(1024)
def word(octets: bytes) -> str:
    """A command or an enhanced code: there are few, and they are ASCII."""
    return octets.decode("ascii")
