"""The resolver is ill when nothing answers or everything resolves, and never by a stranger's doing."""

import asyncio

import pytest

from gatepost.clock import FakeClock
from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.health import Doctor, Health
from gatepost.dns.zone import Zone

YES = Answer(Status.FOUND, ("127.0.0.1",), 60)
NO = Answer(Status.ABSENT, ttl=60, why="nxdomain")
SILENCE = Answer(Status.UNKNOWN, why="timeout")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.mark.parametrize(
    ("probe", "invalid", "com", "says"),
    [
        (YES, NO, NO, ""),
        (NO, NO, NO, ""),
        (SILENCE, SILENCE, SILENCE, "the name servers give no usable answers (timeout)"),
        (SILENCE, NO, NO, "the name servers give no usable answers (timeout)"),
        (YES, NO, SILENCE, "the name servers give no usable answers (timeout)"),
        (YES, YES, YES, 'names that cannot exist resolve, such as "x.invalid"'),
        (YES, NO, YES, 'names that cannot exist resolve, such as "x.com"'),
        (SILENCE, YES, SILENCE, 'names that cannot exist resolve, such as "x.invalid"'),
    ],
)
def test_an_examination_decides(clock, probe, invalid, com, says):
    health = Health(clock)
    health.examined(probe, {"x.invalid": invalid, "x.com": com})
    assert says == health.ill


def test_it_is_well_until_examined_and_well_again_afterwards(clock):
    health = Health(clock)
    assert health.ill == ""
    health.examined(SILENCE, {"x.com": YES})
    assert health.ill
    health.examined(YES, {"x.com": NO})
    assert health.ill == ""


def test_failing_traffic_alone_makes_suspicious_and_never_ill(clock):
    health = Health(clock, suspicious_after=3)
    for _ in range(2):
        health.heard(SILENCE)
    assert not health.suspicious
    for _ in range(1000):
        health.heard(SILENCE)
    assert health.suspicious
    assert health.ill == ""
    health.examined(YES, {"x.com": NO})
    assert not health.suspicious
    assert health.ill == ""


def test_one_usable_answer_ends_a_row(clock):
    health = Health(clock, suspicious_after=3)
    for answer in (SILENCE, SILENCE, NO, SILENCE, SILENCE):
        health.heard(answer)
    assert not health.suspicious


def test_a_server_that_knows_no_root_but_answers_traffic_is_well(clock):
    health = Health(clock)
    health.examined(SILENCE, {"x.com": SILENCE})
    assert health.ill
    health.heard(YES)
    assert health.ill == ""
    health.heard(SILENCE)
    assert health.ill


def test_answers_of_long_ago_prove_nothing(clock):
    health = Health(clock)
    health.heard(YES)
    clock.advance(61)
    health.examined(SILENCE, {"x.com": SILENCE})
    assert health.ill


def test_answered_traffic_is_no_excuse_for_lies(clock):
    health = Health(clock)
    for _ in range(20):
        health.heard(YES)
    health.examined(YES, {"x.com": YES})
    assert health.ill


def test_the_doctor_asks_the_root_and_names_nobody_can_guess(clock):
    zone = Zone({". NS": "ns.test"})
    doctor = Doctor(zone, Health(clock))
    assert asyncio.run(doctor.probe_once()) == ""
    assert asyncio.run(doctor.probe_once()) == ""
    canaries = [name for name, kind in zone.asked if kind is Kind.A]
    assert zone.count(".", Kind.NS) == 2
    assert len(set(canaries)) == 4
    assert {name.partition(".")[2] for name in canaries} == {"invalid", "com"}
    assert all(len(name.partition(".")[0]) == 20 for name in canaries)


def test_the_doctor_hears_traffic_and_passes_answers_on(clock):
    health = Health(clock, suspicious_after=2)
    doctor = Doctor(Zone({"a.example": "!timeout", "b.example A": "192.0.2.1"}), health)
    assert asyncio.run(doctor.ask("b.example", Kind.A)).records == ("192.0.2.1",)
    for _ in range(2):
        assert asyncio.run(doctor.ask("a.example", Kind.A)).why == "timeout"
    assert health.suspicious


def test_memory_is_cleared_when_lies_begin_and_when_they_end(clock):
    told = []
    zone = Zone({". NS": "ns.test"})
    doctor = Doctor(zone, Health(clock), changed=lambda: told.append("changed"))
    asyncio.run(doctor.probe_once())
    assert told == []
    zone.add("* A", "203.0.113.1")
    assert "cannot exist" in asyncio.run(doctor.probe_once())
    asyncio.run(doctor.probe_once())
    assert told == ["changed"]
    zone._names.discard("*")
    asyncio.run(doctor.probe_once())
    assert told == ["changed", "changed"]
