"""A real Postfix with a real Gatepost in front of it, and an SMTP client that can be anybody (XCLIENT)."""

import contextlib
import smtplib

from support.daemon import Daemon
from support.postfix import Postfix

HONEST = {
    "client": "192.0.2.7",
    "name": "mail.example.org",
    "helo": "mail.example.org",
    "sender": "alice@example.org",
}


class Session:
    """One SMTP session with Postfix, as whatever client it says."""

    def __init__(self, port, client, name, helo):
        self.smtp = smtplib.SMTP("127.0.0.1", port, timeout=30)
        self.smtp.ehlo("test")
        known = name or "[UNAVAILABLE]"
        code, text = self.smtp.docmd("XCLIENT", f"ADDR={client} NAME={known} REVERSE_NAME={known}")
        assert code == 220, text
        self.smtp.ehlo(helo)

    def rcpt(self, sender, *recipients):
        """The replies to RCPT TO, as text; MAIL FROM has to be accepted."""
        code, text = self.smtp.docmd("MAIL", f"FROM:<{sender}>")
        assert code == 250, text
        return [self._say("RCPT", f"TO:<{recipient}>") for recipient in recipients]

    def data(self, text="Subject: test\r\n\r\ntest\r\n"):
        """The reply to DATA, or to the message when that was accepted."""
        code, said = self.smtp.docmd("DATA")
        if code != 354:
            return f"{code} {said.decode()}"
        self.smtp.send(f"{text}.\r\n".encode())
        code, said = self.smtp.getreply()
        return f"{code} {said.decode()}"

    def _say(self, *command):
        code, text = self.smtp.docmd(*command)
        return f"{code} {text.decode()}"

    def close(self):
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self.smtp.quit()


class Door:
    """Postfix and Gatepost together; `gatepost` is the daemon, `postfix` the server."""

    def __init__(self, folder, top="", tables="", **options):
        self.gatepost = Daemon(folder, top, tables, **options)
        ask = f"check_policy_service {{ inet:127.0.0.1:{self.gatepost.port}, timeout=6s, default_action=DUNNO"
        self.postfix = Postfix(
            settings={
                "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
                "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
                "smtpd_recipient_restrictions": f"{ask}, policy_context=learn }}, permit_mynetworks,"
                f" reject_unauth_destination, {ask} }}",
                "smtpd_data_restrictions": f"{ask} }}",
            }
        )

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

    def session(self, **who):
        who = HONEST | who
        return Session(self.postfix.port, who["client"], who["name"], who["helo"])

    def rcpt(self, *recipients, **who):
        """The replies to RCPT TO of one mail; by default one recipient of an honest server's mail."""
        session = self.session(**who)
        try:
            return session.rcpt((HONEST | who)["sender"], *(recipients or ("bob@example.net",)))
        finally:
            session.close()

    def mail(self, recipient="bob@example.net", **who):
        """The last reply to a whole mail: that of RCPT when it was not accepted, else that of the message."""
        session = self.session(**who)
        try:
            (reply,) = session.rcpt((HONEST | who)["sender"], recipient)
            return session.data() if reply.startswith("250") else reply
        finally:
            session.close()
