"""Which logs are read, and by which jails."""

import os
from collections.abc import Sequence

from gatepost.ban.jail import MAIL
from gatepost.ban.options import BanOptions, JailOptions

JOURNAL = "journal"
AUTO = "auto"
USUAL = ("/var/log/mail.log", "/var/log/maillog")
"""Where syslog daemons write the mail log (Debian and SUSE; Red Hat)."""


def jails_by_log(terms: BanOptions, jails: Sequence[JailOptions]) -> dict[str, tuple[str, ...]]:
    """The logs to be read, as paths or `journal`, and the names of the jails that look at each."""
    found: dict[str, tuple[str, ...]] = {}
    everything = [(MAIL, terms.logs), *((jail.name, jail.logs or terms.logs) for jail in jails)]
    for name, logs in everything:
        for log in dict.fromkeys(resolved(log) for log in logs):
            found[log] = (*found.get(log, ()), name)
    return found


def resolved(log: str) -> str:
    """A log as it is read: `auto` is a usual place where one can be read, else the journal."""
    if log != AUTO:
        return log
    return next((path for path in USUAL if os.access(path, os.R_OK)), JOURNAL)
