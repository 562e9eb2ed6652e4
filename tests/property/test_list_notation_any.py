"""Postfix's notation for answers of lists, against a naive expansion, and against any text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.dnslist.notation import NotationError, parse

RANGE = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(lambda pair: tuple(sorted(pair)))
ITEM = st.integers(0, 255) | RANGE
OCTETS = st.lists(st.lists(ITEM, min_size=1, max_size=3), min_size=4, max_size=4)


def write(items):
    texts = [str(i) if isinstance(i, int) else f"{i[0]}..{i[1]}" for i in items]
    return texts[0] if len(items) == 1 and isinstance(items[0], int) else f"[{';'.join(texts)}]"


def expand(items):
    return {n for i in items for n in ([i] if isinstance(i, int) else range(i[0], i[1] + 1))}


@given(OCTETS, st.data())
@settings(max_examples=200, deadline=None)
def test_a_pattern_is_the_product_of_its_octets(octets, data):
    pattern = parse(".".join(write(items) for items in octets))
    numbers = (st.integers(0, 255) | st.sampled_from(sorted(expand(items))) for items in octets)
    address = data.draw(st.tuples(*numbers))

    expected = all(number in expand(items) for number, items in zip(address, octets, strict=True))
    assert expected == pattern.matches(".".join(map(str, address)))


@given(st.text(alphabet="0123456789.[];x ", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_pattern_or_refused(text):
    try:
        pattern = parse(text)
    except NotationError:
        return
    smallest = ".".join(str(min(octet)) for octet in pattern.octets)
    assert pattern.matches(smallest)
    assert pattern == parse(str(pattern))
