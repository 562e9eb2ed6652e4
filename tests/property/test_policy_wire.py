"""Any octets, cut anywhere, give the same requests or the one error; any verdict gives a legal reply."""

import string
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.model import Action, Stage
from gatepost.wire.policy import PREPEND_STAGES, Parser, ProtocolError, encode
from support.access5 import read
from support.verdicts import verdicts

NAMES = st.text(alphabet=string.ascii_lowercase + "_", min_size=1, max_size=20).filter(
    lambda n: n != "request"
)
VALUES = st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"").replace(b"\0", b""))
REQUESTS = st.dictionaries(NAMES, VALUES, max_size=8)
PIECES = st.sampled_from(
    [b"request=smtpd_access_policy\n", b"a=b\n", b"\n", b"\n\n", b"=", b"\r\n", b"\0", b"x" * 90]
)
STREAMS = st.one_of(
    st.binary(max_size=300), st.lists(st.one_of(PIECES, st.binary(max_size=5)), max_size=30).map(b"".join)
)


def octets_of(attributes):
    lines = [b"request=smtpd_access_policy", *(n.encode() + b"=" + v for n, v in attributes.items())]
    return b"\n".join(lines) + b"\n\n"


def run(pieces):
    """All requests, and whether an error ended them."""
    parser = Parser(max_line=80, max_request=400, max_attributes=10)
    found = []
    try:
        for piece in pieces:
            parser.feed(piece)
            found.extend(iter(parser.next, None))
    except ProtocolError:
        return found, True
    return found, False


def cut(octets, places):
    places = sorted({min(p, len(octets)) for p in places} | {0, len(octets)})
    return [octets[a:b] for a, b in pairwise(places)]


def is_control(character):
    return ord(character) < 32 or ord(character) == 127


@settings(max_examples=400, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 300)))
def test_the_cut_does_not_matter_for_any_octets(octets, places):
    whole, failed = run([octets])

    assert (whole, failed) == run(cut(octets, places))
    assert (whole, failed) == run([bytes([octet]) for octet in octets])


@settings(max_examples=200, deadline=None)
@given(st.lists(REQUESTS, max_size=5), st.lists(st.integers(0, 2000)))
def test_what_is_sent_arrives_however_it_is_cut(sent, places):
    stream = b"".join(octets_of(attributes) for attributes in sent)
    parser, found = Parser(), []
    for piece in cut(stream, places):
        parser.feed(piece)
        found.extend(iter(parser.next, None))

    assert len(sent) == len(found)
    for attributes, request in zip(sent, found, strict=True):
        assert attributes.keys() | {"request"} == request.attributes.keys()
        for name, value in attributes.items():
            text = value.decode("utf-8", "backslashreplace")
            expected = "".join(f"\\x{ord(c):02x}" if is_control(c) else c for c in text)
            assert expected == request.attributes[name]


@settings(max_examples=1000, deadline=None)
@given(verdicts(), st.sampled_from(Stage), st.integers(-10, 1000))
def test_every_verdict_has_a_legal_reply_of_its_class(verdict, stage, named):
    said = read(encode(verdict, stage, named))

    if verdict.observed:
        assert "pass" == said.what
    elif verdict.action is Action.PASS:
        assert said.what in ({"pass", "prepend"} if verdict.header and stage in PREPEND_STAGES else {"pass"})
    else:
        assert {Action.DEFER: "4", Action.REJECT: "5"}[verdict.action] == said.what
        if verdict.reference == "K7QX2M9A":
            assert said.text.endswith(" (ref K7QX2M9A)")
