"""Whatever stands in a log: nothing raises, and nobody is blamed who is not the client.

A stranger chooses the text that stands behind the client's address (HELO name,
sender, recipient, what he sent, in Dovecot the user before it), with whole
lines of a log in it. Only a newline he cannot write: syslog escapes it.
"""

from hypothesis import given
from hypothesis import strategies as st

from gatepost.ban.reading import RuleReader
from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.wire.mail_event import Kind
from gatepost.wire.maillog import Parser, Wanted, client_of, is_mail_server
from gatepost.wire.syslog import split_head

NOW = 1_795_900_000.0
CLIENT, VICTIM = "192.0.2.7", "198.51.100.9"
BOOK = Rulebook(find())
HEAD = b"Nov 22 06:25:01 mx postfix/smtpd[21]: "

SAMPLES = [sample.line.encode() for rule in find() for sample in rule.sample]
PIECES = st.sampled_from(
    [
        b"]: ",
        b"[198.51.100.9]",
        b"x[198.51.100.9]",
        b": ",
        b"from ",
        b" ",
        b">",
        b"<",
        b", rip=198.51.100.9, lip=192.0.2.1",
        b"lost connection after AUTH from x[198.51.100.9]",
        b"warning: x[198.51.100.9]: SASL LOGIN authentication failed: x",
        b"NOQUEUE: reject: RCPT from x[198.51.100.9]: 554 5.7.1 Relay access denied; from=<",
        b"4jX1AzB: client=x[198.51.100.9], sasl_method=PLAIN, sasl_username=x",
        b"Nov 22 06:25:01 mx postfix/smtpd[21]: too many errors after RCPT from x[198.51.100.9]",
        b"PREGREET 3 after 0 from [198.51.100.9]:25: ",
        b"imap-login: Disconnected (auth failed, 9 attempts in 1 secs): user=<x>, rip=198.51.100.9, lip=1.1",
        b"\xff\x00\x1b",
        "\u202e".encode(),
    ]
)
CHOSEN = st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=12).map(
    lambda parts: b"".join(parts).replace(b"\n", b"?")
)


def lines_of(text):
    """Lines in which a stranger chose `text`, each of a client that is not the victim."""
    client = b"host.example[192.0.2.7]"
    inside = text.replace(b"\n", b"?")
    yield HEAD + b"warning: " + client + b": SASL LOGIN authentication failed: " + inside
    yield HEAD + b"warning: " + client + b": SASL PLAIN authentication failed: x, sasl_username=" + inside
    for code in (b"550 5.1.1", b"554 5.7.1", b"450 4.7.1", b"521 5.7.1"):
        yield (
            HEAD
            + b"NOQUEUE: reject: RCPT from "
            + client
            + b": "
            + code
            + b" <"
            + inside
            + b">: no; from=<"
            + (inside + b"> to=<" + inside + b"> proto=ESMTP helo=<" + inside + b">")
        )
    yield HEAD + b"improper command pipelining after EHLO from " + client + b": " + inside
    yield HEAD + b"warning: non-SMTP command from " + client + b": " + inside
    yield HEAD + b"4jX1AzB: client=" + client + b", sasl_method=PLAIN, sasl_username=" + inside
    yield b"Nov 22 06:25:01 mx postfix/postscreen[21]: PREGREET 9 after 0.1 from [192.0.2.7]:4021: " + inside
    yield b"Nov 22 06:25:01 mx postfix/postscreen[21]: BARE NEWLINE from [192.0.2.7]:4021 after " + inside
    yield (
        b"Nov 22 06:25:01 mx postfix/cleanup[21]: 4jX1AzB: reject: header Subject: "
        + inside
        + (
            b" from "
            + client
            + b"; from=<"
            + inside
            + b"> to=<x> proto=ESMTP helo=<"
            + inside
            + b">: 5.7.1 no"
        )
    )
    yield (
        b"Nov 22 06:25:01 mx dovecot: imap-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<"
        + (inside + b">, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, session=<abc>")
    )
    yield (
        b"Nov 22 06:25:01 mx dovecot: imap-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<"
        + (inside + b">, method=PLAIN")
    )
    yield b"Nov 22 06:25:01 mx dovecot: auth-worker(7): sql(" + inside + b",192.0.2.7,<abc>): unknown user"
    yield b"Nov 22 06:25:01 mx postfix/qmgr[21]: 4jX1AzB: from=<" + inside + b">, size=1, nrcpt=1"


def blamed(line):
    return {seen.offence.address if seen.offence else seen.login for seen in RuleReader(BOOK, NOW).read(line)}


@given(text=CHOSEN)
def test_nobody_is_blamed_who_is_not_the_client(text):
    for line in lines_of(text):
        assert blamed(line) <= {CLIENT}, line
        assert client_of(line) in {CLIENT, ""}, line


@given(text=CHOSEN)
def test_a_strangers_text_does_not_hide_him_either(text):
    line = next(lines_of(text))

    assert blamed(line) == {CLIENT} or text.startswith(
        (b"generic", b"no mech", b"cannot", b"Conn", b"Temp", b"auth", b"bad pr", b"another", b"Inv", b"Uns")
    )


@given(line=st.binary(max_size=400))
def test_any_octets_are_a_line(line):
    parser = Parser(NOW)

    parser.parse(line)
    list(parser.scan(line, Wanted(list(Kind))))
    client_of(line)
    is_mail_server(line)
    split_head(line)


@given(
    line=st.sampled_from(SAMPLES), at=st.integers(0, 400), put=st.binary(max_size=8), cut=st.integers(0, 8)
)
def test_any_change_of_a_line_is_a_line(line, at, put, cut):
    at %= len(line) + 1
    changed = line[:at] + put + line[at + cut :]

    Parser(NOW).parse(changed)
    list(RuleReader(BOOK, NOW).read(changed))


def test_a_line_of_a_hundred_kilobytes_is_a_line():
    for line in lines_of(b"]: x[198.51.100.9] " * 6000):
        assert blamed(line) <= {CLIENT}
