"""Every verdict has a reply that Postfix takes as it is meant."""

import pytest

from gatepost.model import Action, Request, Stage, Verdict
from gatepost.wire.policy import encode, longest_name, reply
from support.access5 import read


def refuse(**fields):
    return Verdict(**{"action": Action.REJECT, "code": 550, "enhanced": "5.7.1", "text": "No", **fields})


def defer(**fields):
    return Verdict(**{"action": Action.DEFER, "code": 450, "enhanced": "4.7.1", "text": "Later", **fields})


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (Verdict(action=Action.PASS), "DUNNO"),
        (refuse(), "550 5.7.1 No"),
        (refuse(reference="K7QX2M9A"), "550 5.7.1 No (ref K7QX2M9A)"),
        (refuse(text="No (ref K7QX2M9A)", reference="K7QX2M9A"), "550 5.7.1 No (ref K7QX2M9A)"),
        (refuse(code=554, enhanced="5.7.25"), "554 5.7.25 No"),
        (refuse(observed=True), "DUNNO"),
        (defer(), "450 4.7.1 Later"),
        (defer(code=451, enhanced="4.4.3"), "451 4.4.3 Later"),
        (defer(if_permit=True), "DEFER_IF_PERMIT 4.7.1 Later"),
        (defer(observed=True, if_permit=True), "DUNNO"),
        (Verdict(action=Action.PASS, header="X-Greylist: delayed"), "PREPEND X-Greylist: delayed"),
        (Verdict(action=Action.PASS, header="X-Greylist: delayed", observed=True), "DUNNO"),
        (refuse(header="X-Greylist: delayed"), "550 5.7.1 No"),
    ],
)
def test_what_is_meant_is_said(verdict, line):
    assert line == reply(verdict)
    assert f"action={line}\n\n".encode() == encode(verdict)


@pytest.mark.parametrize("code", [0, -1, 200, 250, 421, 450, 521, 560, 599, 600, 10**30])
def test_a_refusal_with_a_code_that_is_none_is_still_a_refusal(code):
    assert "550 5.7.1 No" == reply(refuse(code=code))


@pytest.mark.parametrize("code", [0, -1, 200, 250, 421, 460, 499, 521, 550, 10**30])
def test_a_deferral_with_a_code_that_is_none_is_still_a_deferral(code):
    assert "450 4.7.1 Later" == reply(defer(code=code))


@pytest.mark.parametrize(
    ("enhanced", "said"),
    [
        ("4.7.25", "5.7.25"),
        ("7.25", "5.7.25"),
        ("", "5.7.1"),
        ("5.7.1234", "5.7.1"),
        ("5.07.1", "5.7.1"),
        ("5.7.1\n", "5.7.1"),
    ],
)
def test_the_enhanced_code_is_of_the_class_of_the_code(enhanced, said):
    assert f"550 {said} No" == reply(refuse(enhanced=enhanced))


@pytest.mark.parametrize("text", ["", " ", "\n", "\0\r\n\t", "\u0301"])
def test_a_text_is_never_empty(text):
    assert "550 5.7.1 Refused by the policy of this site" == reply(refuse(text=text))
    assert "450 4.7.1 Please try again later" == reply(defer(text=text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Grüße aus Köln", "Grue aus Koln".replace("Grue", "Gru?e")),
        ("one\r\n\r\ntwo", "one two"),
        ("日本", "??"),
        ("\ud800", "?"),
        ("  many   spaces ", "many spaces"),
        ("$client_name 100%s", "$client_name 100%s"),
    ],
)
def test_a_text_is_one_line_of_ascii(text, said):
    assert f"550 5.7.1 {said}" == reply(refuse(text=text))


def test_a_long_text_ends_between_words_and_keeps_its_reference():
    line = reply(refuse(text="word " * 1000, reference="K7QX2M9A"))

    assert line.endswith(" word... (ref K7QX2M9A)")
    assert 380 < len("action=" + line) <= 400


def test_a_long_word_is_cut():
    assert 400 == len("action=" + reply(refuse(text="a" * 10_000, reference="K7QX2M9A")))


@pytest.mark.parametrize("named", [0, 60, 200, 320, 10_000, -5])
def test_beside_a_long_name_the_text_makes_room(named):
    line = reply(refuse(text="word " * 1000, reference="K7QX2M9A"), named=named)
    told = (
        f"550 5.7.1 <{'n' * min(named, 320)}>: Recipient address rejected: {line.removeprefix('550 5.7.1 ')}"
    )

    assert line.endswith(" (ref K7QX2M9A)")
    assert len(told) <= 510


def test_the_longest_name_is_counted_in_octets():
    request = Request(recipient="é" * 20, sender="a" * 30, client_name="b" * 10, client_address="192.0.2.7")

    assert 40 == longest_name(request)
    assert 21 == longest_name(Request(client_name="b" * 10, client_address="192.0.2.7"))


@pytest.mark.parametrize("stage", [s for s in Stage if s not in {Stage.MAIL, Stage.RCPT, Stage.DATA}])
def test_a_header_is_not_prepended_where_postfix_would_not(stage):
    assert b"action=DUNNO\n\n" == encode(Verdict(action=Action.PASS, header="X-Greylist: delayed"), stage)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("X-A: b\r\nX-B: c", "PREPEND X-A: b X-B: c"),
        ("X-A:\n\tb", "PREPEND X-A: b"),
        ("X-A: é", "PREPEND X-A: e"),
        ("X-A:", "DUNNO"),
        ("X A: b", "DUNNO"),
        ("X-Ä: b", "DUNNO"),
        (": b", "DUNNO"),
        ("\nX-A: b", "DUNNO"),
        ("X-A: " + "b" * 500, "DUNNO"),
        ("X-A: \0", "DUNNO"),
    ],
)
def test_a_header_is_one_legal_line_or_left_out(header, line):
    assert line == reply(Verdict(action=Action.PASS, header=header))


@pytest.mark.parametrize("reference", ["K7QX\n2M9A", "K7QX 2M9A", "K7QX)2M9A("])
def test_a_reference_is_letters_and_digits(reference):
    assert "550 5.7.1 No (ref K7QX2M9A)" == reply(refuse(reference=reference))


@pytest.mark.parametrize(
    "octets",
    [
        b"action=550\n\n",
        b"action=OK\n\n",
        b"action=250 hi\n\n",
        b"action=550 4.7.1 No\n\n",
        b"action=521 5.7.1 No\n\n",
        b"action=DUNNO\n",
        b"action=PREPEND nothing\n\n",
    ],
)
def test_the_strict_reader_refuses_what_postfix_would_misread(octets):
    with pytest.raises(ValueError, match=r"."):
        read(octets)
