"""The DNS codec, fed with anything at all.

Whatever octets come, `decode` gives a Reply or DnsError; names go out and
come back the same; dnspython, which knows the protocol, agrees on what we
write and what we read.
"""

import contextlib

import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatepost.dns.base import Answer, Kind
from gatepost.dns.record import Onward, answer_of
from gatepost.wire import dns as wire
from gatepost.wire.dns_name import DnsError, encode_name

LABELS = st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=8).filter(
    lambda labels: sum(map(len, labels)) + len(labels) + 1 <= 255
)
RECORDS = st.lists(
    st.sampled_from(
        [
            "example.org. 300 IN A 192.0.2.1",
            "example.org. 0 IN AAAA 2001:db8::1",
            "example.org. 3600 IN MX 10 mail.example.org.",
            "example.org. 3600 IN MX 0 .",
            "example.org. 60 IN CNAME www.example.org.",
            "www.example.org. 60 IN CNAME example.org.",
            'www.example.org. 60 IN TXT "v=spf1" " -all \\200"',
            "1.2.0.192.in-addr.arpa. 60 IN PTR mail.example.org.",
            "example.org. 60 IN SRV 1 2 3 host.example.org.",
        ]
    ),
    max_size=6,
)
SOA = "example.org. 900 IN SOA ns.example.org. root.example.org. 1 2 3 4 300"


def name_on_the_wire(labels: list[bytes]) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def reply_with(records: list[str], rcode: int = 0) -> bytes:
    query = dns.message.make_query("example.org", "MX", id=77, use_edns=0, payload=1232)
    message = dns.message.make_response(query)
    message.set_rcode(rcode)
    message.answer = [dns.rrset.from_text(*_split(record)) for record in records]
    message.authority = [dns.rrset.from_text(*_split(SOA))]
    return message.to_wire()


def _split(record: str) -> tuple:
    owner, ttl, group, kind, data = record.split(None, 4)
    return owner, int(ttl), group, kind, data


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_any_octets_give_a_reply_or_the_promised_error(data):
    with contextlib.suppress(DnsError):
        wire.decode(data)


@given(
    RECORDS,
    st.lists(st.tuples(st.integers(0, 511), st.integers(0, 255)), max_size=4),
    st.integers(0, 512),
    st.sampled_from(list(Kind)),
)
@settings(deadline=None, max_examples=300)
def test_a_damaged_reply_gives_an_answer_or_the_promised_error(records, damage, cut, kind):
    data = bytearray(reply_with(records))
    for place, octet in damage:
        data[place % len(data)] = octet
    with contextlib.suppress(DnsError):
        assert isinstance(answer_of(wire.decode(bytes(data[: max(cut, 12)])), kind), Answer | Onward)


@given(LABELS)
@settings(deadline=None)
@example([b"a.b", b"\\", b"\\046", b'"', b"\0\xff"])
def test_any_name_is_read_written_and_read_the_same(labels):
    on_the_wire = name_on_the_wire(labels)
    query = dns.message.Message(id=1)
    query.flags = 0x8000
    data = query.to_wire()[:4] + b"\0\1\0\0\0\0\0\0" + on_the_wire + b"\0\1\0\1"
    question = wire.decode(data).question
    assert question is not None
    assert on_the_wire.lower() == encode_name(question[0])
    assert question[0].isascii()
    assert question[0].isprintable()


@given(st.text(max_size=300))
@settings(deadline=None)
@example("." * 300)
@example("\\")
@example("\\999.example")
def test_any_text_is_a_name_or_the_promised_error(text):
    with contextlib.suppress(DnsError):
        assert len(encode_name(text)) <= 255


@given(LABELS, st.sampled_from(list(Kind)), st.integers(0, 65535), st.booleans())
@settings(deadline=None)
def test_dnspython_reads_our_questions(labels, kind, number, edns):
    name = dns.name.Name([*labels, b""])
    question = wire.encode_question(number, wire.decode(_echo(labels)).question[0], kind, edns=edns)
    message = dns.message.from_wire(question)
    assert (number, name) == (message.id, message.question[0].name)
    assert message.question[0].rdtype == dns.rdatatype.RdataType.make(kind.value)
    assert message.payload == (1232 if edns else 0)


def _echo(labels: list[bytes]) -> bytes:
    return b"\0\0\x80\0\0\1\0\0\0\0\0\0" + name_on_the_wire(labels) + b"\0\1\0\1"


@given(RECORDS)
@settings(deadline=None)
def test_we_read_what_dnspython_writes(records):
    reply = wire.decode(reply_with(records))
    ours = sum(1 for record in records if " SRV " not in record)
    assert ours == len(reply.answers)
    assert [(record.owner, record.kind, record.ttl) for record in reply.authority] == [
        ("example.org", wire.SOA, 900)
    ]
    assert reply.authority[0].text == "ns.example.org root.example.org 1 2 3 4 300"


@given(RECORDS, st.integers(0, 400))
@settings(deadline=None)
def test_a_reply_cut_anywhere_is_an_error(records, cut):
    data = reply_with(records)
    if cut < len(data):
        with pytest.raises(DnsError):
            wire.decode(data[:cut])
