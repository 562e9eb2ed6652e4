"""An address is in the intervals just while some ban covers it."""

import itertools
from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from gatepost.ban.intervals import disjoint

BASE = {
    4: int(IPv4Network("192.0.2.0/24").network_address),
    6: int(IPv6Network("2001:db8::").network_address),
}
BITS = 4
"""Networks lie within sixteen addresses, so that they meet."""


@st.composite
def networks(draw):
    version = draw(st.sampled_from((4, 6)))
    kind, most = (IPv4Network, 32) if version == 4 else (IPv6Network, 128)
    prefix = draw(st.integers(most - BITS, most))
    number = draw(st.integers(0, (1 << BITS) - 1)) >> (most - prefix) << (most - prefix)
    return kind((BASE[version] + number, prefix))


BANS = st.lists(st.tuples(networks(), st.none() | st.integers(0, 9).map(float)), max_size=12)


def wanted(bans, version, address, time):
    return any(
        network.version == version
        and int(network.network_address) <= address <= int(network.broadcast_address)
        and (until is None or until > time)
        for network, until in bans
    )


def held(intervals, version, address, time):
    return any(
        one.version == version
        and one.first <= address <= one.last
        and (one.until is None or one.until > time)
        for one in intervals
    )


@given(BANS, st.integers(0, 10))
def test_an_address_is_shut_out_just_while_some_ban_covers_it(bans, now):
    intervals = disjoint(bans, now)

    for version, base in BASE.items():
        for address in range(base - 1, base + (1 << BITS) + 1):
            for time in range(now, 11):
                assert wanted(bans, version, address, time) == held(intervals, version, address, time)


@given(BANS, st.integers(0, 10))
def test_they_are_in_order_and_do_not_overlap(bans, now):
    intervals = disjoint(bans, now)

    assert all(one.first <= one.last for one in intervals)
    assert all(
        (before.version, before.last) < (after.version, after.first)
        for before, after in itertools.pairwise(intervals)
    )


@given(BANS, st.integers(0, 10))
def test_neighbours_of_one_ban_with_one_end_are_one(bans, now):
    intervals = disjoint(bans, now)

    assert [] == [
        (before, after)
        for before, after in itertools.pairwise(intervals)
        if (before.network, before.last + 1) == (after.network, after.first)
    ]


@given(BANS, st.integers(0, 10), st.randoms())
def test_the_order_of_bans_does_not_matter(bans, now, chance):
    before = disjoint(bans, now)
    chance.shuffle(bans)

    assert before == disjoint(bans, now)


@given(BANS, st.integers(0, 10))
def test_each_lies_in_a_ban_that_lasts_as_long(bans, now):
    for one in disjoint(bans, now):
        assert (one.network, one.until) in bans
        assert int(one.network.network_address) <= one.first <= one.last <= int(one.network.broadcast_address)
