"""The head of a syslog line: when, who, and where the message begins. Pure.

Both stamps are read: RFC 3164 (`Nov 28 08:30:38`, local time, no year) and
RFC 3339 (`2026-11-28T08:30:38.123456+00:00`). What stands in the head comes from
the syslog daemon alone: neither host nor tag can hold a blank, so that nothing
in a message can pass for a head.
"""

from datetime import datetime

_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_DIGITS = frozenset(b"0123456789")
_OLD_STAMP = 15
"""Octets of an RFC 3164 stamp."""
_AHEAD = 86400.0
"""Seconds a line may lie in the future before it is taken for one of the year before: clocks differ."""
_LEAP_YEARS = 8
"""Years to look back for a 29 February: 1896 to 1904 had none between, and nor will 2096 to 2104."""


def split_head(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Stamp, tag (`postfix/smtpd[123]`) and message of a line; None when it has no such head."""
    if not line:
        return None
    if line[0] in _DIGITS:
        end = line.find(b" ")
        if end < 19:
            return None
    elif line[_OLD_STAMP : _OLD_STAMP + 1] == b" ":
        end = _OLD_STAMP
    else:
        return None
    host = line.find(b" ", end + 1)
    tag = line.find(b": ", host + 1)
    if host < 0 or tag < 0:
        return None
    name = line[host + 1 : tag]
    return None if b" " in name else (line[:end], name, line[tag + 2 :])


def service_of(tag: bytes) -> bytes:
    """The program of a tag, without its process: `postfix/smtpd` of `postfix/smtpd[123]`."""
    bracket = tag.find(b"[")
    return tag if bracket < 0 else tag[:bracket]


class Stamps:
    """Turns stamps into seconds since 1970; remembers the last one, since lines come in bunches."""

    __slots__ = ("_hour", "_hour_seconds", "_last", "_seconds", "now")

    def __init__(self, now: float) -> None:
        """`now`, in seconds since 1970, says what year a stamp without one means: the latest not after it."""
        self.now = now
        self._last = b""
        self._seconds: float | None = None
        self._hour = b""
        self._hour_seconds: float | None = None

    def seconds(self, stamp: bytes) -> float | None:
        """Seconds since 1970; None when it is no time."""
        if stamp != self._last:
            self._last = stamp
            self._seconds = self._with_year(stamp) if stamp[0] in _DIGITS else self._without_year(stamp)
        return self._seconds

    def _with_year(self, stamp: bytes) -> float | None:
        try:
            return datetime.fromisoformat(stamp.decode("ascii")).timestamp()
        except (ValueError, OverflowError, OSError):  # UnicodeDecodeError is a ValueError
            return None

    def _without_year(self, stamp: bytes) -> float | None:
        """Local time as it is at the full hour: a zone changes its offset at one, or near enough."""
        minute, second = stamp[10:12], stamp[13:15]
        if not (minute.isdigit() and second.isdigit()) or minute >= b"60" or second > b"60":
            return None
        if stamp[:9] != self._hour:
            self._hour, self._hour_seconds = stamp[:9], self._of_hour(stamp[:9])
        if self._hour_seconds is None:
            return None
        return self._hour_seconds + 60 * int(minute) + min(int(second), 59)

    def _of_hour(self, stamp: bytes) -> float | None:
        month = _MONTHS.get(stamp[:3])
        day, hour = stamp[4:6].strip(), stamp[7:9]
        if month is None or not (day.isdigit() and hour.isdigit()):
            return None
        try:
            year = datetime.fromtimestamp(self.now + _AHEAD).year  # noqa: DTZ006 - syslog writes local time
        except (ValueError, OverflowError, OSError):
            return None
        for candidate in range(year, year - _LEAP_YEARS - 1, -1):
            try:
                seconds = datetime(candidate, month, int(day), int(hour)).timestamp()  # noqa: DTZ001
            except (ValueError, OverflowError, OSError):
                continue
            if seconds <= self.now + _AHEAD:
                return seconds
        return None
