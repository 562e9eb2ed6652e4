"""Whatever a list answers, it is judged without an error, and nothing counts that nobody defined."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.dns.base import Answer, Status
from gatepost.dnslist.definition import living
from gatepost.dnslist.lists import MAX_TEXT, clean, judge
from gatepost.dnslist.options import ListOptions
from gatepost.dnslist.resolve import resolve

KEY = "k3yk3yk3yk3yk3yk3yk3yk3y26"
OPTIONS = [(d.purpose, ListOptions(zone=d.zone, key_env="KEY" if d.key else "")) for d in living()]
LISTS = [resolve(purpose, [option], {"KEY": KEY}).lists[0] for purpose, option in OPTIONS]
OCTET = st.sampled_from([0, 1, 2, 3, 4, 5, 10, 11, 17, 20, 64, 127, 128, 252, 254, 255])
ADDRESS = st.tuples(OCTET, OCTET, OCTET, OCTET).map(lambda octets: ".".join(map(str, octets)))
LOOPBACK = st.tuples(OCTET, OCTET, OCTET).map(lambda octets: ".".join(map(str, (127, *octets))))


@given(st.sampled_from(LISTS), st.lists(LOOPBACK | ADDRESS | st.text(max_size=20), max_size=5))
@settings(max_examples=500, deadline=None)
def test_any_records_are_judged(which, records):
    judgement = judge(which, tuple(records))

    assert not (judgement.listings and judgement.error)
    assert {which.rule(listing) for listing in judgement.listings} <= which.codes().keys()
    if any(record.startswith("127.255.255.") or not record.startswith("127.") for record in records):
        assert judgement.error
        assert judgement.listings == ()
    for listing in judgement.listings:
        assert any(pattern.matches(listing.answer) for pattern in which.answers)


@given(st.sampled_from([w for w in LISTS if w.key]), st.text(max_size=300), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_text_is_made_one_short_line_without_the_key(which, text, loud):
    key = KEY.upper() if loud else KEY
    said = clean(which, Answer(Status.FOUND, (f"{text}{key}{text}",)))

    assert len(said) <= MAX_TEXT
    assert said.isascii()
    assert said == "" or said.isprintable()
    assert KEY not in said.lower()
