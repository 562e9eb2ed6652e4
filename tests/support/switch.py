"""A live Postfix beside a live Gatepost that it does not ask yet, and the change that makes it ask.

The lines are the tests' own: what `plan` would write is tested where it is written.
"""

import smtplib
import time
from pathlib import Path

import msgspec

from gatepost.cli.postfix_gate import Gate
from gatepost.config.load import load
from gatepost.postfix.applying.apply import Hands, Order, apply
from gatepost.postfix.applying.filestate import read_state
from gatepost.postfix.planning.change import FileChange
from support.daemon import Daemon
from support.postfix import Postfix

NEVER = '[greylist]\nwhen = "never"\n'
QUIET = {
    "smtpd_peername_lookup": "no",  # there is no name server
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
}


def asking(port, *, permits="permit_mynetworks, reject_unauth_destination"):
    """main.cf's settings for asking the Gatepost at `port`."""
    ask = f"check_policy_service {{ inet:127.0.0.1:{port}, timeout=6s, default_action=DUNNO }}"
    return {"smtpd_recipient_restrictions": f"{permits}, {ask}", "smtpd_data_restrictions": ask}


def with_settings(text, settings):
    """main.cf with these settings; none twice: Postfix 3.7 gets stuck when its own log has to say that."""
    lines = [line for line in text.splitlines() if line.partition(" = ")[0] not in settings]
    return "".join(f"{line}\n" for line in (*lines, *(f"{k} = {v}" for k, v in settings.items())))


class Switch:
    """Postfix, Gatepost, and a folder for backups; a context manager."""

    def __init__(self, folder, top='mode = "observe"', tables=NEVER, **postfix):
        self.gatepost = Daemon(folder / "gatepost", top, tables)
        settings = QUIET | postfix.pop("settings", {})
        self.postfix = Postfix(settings=settings, **postfix)
        self.backups = folder / "backups"
        self.told = []

    def __enter__(self):
        self.postfix.__enter__()
        try:
            self.gatepost.start()
        except BaseException:
            self.postfix.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error):
        try:
            if self.gatepost.running():
                self.gatepost.stop()
        finally:
            self.postfix.__exit__(*error)

    @property
    def config_dir(self):
        return self.postfix.home / "etc"

    @property
    def main_cf(self):
        return self.config_dir / "main.cf"

    def gate(self):
        config = load(self.gatepost.config, None, alone=True)
        return Gate(config, self.gatepost.config, f"inet:127.0.0.1:{self.gatepost.port}")

    def change(self, settings=None, **more):
        """main.cf with other settings, by default those that ask Gatepost."""
        before = self.main_cf.read_bytes()
        wanted = (asking(self.gatepost.port) if settings is None else settings) | more
        after = with_settings(before.decode(), wanted).encode()
        return FileChange(str(self.main_cf), before, after, ("so that Gatepost is asked",))

    def administrator_sets(self, **settings):
        """Somebody else changes main.cf, and Postfix reads it."""
        self.postfix.write_file("etc/main.cf", with_settings(self.main_cf.read_text(), settings))
        self.postfix.reload()

    def order(self, *changes):
        return Order(
            str(self.config_dir),
            changes or (self.change(),),
            self.backups,
            ("127.0.0.1", self.postfix.port),
            patience=5.0,
        )

    def hands(self, **instead):
        gate = self.gate()
        hands = Hands(gate.answers, gate.find, self.told.append, reread=gate.reread)
        return msgspec.structs.replace(hands, **instead)

    def apply(self, *changes, **instead):
        return apply(self.order(*changes), self.hands(**instead))

    def asks_gatepost(self):
        """Whether a mail to this Postfix is one that Gatepost is asked about."""
        since = time.time()
        with self.postfix_session() as smtp:
            smtp.ehlo("mail.example.org")
            smtp.docmd("MAIL", "FROM:<alice@example.org>")
            smtp.docmd("RCPT", "TO:<bob@example.net>")
        entries = self.gatepost.journal("alice@example.org")
        return any(entry["time"] >= since - 1 for entry in entries)

    def postfix_session(self):
        return smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=30)


def whole_state(*paths):
    """Octets, owner, mode and attributes of each file; None for one that is not there."""
    return [read_state(Path(path)) for path in paths]
