"""Whose address counts: never one that a stranger wrote into a line."""

from ipaddress import ip_address

import pytest

from gatepost.ban.fail2ban.filter import Match
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.trust import trusted
from gatepost.wire.maillog import client_of

FORGED = "198.51.100.9"
CLIENT = "203.0.113.7"


def nobody(line):
    return ""


def blamed(line, client_of=nobody, own=frozenset()):
    """Which of the two may be blamed when a pattern finds them in that line."""
    source = f"Nov 28 08:39:29 mx {line}".encode()
    found = (Match(address, "", "pattern", source) for address in (CLIENT, FORGED))
    return [match.address for match in found if trusted(match, client_of, own)]


def test_in_lines_of_mail_servers_only_the_client_counts():
    line = f"postfix/smtpd[1]: lost connection after AUTH from x[{CLIENT}] helo=<x[{FORGED}]>"
    assert blamed(line, lambda _: CLIENT) == [CLIENT]


@pytest.mark.parametrize(
    "program",
    [
        "postfix/smtpd[1]",
        "mx-in/smtpd[1]",
        "postfix/submission/smtpd[1]",
        "dovecot",
        "dovecot[7]",
        "my/postscreen[3]",
    ],
)
def test_a_mail_server_whose_line_names_no_client_blames_nobody(program):
    assert blamed(f"{program}: something about {FORGED}") == []


@pytest.mark.parametrize(
    "line",
    [
        f"sshd[1]: Failed password for invalid user from {FORGED} port 22 ssh2 from {CLIENT} port 4711 ssh2",
        f"sshd[1]: Invalid user x {FORGED} port 1 from {CLIENT} port 4711",
        f"sshd[1]: error: maximum authentication attempts exceeded for {FORGED} from {CLIENT} port 7",
        f"sshd[1]: Bad protocol version identification '{FORGED} port 22' from {CLIENT} port 4711",
        f"sshd[1]: Connection closed by invalid user {FORGED} {CLIENT} port 4711 [preauth]",
        f"sshd[1]: Disconnected from invalid user {FORGED} {CLIENT} port 4711 [preauth]",
        f"imapd: LOGIN FAILED, user=x, ip=[{FORGED}], ip=[{CLIENT}], port=[1]",
        f"pop3d-ssl: LOGIN FAILED, user=[{FORGED}], ip=[::ffff:{CLIENT}]",
    ],
)
def test_the_last_address_counts_where_the_line_ends_with_it(line):
    assert blamed(line) == [CLIENT]


@pytest.mark.parametrize(
    "line",
    [
        f"sshd[1]: Received disconnect from {CLIENT} port 4711:11: bye from {FORGED} port 22",
        f"sshd[1]: Received disconnect from {CLIENT}: 11: {FORGED} port 22",
        f'courieresmtpd: error,relay={CLIENT},msg="535 Authentication failed.",cmd: AUTH {FORGED}',
        f"exim[1]: H=([{FORGED}]) [{CLIENT}]:4711 F=<a@b.example> rejected RCPT <x@y.example>: no",
        f"exim[1]: login authenticator failed for x.example (pc) [{CLIENT}]: 535 Incorrect (set_id={FORGED})",
    ],
)
def test_the_address_at_its_place_counts_where_strangers_write_behind_it(line):
    assert blamed(line) == [CLIENT]


@pytest.mark.parametrize(
    "line",
    [
        f"sshd[1]: Disconnecting user x {CLIENT} port 1: Change of username: (x) -> (y {FORGED} port 22",
        f"sshd[1]: Failed publickey for x from {CLIENT} port 1 ssh2: {FORGED} port 22",
        f"exim[1]: H=(a) [{FORGED}] F=<b@c.example> (d) [{CLIENT}] F=<a@b.example> refused <x@y>: no",
        f"app: login failed for {FORGED} from {CLIENT}",
        f"app: {FORGED}:{CLIENT}",
        f"app: user 2001:db8::9 from {CLIENT}",
        f"app: user x:y::9 from {CLIENT}",
        f"app: ::ffff:{FORGED} from {CLIENT}",
    ],
)
def test_who_cannot_be_told_is_not_blamed(line):
    assert blamed(line) == []


@pytest.mark.parametrize(
    "line",
    [
        f"app: login failed from {CLIENT}",
        f"app: from={CLIENT}, proto=1, time=08:39:29, mac=00:16",
        f"app: from ::ffff:{CLIENT}",
        f"app: {CLIENT} to 127.0.0.1 by ::1",
        f"app: {CLIENT} and {CLIENT} again",
    ],
)
def test_in_other_lines_the_only_address_counts(line):
    assert blamed(line) == [CLIENT]


def test_own_addresses_are_not_others():
    line = f"app: {CLIENT} at 192.0.2.25"
    assert blamed(line) == []
    assert blamed(line, own={ip_address("192.0.2.25")}) == [CLIENT]


def test_a_name_is_nobody():
    match = load("from <HOST>$").matches(b"Nov 28 08:39:29 mx app: from mail.example.org")
    assert not trusted(match, nobody)


def test_of_a_session_the_line_with_the_address_is_judged(tmp_path):
    (tmp_path / "s.conf").write_text(
        "[Definition]\nfailregex = ^ mx <F-MLFID>sshd\\[\\d+\\]</F-MLFID>: "
        "<F-NOFAIL>seen</F-NOFAIL> (?:\\S+ )?<ADDR>$\n"
        "    ^ mx <F-MLFID>sshd\\[\\d+\\]</F-MLFID>: failed$\n"
    )
    for seen, expected in ((f"seen {CLIENT}", True), (f"seen {CLIENT} {FORGED}", False)):
        loaded = load(str(tmp_path / "s.conf"))
        lines = [f"Nov 28 08:39:29 mx sshd[1]: {text}".encode() for text in (seen, "failed")]
        assert [trusted(match, nobody) for _, match in loaded.scan(lines)] == [expected]


@pytest.mark.parametrize(
    "message",
    [
        "warning: valid_hostname: invalid character 91(decimal): x[198.51.100.9]",
        "warning: malformed domain name in resource data of MX record for example.com: x[198.51.100.9]",
        "warning: Unable to look up MX host for x[198.51.100.9]: Host not found",
        "TLS SNI x[198.51.100.9] from unknown[192.0.2.7] not matched, using default chain",
    ],
)
def test_what_a_strangers_name_server_says_is_nobodys_address(message):
    assert "" == client_of(f"Nov 22 06:25:01 mx postfix/smtpd[1]: {message}".encode())


@pytest.mark.parametrize(
    "message",
    [
        "connect from unknown[192.0.2.7]",
        "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: x",
        "warning: Connection rate limit exceeded: 51 from unknown[192.0.2.7] for service smtp",
        "warning: D9805234655: malformed BDAT command syntax from unknown[192.0.2.7]:52575: BDAT abc",
        "SSL_accept error from unknown[192.0.2.7]: -1",
        "DNSBL rank 5 for [192.0.2.7]:4021",
        "PASS NEW [192.0.2.7]:4021",
        "ALLOWLIST VETO [192.0.2.7]:4021",
        "DENYLISTED [192.0.2.7]:4021",
    ],
)
def test_where_postfix_names_its_client(message):
    assert "192.0.2.7" == client_of(f"Nov 22 06:25:01 mx postfix/smtpd[1]: {message}".encode())
