"""An offence: somebody did what honest clients do not do, once."""

import msgspec

MAX_EVIDENCE = 400
"""Characters kept of what shows an offence."""


class Offence(msgspec.Struct, frozen=True, gc=False):
    """One deed of one client."""

    time: float
    """Seconds since 1970."""
    address: str
    """The client's, in its one form (`str` of an ipaddress; IPv4 mapped into IPv6 is IPv4)."""
    rule: str
    """Dotted name of what was done, e.g. `auth.failed`."""
    weight: float = 1.0
    evidence: str = ""
    """What shows it, for people: the log line or the verdict, printable, at most MAX_EVIDENCE characters."""
