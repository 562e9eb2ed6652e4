"""The header field that tells how long a mail was kept waiting. Pure."""

from datetime import UTC, datetime
from email.utils import format_datetime

from gatepost import __version__


def x_greylist(waited: float, host: str, now: float) -> str:
    """`X-Greylist: delayed 312 seconds by …`, with an RFC 5322 date; `now` in seconds since 1970."""
    date = format_datetime(datetime.fromtimestamp(now, UTC))
    return f"X-Greylist: delayed {waited:.0f} seconds by gatepost-{__version__} at {host}; {date}"
