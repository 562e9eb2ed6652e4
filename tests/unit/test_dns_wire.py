"""DNS messages octet by octet: what is refused, and that nothing costs much to refuse."""

import struct
import time

import dns.message
import dns.rrset
import pytest

from gatepost.wire import dns as wire
from gatepost.wire.dns import Record
from gatepost.wire.dns_name import MAX_JUMPS, DnsError, encode_name

HEADER = struct.pack(">6H", 7, 0x8180, 1, 1, 0, 0)
QUESTION = b"\7example\3org\0\0\1\0\1"
A_RECORD = b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1"


def test_a_plain_reply_is_read():
    reply = wire.decode(HEADER + QUESTION + A_RECORD)
    assert (
        wire.Reply(
            7,
            wire.NOERROR,
            False,
            ("example.org", wire.A),
            (wire.Record("example.org", wire.A, 300, "192.0.2.1"),),
        )
        == reply
    )


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "shorter than a header"),
        (HEADER[:11], "shorter than a header"),
        (b"\0\7\1\0" + HEADER[4:] + QUESTION + A_RECORD, "not a reply"),
        (b"\0\7\xa9\x80" + HEADER[4:] + QUESTION + A_RECORD, "not a reply"),
        (HEADER[:4] + b"\0\0\0\0\0\0\0\0", "not one question"),
        (HEADER[:4] + b"\0\2\0\0\0\0\0\0" + QUESTION * 2, "not one question"),
        (HEADER + QUESTION[:-2] + b"\0\3" + A_RECORD, "class is not IN"),
        (HEADER + QUESTION + A_RECORD + b"\0", "octets after the end"),
        (HEADER + QUESTION + A_RECORD[:-1], "cut short"),
        (HEADER + QUESTION + A_RECORD[:10] + b"\0\3\1\2\3", "length of an A record"),
        (HEADER + QUESTION + A_RECORD.replace(b"\0\1\0\1", b"\0\x1c\0\1"), "length of an AAAA record"),
        (HEADER + QUESTION + b"\xc0\x0c\0\x0c\0\1\0\0\0\1\0\5\xc0\x0c\0\0\0", "length of a type 12"),
        (HEADER + QUESTION + b"\xc0\x0c\0\x10\0\1\0\0\0\1\0\0", "without a string"),
        (HEADER + QUESTION + b"\xc0\x0c\0\x10\0\1\0\0\0\1\0\3\3ab", "string longer"),
        (HEADER + QUESTION + b"\xc0\xff" + A_RECORD[2:], "pointer forwards"),
        (HEADER + QUESTION + b"\xc0\x1d" + A_RECORD[2:], "pointer forwards"),
        (HEADER + QUESTION + b"\1a\xc0\x1d" + A_RECORD[2:], "pointer forwards"),
        (HEADER + QUESTION + b"\x40a" + A_RECORD[2:], "unknown kind of label"),
        (HEADER + b"\x3f" + b"a" * 63 + QUESTION, "class is not IN|cut short|over 255"),
        (HEADER + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", "name over 255"),
        (HEADER[:10] + b"\0\1" + QUESTION + A_RECORD + b"\x40" + b"a" * 80, "unknown kind of label"),
        (HEADER[:6] + b"\x03\xe9\0\0\0\0" + QUESTION, "too many records"),
    ],
)
def test_what_is_malformed_is_refused(message, why):
    with pytest.raises(DnsError, match=why):
        wire.decode(message)


def test_names_that_point_at_each_other_are_refused():
    loop = HEADER + QUESTION + b"\xc0\x0c\0\x0c\0\1\0\0\0\1\0\4\xc0\x2b\xc0\x29"
    with pytest.raises(DnsError):
        wire.decode(loop)


@pytest.mark.parametrize(("jumps", "refused"), [(MAX_JUMPS, False), (MAX_JUMPS + 1, True)])
def test_a_long_way_of_pointers_is_refused(jumps, refused):
    start = len(HEADER + QUESTION) + 12
    pointers = [start] + [start + 3 + 2 * step for step in range(jumps)]
    chain = b"\1a\0" + b"".join(struct.pack(">H", 0xC000 | pointer) for pointer in pointers[: jumps - 1])
    padding = b"\xc0\x0c\0\x63\0\1\0\0\0\1" + struct.pack(">H", len(chain)) + chain
    last = struct.pack(">H", 0xC000 | pointers[jumps - 1]) + b"\0\x05\0\1\0\0\0\1\0\1\0"
    answers = b"\1x" + last
    message = HEADER[:6] + b"\0\2\0\0\0\0" + QUESTION + padding + answers
    if refused:
        with pytest.raises(DnsError, match="too many"):
            wire.decode(message)
    else:
        assert wire.decode(message).answers == (Record("x.a", wire.CNAME, 1, "."),)


def test_the_dearest_message_does_not_take_long():
    """As many records as are let in, each with two names as long as a name can be, none remembered."""
    labels = b"".join(b"\1" + bytes([97 + number % 26]) for number in range(120))
    long_name = b"\xc0\x0c\0\x0c\0\1\0\0\0\1" + struct.pack(">H", len(labels) + 1) + labels + b"\0"
    pointer = struct.pack(">H", 0xC000 | (len(HEADER + QUESTION) + 12))
    record = b"\1x" + pointer + b"\0\x0c\0\1\0\0\0\1\0\4\1y" + pointer
    message = HEADER[:6] + b"\3\xe8\0\0\0\0" + QUESTION + long_name + record * 999
    begin = time.process_time()
    assert len(wire.decode(message).answers) == 1000
    assert time.process_time() - begin < 1


def test_a_truncated_reply_is_told_apart_and_left_without_records():
    reply = wire.decode(b"\0\7\x83\x80" + HEADER[4:] + QUESTION + A_RECORD[:5])
    assert (reply.truncated, reply.answers) == (True, ())


def test_an_error_need_not_repeat_the_question():
    assert wire.decode(b"\0\7\x81\x85" + b"\0" * 8) == wire.Reply(7, wire.REFUSED, False, None)


def test_the_upper_bits_of_edns_make_another_code():
    options = b"\0\0\x29\x04\xd0\1\0\0\0\0\0"
    reply = wire.decode(HEADER[:10] + b"\0\1" + QUESTION + A_RECORD + options)
    assert (reply.code, reply.answers) == (16, ())


def test_records_of_another_class_are_as_if_they_were_not_there():
    assert wire.decode(HEADER + QUESTION + A_RECORD.replace(b"\0\1\0\1", b"\0\1\0\3")).answers == ()


def test_a_ttl_with_its_top_bit_set_is_none():
    record = A_RECORD.replace(b"\0\0\1\x2c", b"\x80\0\1\x2c")
    assert wire.decode(HEADER + QUESTION + record).answers[0].ttl == 0


def test_text_that_could_damage_a_log_line_is_escaped():
    rrset = dns.rrset.from_text("example.org.", 60, "IN", "TXT", '"a\\010b\\027[1m" "\\195\\169 \\127"')
    message = dns.message.make_response(dns.message.make_query("example.org", "TXT"))
    message.answer = [rrset]
    assert wire.decode(message.to_wire()).answers[0].text == "a\\x0ab\\x1b[1m\\xc3\\xa9 \\x7f"


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (b"\4MaIl\0", "mail"),
        (b"\3a.b\1c\0", "a\\.b.c"),
        (b"\1\\\0", "\\\\"),
        (b"\5a b\nc\0", "a\\032b\\010c"),
        (b"\2\xc3\xbc\0", "\\195\\188"),
        (b"\0", "."),
    ],
)
def test_odd_octets_in_names_are_escaped(labels, text):
    data = HEADER[:6] + b"\0" * 6 + labels + b"\0\1\0\1"
    assert wire.decode(data).question == (text, wire.A)
    assert encode_name(text) == labels.lower()


@pytest.mark.parametrize(
    "name", ["", "..", ".a", "a..b", "a" * 64, ".".join("a" * 128), "b\xfc.example", "a\\999"]
)
def test_text_that_can_be_no_name_is_refused(name):
    with pytest.raises(DnsError):
        encode_name(name)


def test_a_name_may_have_255_octets():
    assert len(encode_name(".".join("a" * 127))) == 255


def test_a_dot_at_the_end_changes_nothing():
    assert encode_name("example.org.") == encode_name("example.org")


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("name", ["example.org", "EXAMPLE.org", ".", "a\\000b.example"])
def test_a_reply_must_have_the_id_and_the_question(name, edns):
    question = wire.encode_question(0x1234, name, wire.MX, edns=edns)
    end = question[:-11] if edns else question
    reply = b"\x12\x34\x81\x80" + end[4:10] + b"\0\0" + end[12:]
    assert wire.is_reply_to(question, reply)
    assert wire.is_reply_to(question, reply.upper())
    assert not wire.is_reply_to(question, b"\x12\x35" + reply[2:])
    assert not wire.is_reply_to(question, reply[:-3] + b"\x01" + reply[-2:])
    assert not wire.is_reply_to(question, reply[:-1])
    assert not wire.is_reply_to(question, b"")
