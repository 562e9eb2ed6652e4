"""Offences in a sliding window, and how narrow or wide the ban is."""

import pytest

from gatepost.ban.offence import Offence
from gatepost.ban.track import IPV4_WIDER, IPV6, Track


def offend(track, address="192.0.2.7", at=0.0, weight=1.0, rule="auth.failed"):
    return track.offend(Offence(1_000_000.0 + at, address, rule, weight, f"line at {at}"))


def networks(track, *offences):
    return [sentence.network for address, at in offences for sentence in offend(track, address, at)]


def test_five_within_the_time_are_enough_and_four_are_not():
    track = Track(600, 5)

    assert [] == networks(track, *(("192.0.2.7", n) for n in range(4)))
    (sentence,) = offend(track, at=599)
    assert ("192.0.2.7", 5, 5.0) == (sentence.network, sentence.offences, sentence.points)
    assert (("auth.failed", 5),) == sentence.rules
    assert not sentence.wide


def test_the_window_slides():
    track = Track(600, 5)

    assert [] == networks(track, *(("192.0.2.7", n * 151) for n in range(100)))


def test_after_a_sentence_counting_begins_anew():
    track = Track(600, 2)

    assert 2 == len(networks(track, *(("192.0.2.7", n) for n in range(5))))


@pytest.mark.parametrize(("weight", "needed"), [(0.2, 25), (0.5, 10), (1, 5), (2, 3), (10, 1)])
def test_weights_add_up(weight, needed):
    track = Track(600, 5)

    found = [bool(offend(track, at=n, weight=weight)) for n in range(needed)]

    assert [False] * (needed - 1) + [True] == found


def test_what_weighs_nothing_is_not_even_remembered():
    track = Track(600, 5)

    assert [] == offend(track, weight=0)
    assert 0 == len(track)


def test_an_ipv6_client_is_its_64():
    track = Track(600, 3, ipv6=IPV6)

    assert ["2001:db8:0:1::/64"] == networks(track, *((f"2001:db8:0:1::{n}", n) for n in range(3)))


def test_a_spammer_who_hops_within_a_48_is_met_by_its_neighbours():
    track = Track(600, 5)
    hops = [(f"2001:db8:7:{n * 256:x}::1", n) for n in range(40)]

    found = networks(track, *hops)

    assert ["2001:db8:7::/48"] == found[:1]


def test_a_spammer_who_hops_within_a_56_is_met_first_there():
    track = Track(600, 5)

    assert ["2001:db8:7::/56"] == networks(track, *((f"2001:db8:7:{n:x}::1", n) for n in range(10)))


def test_a_burst_of_one_64_does_not_push_its_neighbours_out():
    track = Track(600, 5)
    burst = [(f"2001:db8:7:{n:x}::1", n) for n in range(8) for _ in range(12)]

    assert "2001:db8:7::/56" in networks(track, *burst)


def test_one_64_alone_never_condemns_its_neighbours():
    track = Track(600, 5)

    found = networks(track, *((f"2001:db8:7:1::{n:x}", n) for n in range(500)))

    assert {"2001:db8:7:1::/64"} == set(found)


def test_ipv4_neighbours_count_only_when_that_is_wanted():
    many = [(f"192.0.2.{n}", n) for n in range(1, 60)]

    assert [] == networks(Track(600, 5), *many)
    assert ["192.0.2.0/24", "192.0.2.0/24"] == networks(Track(600, 5, ipv4=IPV4_WIDER), *many)


def test_who_logs_in_is_forgiven():
    track = Track(600, 5)
    networks(track, *(("192.0.2.7", n) for n in range(4)))

    track.forgive("192.0.2.7")

    assert [] == offend(track, at=5)
    assert 1.0 == track.points("192.0.2.7")[0]


def test_points_are_told():
    track = Track(600, 5)
    offend(track)
    offend(track, at=1, weight=0.5, rule="recipient.unknown")

    points, rules, evidence = track.points("192.0.2.7")

    assert (1.5, {"auth.failed": 1, "recipient.unknown": 1}) == (points, dict(rules))
    assert ("line at 0.0", "line at 1") == evidence
    assert (0.0, (), ()) == track.points("192.0.2.8")
    assert (0.0, (), ()) == track.points("no address")


def test_evidence_is_the_first_and_the_latest():
    track = Track(600, 50)

    for n in range(40):
        offend(track, at=n)

    assert ("line at 0", "line at 38", "line at 39") == track.points("192.0.2.7")[2]


def test_what_is_remembered_is_bounded():
    track = Track(600, 5, most=1000)

    for n in range(50_000):
        offend(track, f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", at=n / 1000)

    assert len(track) <= 1000


def test_what_is_over_is_forgotten():
    track = Track(600, 5)
    offend(track)
    offend(track, "192.0.2.8", at=500)

    track.forget(1_000_000.0 + 100)

    assert 1 == len(track)


def test_no_address_is_no_offender():
    assert [] == offend(Track(600, 1), "nobody.example")


def test_a_network_is_forgiven_as_a_whole():
    track = Track(600, 5)
    networks(track, *((f"2001:db8:0:1::{n}", n) for n in range(4)))

    track.forgive("2001:db8:0:1::/64")

    assert 0.0 == track.points("2001:db8:0:1::1")[0]


def test_one_that_weighs_enough_is_enough():
    assert 1 == len(offend(Track(600, 5), weight=5.0))


def test_what_was_met_once_is_told_like_the_rest():
    track = Track(600, 5)
    offend(track, "2001:db8:0:1::7", weight=0.5)

    assert (0.5, (("auth.failed", 1),), ("line at 0.0",)) == track.points("2001:db8:0:1::7")
    assert 3 == len(track)
