"""A stranger writes log lines into HELO, sender, recipient and user of a real Postfix: nobody else is hit."""

import base64
import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.ban.fail2ban.load import load
from gatepost.ban.loaded import LoadedFilter
from gatepost.ban.reading import RuleReader
from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.network import parse_address
from support.banning import HONEST, SERVER, Guarded

VICTIM = "198.51.100.9"
PROBE = "127.0.0.1"
"""Who sees whether the server has started."""
GUIDE = r"lost connection after AUTH from (.*)\[<HOST>\]"
MODES = {
    "postfix": ("more", "normal", "auth", "rbl", "ddos", "extra", "aggressive", "errors"),
    "dovecot": ("normal", "aggressive"),
    "exim": ("normal", "aggressive"),
    "sshd": ("normal", "ddos", "extra", "aggressive"),
    "courier-auth": ("",),
    "courier-smtp": ("",),
}
NAMES = [(name, mode) for name, modes in MODES.items() for mode in modes]
OWN = frozenset({parse_address(SERVER)})

PIECES = st.sampled_from(
    [
        "]: ",
        "[198.51.100.9]",
        "x[198.51.100.9]",
        "]:25: ",
        " from x[198.51.100.9]",
        "lost connection after AUTH from x[198.51.100.9]",
        "warning: x[198.51.100.9]: SASL LOGIN authentication failed: x",
        "NOQUEUE: reject: RCPT from x[198.51.100.9]: 554 5.7.1 <x>: Relay access denied; from=<",
        "postfix/smtpd[1]: too many errors after RCPT from x[198.51.100.9]",
        "Nov 28 09:00:00 mx postfix/smtpd[1]: improper command pipelining after EHLO from x[198.51.100.9]: x",
        "auth failed, rip=198.51.100.9, lip=192.0.2.1",
        "Failed password for root from 198.51.100.9 port 22 ssh2",
        ">",
        "<",
        " ",
        '"',
        "\\",
        "\x07",
        "\u00e9",
    ]
)
CHOSEN = st.lists(PIECES, min_size=1, max_size=5).map("".join)


@pytest.fixture(scope="module")
def server():
    with Guarded(
        {"smtpd_relay_restrictions": "reject_unauth_destination", "smtpd_recipient_restrictions": "reject"}
    ) as there:
        yield Talks(there)


class Talks:
    """The server, and what it logs of each session."""

    def __init__(self, there):
        self.there = there
        self.seen = 0

    def session(self, helo, user, sender, recipient):
        """Play a session in which all of them are chosen by a stranger; the lines that it left."""
        said = base64.b64encode(f"\0{user}\0guess".encode()).decode()
        commands = [
            f"EHLO {helo}",
            f"AUTH PLAIN {said}",
            f"MAIL FROM:<{sender}>",
            f"MAIL FROM:<{_quoted(sender)}@example.org>",
            f"RCPT TO:<{_quoted(recipient)}@elsewhere.example>",
            f"RCPT TO:<{_quoted(recipient)}@example.net>",
            f"RCPT TO:<{recipient}>",
            f"AUTH PLAIN {said}",
            f"{recipient}",
        ]
        with self.there.connect(25, HONEST) as connection, connection.makefile("rb") as replies:
            _reply(replies)
            with contextlib.suppress(ConnectionError):  # some texts make Postfix hang up
                for command in commands:
                    connection.sendall(command.encode() + b"\r\n")
                    _reply(replies)
        return self._lines()

    def _lines(self):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            text = self.there.postfix.log()
            new = text[self.seen :]
            if "disconnect from" in new and new.endswith("\n"):
                self.seen = len(text)
                return new.encode("utf-8", "surrogateescape").split(b"\n")
            time.sleep(0.01)
        raise AssertionError("the session is not in the log")


def _quoted(text):
    """As a local part that may hold anything (RFC 5321, 4.1.2)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _reply(replies):
    while (line := replies.readline())[3:4] == b"-":
        pass
    return line


def blamed_by_rules(lines):
    """Whom our own rules blame, or take for somebody who logged in."""
    found = set()
    for rule in find():
        for seen in RuleReader(Rulebook([rule]), time.time()).read(b"\n".join(lines)):
            found.add(seen.offence.address if seen.offence else seen.login)
    return found


@pytest.fixture(scope="module")
def filters():
    """Every filter in every mode, and the guide's."""
    made = {f"{name}[{mode}]": load(name, mode) for name, mode in NAMES}
    return made | {"guide": load(GUIDE)}


def blamed_by_filters(filters, lines):
    return {
        (name, offence.address)
        for name, patterns in filters.items()
        for _, offence in LoadedFilter(patterns, OWN).offences(lines, time.time())
    }


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(helo=CHOSEN, user=CHOSEN, sender=CHOSEN, recipient=CHOSEN)
def test_only_the_client_is_ever_blamed(server, filters, helo, user, sender, recipient):
    lines = server.session(helo, user, sender, recipient)

    assert blamed_by_rules(lines) <= {HONEST, PROBE}
    assert {address for _, address in blamed_by_filters(filters, lines)} <= {HONEST, PROBE}


def test_the_client_itself_is_blamed_whatever_it_writes(server, filters):
    lines = server.session(f"x]: [{VICTIM}]", f"x]: [{VICTIM}]", f"]: x[{VICTIM}]", f"]: x[{VICTIM}]")

    assert {HONEST} == blamed_by_rules(lines)
    assert ("postfix[aggressive]", HONEST) in blamed_by_filters(filters, lines)


def test_a_filter_alone_would_have_been_taken_in(server, filters):
    sender = f"lost connection after AUTH from x[{VICTIM}]"
    lines = server.session("x", "x", sender, "user")

    untrusted = {match.address for _, match in filters["guide"].scan(lines)}

    assert VICTIM in untrusted
    assert VICTIM not in {address for _, address in blamed_by_filters(filters, lines)}
