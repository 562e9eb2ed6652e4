"""Entries of the journal as lines: what anybody may write never gets into the head, and one stays a line."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.ban.entry import line, parse

GOOD = {
    "__CURSOR": "s=1;i=2",
    "__REALTIME_TIMESTAMP": "1795856303300985",
    "MESSAGE": "connect from unknown[192.0.2.1]",
    "SYSLOG_IDENTIFIER": "postfix/smtpd",
    "_UID": "102",
    "_PID": "123",
    "_HOSTNAME": "mx",
}
LINE = b"2026-11-28T08:58:23.300985+00:00 mx postfix/smtpd[123]: connect from unknown[192.0.2.1]"
USERS = frozenset({"0", "102"})


def made(users=USERS, **fields):
    """The line of an entry; a field that is ... is left out."""
    wanted = {name: value for name, value in {**GOOD, **fields}.items() if value is not ...}
    entry = parse(json.dumps(wanted).encode())
    assert entry is not None
    return line(entry, users)


def test_an_entry_becomes_the_line_that_syslog_would_have_written():
    assert made() == LINE


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("one\ntwo", b"one#012two"),
        ("ends with a newline\n\n", b"ends with a newline"),
        ("tab\t, escape \x1b, NUL \0, delete \x7f", b"tab#011, escape #033, NUL #000, delete #177"),
        ([97, 10, 255, 98], b"a#012\xffb"),
        ("gr\u00fc\u00dfe \u2028 \x85", "gr\u00fc\u00dfe \u2028 \x85".encode()),
        ("", b""),
    ],
)
def test_a_message_of_any_octets_is_one_line(message, text):
    assert made(MESSAGE=message) == LINE.replace(b"connect from unknown[192.0.2.1]", text)


@pytest.mark.parametrize(
    "fields",
    [
        {"_UID": "1000"},
        {"_UID": "33"},
        {"_UID": ["0", "1000"]},
        {"_UID": ...},
        {"_UID": "00"},
        {"SYSLOG_IDENTIFIER": ...},
        {"SYSLOG_IDENTIFIER": ""},
        {"SYSLOG_IDENTIFIER": "postfix/smtpd[1]: x"},
        {"SYSLOG_IDENTIFIER": "postfix smtpd"},
        {"SYSLOG_IDENTIFIER": "a:"},
        {"SYSLOG_IDENTIFIER": "a\nb"},
        {"SYSLOG_IDENTIFIER": "\u00fc"},
        {"SYSLOG_IDENTIFIER": "x" * 65},
        {"SYSLOG_IDENTIFIER": ["postfix/smtpd", "sshd"]},
        {"MESSAGE": None},
        {"MESSAGE": ...},
        {"MESSAGE": ["one", "two"]},
        {"MESSAGE": [256]},
        {"MESSAGE": [[97], [98]]},
        {"MESSAGE": 7},
        {"__REALTIME_TIMESTAMP": "now"},
        {"__REALTIME_TIMESTAMP": "9" * 19},
        {"__REALTIME_TIMESTAMP": "-5"},
        {"__REALTIME_TIMESTAMP": "\u0661"},
    ],
)
def test_what_no_mail_server_said_is_no_line(fields):
    assert made(**fields) is None


def test_everybody_is_believed_where_that_was_said():
    assert made(users=frozenset(), _UID="1000") == LINE


@pytest.mark.parametrize(
    ("fields", "head"),
    [
        ({"_PID": ...}, b"mx postfix/smtpd: "),
        ({"_PID": "1]: x"}, b"mx postfix/smtpd: "),
        ({"_HOSTNAME": ...}, b"localhost postfix/smtpd[123]: "),
        ({"_HOSTNAME": "a b"}, b"localhost postfix/smtpd[123]: "),
    ],
)
def test_a_head_is_made_without_what_is_missing_or_odd(fields, head):
    assert made(**fields) == LINE.replace(b"mx postfix/smtpd[123]: ", head)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"-- No entries --", b'{"__CURSOR":"a"}', b'{"__CURSOR":1}', b"\xff"]
)
def test_what_is_no_entry_is_none(data):
    assert parse(data) is None


ANY = st.one_of(
    st.none(),
    st.text(max_size=20),
    st.integers(),
    st.lists(st.one_of(st.integers(0, 300), st.text(max_size=5)), max_size=5),
)
HEAD = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 [^\s:\[\]]+ [^\s:\[\]]+(\[\d+\])?: [^\x00-\x1f\x7f]*"
)


@given(st.fixed_dictionaries({name: st.one_of(st.just(value), ANY) for name, value in GOOD.items()}))
def test_any_entry_is_a_line_of_one_form_or_none(fields):
    entry = parse(json.dumps(fields).encode("utf-8", "surrogatepass"))
    text = None if entry is None else line(entry, USERS)
    assert text is None or HEAD.fullmatch(text)
