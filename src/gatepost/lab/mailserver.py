"""The lab's Postfix: a real one, in the namespace, with a configuration of its own.

The lines that concern Gatepost are those the documentation recommends, unless
others are given. Mail for our domain is delivered into Maildirs; mail for elsewhere is discarded by
Postfix's own discard(8), as nobody in the lab would fetch it.

Raises: LabError when it does not start.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from gatepost.lab import cast, sasl
from gatepost.lab.internet import Internet
from gatepost.lab.processes import wait_for

POLICY = "inet:127.0.0.1:10023"
_NOBODY = 65534

_BASE = """\
compatibility_level = 3.6
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8 [::1]/128 {network}
inet_interfaces = {interfaces}
inet_protocols = all
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
alias_maps =
alias_database =
local_recipient_maps =
default_transport = discard:elsewhere
relay_transport = discard:elsewhere
in_flow_delay = 0

virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{folder}/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}

smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl_port}
"""

_RECOMMENDED = """\

# Gatepost, as its documentation recommends.
smtpd_helo_required = no
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
    check_policy_service {learn}
    permit_mynetworks
    permit_sasl_authenticated
    reject_unauth_destination
    reject_unlisted_recipient
    check_policy_service {ask}

smtpd_data_restrictions =
    check_policy_service {ask}

submission_recipient_restrictions =
    check_policy_service {learn}
    permit_sasl_authenticated
    reject
"""

_SUBMISSION = """\
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=$submission_recipient_restrictions
"""

_MASTER = """\
smtp       inet        n - n -     - smtpd
submission inet        n - n -     - smtpd
{submission}\
pickup     unix        n - n 60    1 pickup
cleanup    unix        n - n -     0 cleanup
qmgr       unix        n - n 300   1 qmgr
rewrite    unix        - - n -     - trivial-rewrite
bounce     unix        - - n -     0 bounce
defer      unix        - - n -     0 bounce
trace      unix        - - n -     0 bounce
verify     unix        - - n -     1 verify
flush      unix        n - n 1000? 0 flush
proxymap   unix        - - n -     - proxymap
showq      unix        n - n -     - showq
error      unix        - - n -     - error
retry      unix        - - n -     - error
discard    unix        - - n -     - discard
virtual    unix        - n n -     - virtual
anvil      unix        - - n -     1 anvil
postlog    unix-dgram  n - n -     1 postlogd
"""


class MailServer:
    """A running Postfix, and the traces it leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etc = folder / "etc"

    @property
    def maillog(self) -> str:
        """All that Postfix has logged so far."""
        path = self.folder / "maillog"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def delivered(self) -> dict[str, list[str]]:
        """The messages in each mailbox, by mail address."""
        mail = self.folder / "mail"
        return {
            mailbox: [
                path.read_text("utf-8", "replace") for path in sorted((mail / mailbox / "new").glob("*"))
            ]
            for mailbox in cast.MAILBOXES
        }


def base(folder: Path) -> str:
    """main.cf for a Postfix that lives in `folder`, without any restrictions."""
    return _BASE.format(
        name=cast.OUR_NAME,
        domain=cast.OUR_DOMAIN,
        network=cast.OUR_NETWORK,
        interfaces=f"{cast.OUR_ADDRESS}, {cast.OUR_SECOND_ADDRESS}, {cast.OUR_ADDRESS_V6}",
        folder=folder,
        nobody=_NOBODY,
        sasl_port=sasl.PORT,
    )


def main_cf(folder: Path) -> str:
    """main.cf with the lines that the documentation recommends."""
    ask = f"{{ {POLICY}, timeout=6s, default_action=DUNNO }}"
    learn = f"{{ {POLICY}, timeout=6s, default_action=DUNNO, policy_context=learn }}"
    return base(folder) + _RECOMMENDED.format(ask=ask, learn=learn)


def _prepare(folder: Path, main: str, submission: str) -> None:
    etc = folder / "etc"
    for path in (folder, etc, folder / "queue", folder / "data", folder / "mail"):
        path.mkdir()
    (etc / "main.cf").write_text(main)
    (etc / "master.cf").write_text(_MASTER.format(submission=submission))
    readers = {mailbox: mailbox for mailbox in cast.MAILBOXES} | {f"postmaster@{cast.OUR_DOMAIN}": cast.ANNA}
    (folder / "mailboxes").write_text("".join(f"{to} {reader}/\n" for to, reader in readers.items()))
    (etc / "helo_access").write_text(cast.HELO_ACCESS)
    (etc / "rbl_override").write_text(cast.RBL_OVERRIDE)
    os.chown(folder / "mail", _NOBODY, _NOBODY)


@contextlib.contextmanager
def postfix(
    internet: Internet, main: Callable[[Path], str] = main_cf, submission: str = _SUBMISSION
) -> Iterator[MailServer]:
    """Run Postfix on our addresses, ports 25 and 587, while the block runs.

    Args:
        internet: where.
        main: writes main.cf for a folder.
        submission: the `-o` lines of the submission service in master.cf.
    """
    server = MailServer(internet.folder / "postfix")
    _prepare(server.folder, main(server.folder), submission)
    internet.run("chown", "postfix", server.folder / "data")
    internet.run("postfix", "-c", server.etc, "start")
    try:
        wait_for("Postfix", lambda: internet.answers(cast.OUR_ADDRESS, 25))
        yield server
    finally:
        internet.run("postfix", "-c", server.etc, "stop")
