"""Whatever verdict there is, real Postfix does with our reply what the verdict meant, and warns of nothing.

A policy server answers replies that `encode` made of hostile verdicts; the SMTP reply class must be the
one intended: never a server configuration problem, never permission where a refusal was meant. Also what
a stranger can write into an address: Postfix passes it on, and it must reach the checks.
"""

import re
import socket
import threading
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.model import Action, Stage, Verdict
from gatepost.wire.policy import Parser, ProtocolError, encode, longest_name
from support.postfix import Postfix
from support.verdicts import verdicts

REFUSED = {Action.DEFER: "4", Action.REJECT: "5"}
BAD_WARNINGS = re.compile(r"warning: .*|fatal: .*|panic: .*")


class Answering:
    """A policy server that answers one verdict to every question, and keeps the questions."""

    def __init__(self):
        self.verdict = Verdict(action=Action.PASS)
        self.at = frozenset({Stage.RCPT})
        self.questions = []
        self.errors = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self):
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected):
        parser = Parser()
        with connected:
            try:
                while octets := connected.recv(65536):
                    parser.feed(octets)
                    for request in iter(parser.next, None):
                        self.questions.append(request)
                        connected.sendall(self._reply(request))
            except ProtocolError as error:
                self.errors.append(error)

    def _reply(self, request):
        if request.stage not in self.at:
            return b"action=DUNNO\n\n"
        return encode(self.verdict, request.stage, longest_name(request))


class Smtp:
    """One SMTP session, octet for octet."""

    def __init__(self, postfix):
        self._socket = socket.create_connection((postfix.host, postfix.port), 10)
        self._file = self._socket.makefile("rb")
        self.banner = self.reply()

    def reply(self):
        line = self._file.readline()
        while line[3:4] == b"-":
            line = self._file.readline()
        return line.rstrip(b"\r\n").decode("latin-1")

    def say(self, line):
        self._socket.sendall(line + b"\r\n")
        return self.reply()

    def close(self):
        self._file.close()
        self._socket.close()


@contextmanager
def session(postfix):
    smtp = Smtp(postfix)
    assert smtp.say(b"EHLO client.example").startswith("250")
    try:
        yield smtp
    finally:
        smtp.close()


@pytest.fixture(scope="module")
def answering():
    server = Answering()
    yield server
    server.close()


@pytest.fixture(scope="module")
def postfix(answering):
    ask = f"check_policy_service inet:127.0.0.1:{answering.port}"
    wanted = {
        "smtpd_recipient_restrictions": f"reject_unauth_destination, {ask}",
        "smtpd_data_restrictions": ask,
        "smtpd_end_of_data_restrictions": ask,
        "smtputf8_enable": "yes",
    }
    with Postfix(settings=wanted) as running:
        running.told = 0
        yield running


def intended(verdict):
    if verdict.observed or verdict.action is Action.PASS:
        return "2"
    return REFUSED[verdict.action]


def warnings(postfix):
    """What Postfix complained about since this was asked last."""
    path = postfix.home / "maillog"
    new = path.read_bytes()[postfix.told :] if path.exists() else b""  # postlogd makes it when it comes to it
    postfix.told += len(new)
    return BAD_WARNINGS.findall(new.decode("utf-8", "replace"))


def check(reply, verdict):
    assert reply[0] == intended(verdict), reply
    assert "Server configuration" not in reply
    assert len(reply) <= 510
    if reply[0] != "2":
        assert reply[:3] not in {"421", "521"}, "these hang up"
        assert reply[4] == reply[0]
        assert "4.3.0" not in reply
        if verdict.reference == "K7QX2M9A":
            assert reply.endswith(" (ref K7QX2M9A)")


RELAXED = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=1000, **RELAXED)
@given(verdict=verdicts())
def test_at_rcpt_postfix_does_what_the_verdict_meant(postfix, answering, verdict):
    answering.verdict, answering.at = verdict, frozenset({Stage.RCPT})
    with session(postfix) as smtp:
        assert smtp.say(b"MAIL FROM:<alice@sender.example>").startswith("250")
        check(smtp.say(b"RCPT TO:<user1@example.net>"), verdict)
    assert [] == warnings(postfix)


@settings(max_examples=60, **RELAXED)
@given(verdict=verdicts())
def test_in_an_smtputf8_session_too(postfix, answering, verdict):
    answering.verdict, answering.at = verdict, frozenset({Stage.RCPT})
    with session(postfix) as smtp:
        assert smtp.say("MAIL FROM:<ünï@sender.example> SMTPUTF8".encode()).startswith("250")
        check(smtp.say(b"RCPT TO:<user1@example.net>"), verdict)
    assert [] == warnings(postfix)


@settings(max_examples=200, **RELAXED)
@given(verdict=verdicts(), stage=st.sampled_from([Stage.DATA, Stage.END_OF_MESSAGE]))
def test_at_data_and_at_the_end_postfix_does_what_the_verdict_meant(postfix, answering, verdict, stage):
    answering.verdict, answering.at = verdict, frozenset({stage})
    with session(postfix) as smtp:
        assert smtp.say(b"MAIL FROM:<>").startswith("250")
        assert smtp.say(b"RCPT TO:<user1@example.net>").startswith("250")
        reply = smtp.say(b"DATA")
        if stage is Stage.END_OF_MESSAGE:
            assert reply.startswith("354")
            reply = smtp.say(b"Subject: test\r\n\r\ntext\r\n.")
        elif reply.startswith("354"):
            reply = "2" + reply[1:]
        check(reply, verdict)
    assert [] == warnings(postfix)


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.EHLO, Stage.MAIL])
@pytest.mark.parametrize("action", [Action.DEFER, Action.REJECT])
def test_earlier_stages_refuse_as_well(answering, stage, action):
    ask = f"check_policy_service inet:127.0.0.1:{answering.port}"
    wanted = {
        "smtpd_delay_reject": "no",
        "smtpd_client_restrictions": ask,
        "smtpd_helo_restrictions": ask,
        "smtpd_sender_restrictions": ask,
    }
    answering.verdict = Verdict(action=action, text="No", reference="K7QX2M9A")
    with Postfix(settings=wanted) as postfix:
        postfix.told = 0
        answering.at = frozenset({stage})
        smtp = Smtp(postfix)
        said = {Stage.CONNECT: smtp.banner, Stage.EHLO: smtp.say(b"EHLO client.example")}
        said[Stage.MAIL] = smtp.say(b"MAIL FROM:<alice@sender.example>")
        smtp.close()
        check(said[stage], answering.verdict)
        assert [] == warnings(postfix)


def test_the_reference_survives_beside_a_long_recipient(postfix, answering):
    answering.verdict = Verdict(action=Action.REJECT, text="word " * 200, reference="K7QX2M9A")
    answering.at = frozenset({Stage.RCPT})
    with session(postfix) as smtp:
        smtp.say(b"MAIL FROM:<alice@sender.example>")
        reply = smtp.say(b"RCPT TO:<" + b"user+" + b"a" * 240 + b"@example.net>")

    check(reply, answering.verdict)
    assert "a" * 240 in reply


@pytest.mark.parametrize(
    ("sender", "seen"),
    [
        (rb'"a\b"@sender.example', "ab@sender.example"),
        (b'"a\x01\x7f\x1b[31mb"@sender.example', r"a\x01\x7f\x1b[31mb@sender.example"),
        (b'"a\rb"@sender.example', "a b@sender.example"),
        (b'"a=b"@sender.example', "a=b@sender.example"),
        (b"a" * 1500 + b"@sender.example", "a" * 1500 + "@sender.example"),
    ],
    ids=["backslash", "control", "return", "equals", "long"],
)
def test_no_sender_can_write_something_that_we_would_not_judge(postfix, answering, sender, seen):
    answering.verdict, answering.at = Verdict(action=Action.REJECT, text="No"), frozenset({Stage.RCPT})
    with session(postfix) as smtp:
        assert smtp.say(b"MAIL FROM:<" + sender + b">").startswith("250")
        check(smtp.say(b"RCPT TO:<user1@example.net>"), answering.verdict)

    assert seen == answering.questions[-1].sender
    assert [] == answering.errors
