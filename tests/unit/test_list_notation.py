"""Postfix's notation for answers of lists: what it takes, and what is said about what is none."""

import pytest

from gatepost.dnslist.notation import NotationError, parse


@pytest.mark.parametrize(
    ("pattern", "takes", "leaves"),
    [
        ("127.0.0.2", ["127.0.0.2"], ["127.0.0.1", "127.0.0.3", "127.0.1.2", "126.0.0.2"]),
        ("127.0.0.[2..11]", ["127.0.0.2", "127.0.0.11"], ["127.0.0.1", "127.0.0.12", "127.255.255.254"]),
        ("127.0.0.[2;4;10..12]", ["127.0.0.4", "127.0.0.11"], ["127.0.0.3", "127.0.0.13"]),
        ("127.[0..255].[0..255].0", ["127.0.15.0", "127.255.255.0"], ["127.0.15.1"]),
        ("127.0.0.[2;14;13;12;11;10]", ["127.0.0.14", "127.0.0.10"], ["127.0.0.3"]),
        ("[127].0.1.[2..99]", ["127.0.1.99"], ["127.0.1.100", "127.0.1.255"]),
    ],
)
def test_a_pattern_takes_its_answers_and_no_others(pattern, takes, leaves):
    assert [True] * len(takes) == [parse(pattern).matches(a) for a in takes]
    assert [False] * len(leaves) == [parse(pattern).matches(a) for a in leaves]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a number is missing"),
        ("127.0.0", "has 3 octets instead of 4"),
        ("127.0.0.2.3", "has 5 octets instead of 4"),
        ("127.0.0.", "a number is missing"),
        ("127.0.0.256", "256 is more than 255"),
        ("127.0.0.[2..11", 'a "]" is missing'),
        ("127.0.0.2..11", "a number is missing"),
        ("127.0.0.[11..2]", "the range 11..2 runs backwards"),
        ("127.0.0.[]", "a number is missing"),
        ("127.0.0.[2;]", "a number is missing"),
        ("127.0.0.[2,4]", '"2,4" is no number'),
        ("127.0.0.[2]3", 'unexpected "3"'),
        ("127.0.0.٢", "is no number"),
        ("127.0.0.-1", '"-1" is no number'),
        ("127.0.0.2/24", '"2/24" is no number'),
        ("zen.spamhaus.org=127.0.0.2", "is no number"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(text, why):
    with pytest.raises(NotationError) as refusal:
        parse(text)
    assert why in str(refusal.value)


@pytest.mark.parametrize("address", ["", "127.0.0", "127.0.0.2.2", "127.0.0.999", "::1", "127.0.0.٢"])
def test_what_is_no_address_matches_nothing(address):
    assert not parse("[0..255].[0..255].[0..255].[0..255]").matches(address)
