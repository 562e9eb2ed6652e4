"""A mail server as the usual web guide leaves it: a dozen restrictions, two access maps, and a real postgrey.

Raises: LabError when one of them does not start.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gatepost.lab import cast, mailserver
from gatepost.lab.internet import Internet
from gatepost.lab.mailserver import MailServer
from gatepost.lab.processes import stop, wait_until_up

PORT = 10023
"""Where postgrey answers, as Debian has it; and Gatepost after it."""
DELAY = 1
"""Seconds. The guide leaves 300, postgrey's default."""
USER = "postgrey"

_RESTRICTIONS = """\

smtpd_helo_required = yes
disable_vrfy_command = yes

smtpd_client_restrictions =
    permit_mynetworks
    permit_sasl_authenticated

smtpd_helo_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    check_helo_access texthash:{etc}/helo_access
    reject_invalid_helo_hostname
    reject_non_fqdn_helo_hostname
    reject_unknown_helo_hostname

smtpd_sender_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    reject_non_fqdn_sender
    reject_unknown_sender_domain

smtpd_relay_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    defer_unauth_destination

smtpd_recipient_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    reject_unauth_destination
    reject_unknown_reverse_client_hostname
    # block lists, but not for those in the map
    check_client_access texthash:{etc}/rbl_override
    reject_rhsbl_helo {dbl}
    reject_rhsbl_reverse_client {dbl}
    reject_rhsbl_sender {dbl}
    reject_rbl_client {zen}
    # and whoever is still here comes back later
    check_policy_service inet:127.0.0.1:{port}
"""

_SUBMISSION = """\
  -o syslog_name=postfix/submission
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_helo_restrictions=
  -o smtpd_sender_restrictions=
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""

CLIENTS = """\
# From the guide: servers that never come back, or from another address.
mail.second-mx.example
198.18.6.25
"""
RECIPIENTS = """\
postmaster@
clara@gatepost.example
"""


def main_cf(folder: Path) -> str:
    """main.cf as somebody has it who followed the guide."""
    rest = _RESTRICTIONS.format(etc=folder / "etc", dbl=cast.DBL, zen=cast.ZEN, port=PORT)
    return mailserver.base(folder) + rest


@contextlib.contextmanager
def guided(net: Internet) -> Iterator[MailServer]:
    """Run that Postfix while the block runs; it asks whoever answers at PORT."""
    with mailserver.postfix(net, main_cf, _SUBMISSION) as server:
        yield server


class Postgrey:
    """A real postgrey with files of its own, to be switched on and off."""

    def __init__(self, net: Internet) -> None:
        self.net = net
        self.folder = net.folder / "postgrey"
        """Its whitelists, as /etc/postgrey."""
        self.database = self.folder / "db"
        self.log = self.folder / "postgrey.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir()
        self.database.mkdir()
        shutil.chown(self.database, USER)
        (self.folder / "whitelist_clients").write_text(CLIENTS)
        (self.folder / "whitelist_recipients").write_text(RECIPIENTS)

    @property
    def options(self) -> str:
        """Its command line, as /etc/default/postgrey has it in POSTGREY_OPTS."""
        words = (
            f"--inet=127.0.0.1:{PORT}",
            f"--delay={DELAY}",
            f"--dbdir={self.database}",
            f"--whitelist-clients={self.folder / 'whitelist_clients'}",
            f"--whitelist-recipients={self.folder / 'whitelist_recipients'}",
        )
        return " ".join(words)

    def start(self) -> None:
        """Start it; it answers when this returns."""
        pid = f"--pidfile={self.database / 'pid'}"
        self._process = self.net.start(self.log, "postgrey", *self.options.split(), f"--user={USER}", pid)
        wait_until_up("postgrey", self._process, self.log, lambda: self.net.answers("127.0.0.1", PORT))

    def stop(self) -> None:
        """End it; its port is free when this returns. It does not always hear SIGTERM."""
        if self._process is not None:
            stop(self._process, 0.3)
            self._process = None


@contextlib.contextmanager
def postgrey(net: Internet) -> Iterator[Postgrey]:
    """Run postgrey; it is stopped when the block is left, if it still runs."""
    found = Postgrey(net)
    try:
        found.start()
        yield found
    finally:
        found.stop()
