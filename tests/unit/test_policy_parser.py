"""The policy parser takes what every Postfix sends, makes octets harmless, and refuses the rest."""

from pathlib import Path

import pytest

from gatepost.model import Stage
from gatepost.wire.policy import Parser, ProtocolError

CASES = Path(__file__).parent.parent / "cases" / "policy"
SMALL = b"request=smtpd_access_policy\nprotocol_state=RCPT\nsender=alice@sender.example\n\n"


def parse(octets, **limits):
    parser = Parser(**limits)
    parser.feed(octets)
    return list(iter(parser.next, None))


def one(octets, **limits):
    requests = parse(octets, **limits)
    assert 1 == len(requests)
    return requests[0]


def with_line(line):
    return b"request=smtpd_access_policy\n" + line + b"\n\n"


@pytest.mark.parametrize("case", sorted(CASES.glob("postfix-*.txt")), ids=lambda p: p.stem)
def test_every_attribute_of_every_postfix_is_kept(case):
    octets = case.read_bytes()
    sent = dict(line.split("=", 1) for line in octets.decode().splitlines() if line)

    request = one(octets)

    assert sent == request.attributes
    assert Stage.RCPT == request.stage
    assert "192.0.2.7" == request.client_address
    assert "mail.sender.example" == request.helo_name == request.client_name
    assert ("alice@sender.example", "user1@example.org") == (request.sender, request.recipient)
    assert sent["instance"] == request.instance


def test_all_that_a_request_has_a_field_for_is_there():
    attributes = {
        "request": "smtpd_access_policy",
        "protocol_state": "END-OF-MESSAGE",
        "recipient_count": "3",
        "size": "12345",
        "sasl_method": "PLAIN",
        "sasl_username": "bob",
        "sasl_sender": "b@example.org",
        "encryption_protocol": "TLSv1.3",
        "policy_context": "learn",
        "queue_id": "8045F2AB23",
        "server_address": "2001:db8::25",
        "server_port": "25",
        "client_port": "1234",
        "protocol_name": "ESMTP",
        "reverse_client_name": "unknown",
        "tls_sni": "mx.example.net",
    }
    request = one("".join(f"{k}={v}\n" for k, v in attributes.items()).encode() + b"\n")

    assert Stage.END_OF_MESSAGE == request.stage
    assert (3, 12345) == (request.recipient_count, request.size)
    for name in attributes.keys() - {"request", "protocol_state", "recipient_count", "size", "tls_sni"}:
        assert attributes[name] == getattr(request, name)
    assert attributes == request.attributes


@pytest.mark.parametrize(
    "stage", ["CONNECT", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN"]
)
def test_every_protocol_state_is_a_stage(stage):
    assert stage == one(with_line(b"protocol_state=" + stage.encode())).stage


@pytest.mark.parametrize(
    "line", [b"protocol_state=BDAT", b"protocol_state=", b"protocol_state=rcpt", b"other=1"]
)
def test_a_state_that_is_unknown_or_missing_is_no_stage_we_check(line):
    assert Stage.OTHER == one(with_line(line)).stage


def test_order_does_not_matter():
    lines = SMALL.split(b"\n")[:-2]

    assert one(SMALL) == one(b"\n".join(reversed(lines)) + b"\n\n")


def test_order_does_not_matter_either_way_of_reading():
    octets = (CASES / "postfix-3.7.11.txt").read_bytes()
    turned = b"\n".join(reversed(octets.split(b"\n")[:-2])) + b"\n\n"

    assert one(octets) == one(turned)


def test_a_value_may_hold_equal_signs():
    assert "prvs=1234=alice@sender.example" == one(with_line(b"sender=prvs=1234=alice@sender.example")).sender


def test_missing_attributes_are_empty():
    request = one(b"request=smtpd_access_policy\n\n")

    assert ("", "", 0, 0) == (request.sender, request.client_address, request.size, request.recipient_count)


@pytest.mark.parametrize("case", sorted(CASES.glob("postfix-*.txt")), ids=lambda p: p.stem)
@pytest.mark.parametrize("emptied", [False, True], ids=["missing", "empty"])
def test_any_attribute_may_be_missing_or_empty(case, emptied):
    lines = case.read_text().splitlines()[:-1]
    whole = dict(line.split("=", 1) for line in lines)

    for name in whole:
        kept = [f"{n}={'' if n == name else v}" for n, v in whole.items() if emptied or n != name]
        request = one("\n".join([*kept, "", ""]).encode())

        assert "" == request.attributes.get(name, "")
        assert {n: v for n, v in whole.items() if n != name}.items() <= request.attributes.items()


@pytest.mark.parametrize("line", [b"protocol_state=RCPT", b"client_address=192.0.2.7"])
def test_a_question_without_its_kind_is_one_when_it_tells_of_a_client(line):
    with_kind = one(b"request=smtpd_access_policy\n" + line + b"\n\n")

    for octets in (line + b"\n\n", b"request=\n" + line + b"\n\n"):
        request = one(octets)
        assert (with_kind.stage, with_kind.client_address) == (request.stage, request.client_address)


@pytest.mark.parametrize("text", [b"", b"-1", b"many", b"1e3", b"9" * 5000, "²".encode(), "\u0661".encode()])
def test_a_size_that_is_no_number_counts_as_none_and_is_kept(text):
    request = one(with_line(b"size=" + text))

    assert 0 == request.size
    assert text.decode() == request.attributes["size"]


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\xff@x", r"\xff@x"),
        (b"a\xc3\xa9@x", "a\u00e9@x"),
        (b'"a\tb\x01\x7f\x1b[31m"@x', r'"a\x09b\x01\x7f\x1b[31m"@x'),
        (b"a@x\r", r"a@x\x0d"),
        (b"\xed\xa0\x80@x", r"\xed\xa0\x80@x"),
        (b"\xff\t", r"\xff\x09"),
    ],
)
def test_what_a_stranger_can_write_is_never_an_error(octets, text):
    assert text == one(with_line(b"sender=" + octets)).sender


def test_several_requests_in_one_packet_come_out_in_order():
    packet = b"".join(with_line(b"instance=%d" % n) for n in range(50))

    assert [str(n) for n in range(50)] == [r.instance for r in parse(packet)]


def test_requests_before_an_error_are_given_out_first():
    parser = Parser()
    parser.feed(SMALL + SMALL + b"GET / HTTP/1.1\n\n")

    assert parser.next() == parser.next() == one(SMALL)
    with pytest.raises(ProtocolError):
        parser.next()


def test_after_an_error_the_parser_is_dead():
    parser = Parser()
    parser.feed(b"\n")
    with pytest.raises(ProtocolError):
        parser.next()

    parser.feed(SMALL)

    assert parser.next() is None
    assert 0 == parser.pending


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"\n", "an empty request"),
        (b"\n\n", "an empty request"),
        (SMALL + b"\n", "an empty request"),
        (b"GET / HTTP/1.1\r\n", "a line without ="),
        (b"request=smtpd_access_policy\nnonsense\n\n", "a line without ="),
        (b"request=smtpd_access_policy\n=value\n\n", "without the name"),
        (b"request=smtpd_access_policy\nse\tnder=value\n\n", "without the name"),
        (b"request=smtpd_access_policy\nsender=a\0b\n\n", "NUL"),
        (b"request=smtpd_access_policy\r\nsender=a\r\n\r\n", "a line without ="),
        (b"request=junk\n\n", "not smtpd_access_policy"),
        (b"request=junk\nprotocol_state=RCPT\n\n", "not smtpd_access_policy"),
        (b"request=\n\n", "not smtpd_access_policy"),
        (b"request=smtpd_access_policy\r\n\n", "not smtpd_access_policy"),
        (b"sender=a@x\n\n", "not smtpd_access_policy"),
        (b"request=smtpd_access_policy\nsender=a@x\nsender=b@x\n\n", "there twice"),
    ],
)
def test_nonsense_is_refused_as_soon_as_it_shows(octets, why):
    with pytest.raises(ProtocolError, match=why):
        parse(octets)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"], ids=["unfinished", "line", "request"])
def test_a_line_has_a_limit(end):
    start = b"request=smtpd_access_policy\nsender="

    assert parse(start + b"a" * 93 + end, max_line=100) or end != b"\n\n"
    with pytest.raises(ProtocolError, match="a line of more than 100 octets"):
        parse(start + b"a" * 94 + end, max_line=100)


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"], ids=["unfinished", "line", "request"])
def test_a_request_has_a_limit(end):
    lines = b"".join(b"name%d=value\n" % n for n in range(100))

    with pytest.raises(ProtocolError, match="1000 octets"):
        parse(b"request=smtpd_access_policy\n" + lines + end, max_request=1000, max_line=100)


def test_attributes_have_a_limit():
    start, more = b"request=smtpd_access_policy\n", b"".join(b"name%d=\n" % n for n in range(99))

    assert 100 == len(one(start + more + b"\n").attributes)
    with pytest.raises(ProtocolError, match="more than 100 attributes"):
        parse(start + more + b"name=\n\n")


def test_a_megabyte_of_attribute_is_refused_and_let_go():
    parser, most = Parser(), 0

    def feed():
        nonlocal most
        for _ in range(1024):
            parser.feed(b"a" * 1024)
            parser.next()
            most = max(most, parser.pending)

    with pytest.raises(ProtocolError):
        feed()
    assert Parser.MAX_LINE == most
    assert 0 == parser.pending


def test_a_request_of_one_octet_at_a_time_is_looked_at_once():
    parser = Parser()
    for octet in (CASES / "postfix-3.7.11.txt").read_bytes()[:-1]:
        parser.feed(bytes([octet]))
        assert parser.next() is None
    parser.feed(b"\n")

    assert "user1@example.org" == parser.next().recipient
