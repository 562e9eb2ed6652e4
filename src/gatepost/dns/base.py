"""What the DNS answers, and the door through which checks ask it.

Three-valued: FOUND and ABSENT are facts about the name; UNKNOWN is our own
trouble (silence, SERVFAIL, nonsense) and must never count against a sender.
DNS trouble is a value, not an exception: no resolver raises.
"""

from enum import Enum, IntEnum
from typing import Protocol

import msgspec


class Status(Enum):
    """Whether the records asked for exist."""

    FOUND = "found"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Kind(IntEnum):
    """Record types that are asked; the value is the TYPE number (RFC 1035, 3596)."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28


UNASKED = "too many questions"
"""Why, for a question that never went out."""


class Answer(msgspec.Struct, frozen=True):
    r"""One answer. Records are text as in a zone file, without trailing dots.

    A, AAAA: addresses. PTR, NS, CNAME: names in lower case, octets that no host name has
    as `\DDD`. MX: `10 mail.example.org` (host `.` for a null MX, RFC 7505). TXT: the
    strings of one record joined, octets that are not printable ASCII as `\xNN`.
    """

    status: Status
    records: tuple[str, ...] = ()
    ttl: float = 0.0
    """Seconds this may still be believed."""
    why: str = ""
    """ABSENT: `nxdomain` (no such name), `nodata` (no such record) or `bad name` (no such name
    can exist: an empty label, one over 63 octets, more than 255 in all).
    UNKNOWN: `timeout`, `servfail`, `refused`, `not ascii` (a caller forgot IDNA), … for people."""

    @property
    def found(self) -> bool:
        return self.status is Status.FOUND

    @property
    def absent(self) -> bool:
        return self.status is Status.ABSENT

    @property
    def unknown(self) -> bool:
        return self.status is Status.UNKNOWN

    @property
    def unasked(self) -> bool:
        """Nobody was asked, since too many questions were under way: this says nothing of anybody else."""
        return self.why == UNASKED


class Resolver(Protocol):
    """Anything that answers questions: live servers, a cache before them, a zone held in memory."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        """The records of `kind` at `name`, following CNAMEs. Never raises, except when cancelled."""
        ...


def parse_mx(record: str) -> tuple[int, str]:
    """Preference and host of an MX record's text; host `.` stays as it is."""
    preference, _, host = record.partition(" ")
    return int(preference), host
