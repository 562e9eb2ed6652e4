"""The Postfix that tests start is real, answers SMTP, logs to its own file, and is gone afterwards."""

import smtplib
import socket

import pytest

from support.postfix import Postfix, PostfixError


def test_a_real_postfix_accepts_mail_for_its_domain_and_refuses_to_relay():
    with Postfix() as postfix, smtplib.SMTP(postfix.host, postfix.port) as smtp:
        smtp.ehlo("client.example.org")
        smtp.mail("someone@example.org")
        assert (smtp.rcpt("user@example.net")[0], smtp.rcpt("user@elsewhere.example")[0]) == (250, 454)
        assert "Relay access denied" in postfix.wait_for_log("reject: RCPT")


def test_maps_are_found_and_settings_can_change_while_it_runs():
    with Postfix(
        settings={"smtpd_sender_restrictions": "check_sender_access texthash:{home}/senders"},
        files={"senders": "bad@example.org REJECT not you\n"},
    ) as postfix:
        with smtplib.SMTP(postfix.host, postfix.port) as smtp:
            smtp.ehlo("client.example.org")
            smtp.mail("bad@example.org")
            code, text = smtp.rcpt("user@example.net")
            assert (code, b"not you" in text) == (554, True)
        assert postfix.run("postconf", "-h", "myhostname").strip() == "mx.example.net"


def test_nothing_listens_after_it_was_stopped():
    with Postfix() as postfix:
        home, port = postfix.home, postfix.port
        assert home.exists()
    assert not home.exists()
    with pytest.raises(OSError), socket.create_connection((postfix.host, port), 1):
        pass


def test_a_postfix_that_cannot_start_says_why():
    with (
        pytest.raises(PostfixError, match="fatal"),
        Postfix(services=["nonsense line"]),
    ):
        pass
