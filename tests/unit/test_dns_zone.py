"""The zone in memory, beyond what the contract suite asks of every resolver."""

import asyncio

import pytest

from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.zone import Zone


def ask(zone: Zone, name: str, kind: Kind = Kind.A) -> Answer:
    return asyncio.run(zone.ask(name, kind))


@pytest.mark.parametrize("why", ["servfail", "refused", "timeout"])
def test_trouble_is_simulated_for_a_name_or_one_type(why):
    zone = Zone({"all.example": f"!{why}", "one.example A": f"!{why}", "one.example MX": "5 mx.example"})
    assert ask(zone, "all.example", Kind.TXT) == Answer(Status.UNKNOWN, why=why)
    assert ask(zone, "one.example") == Answer(Status.UNKNOWN, why=why)
    assert ask(zone, "one.example", Kind.MX).found
    assert ask(zone, "one.example", Kind.AAAA).why == "nodata"


def test_trouble_below_a_name_is_a_wildcard():
    zone = Zone({"*.dead.example": "!timeout"})
    assert ask(zone, "a.b.dead.example").why == "timeout"
    assert ask(Zone({"*": "!timeout"}), "whatever.example").why == "timeout"


def test_a_server_that_never_answers_is_waited_for_in_vain():
    async def run():
        async with asyncio.timeout(0.01):
            await Zone({"a.example": "!hang"}).ask("a.example", Kind.A)

    with pytest.raises(TimeoutError):
        asyncio.run(run())


def test_questions_are_remembered_in_order():
    zone = Zone()
    ask(zone, "B.example.")
    ask(zone, "a.example", Kind.MX)
    assert zone.asked == [("b.example", Kind.A), ("a.example", Kind.MX)]
    assert (zone.count("B.example", Kind.A), zone.count("b.example", Kind.MX)) == (1, 0)


def test_ttls_are_as_given():
    zone = Zone({"a.example A": "192.0.2.1"}, ttl=7, absent_ttl=3)
    assert (ask(zone, "a.example").ttl, ask(zone, "b.example").ttl) == (7, 3)


def test_records_can_be_added_later():
    zone = Zone()
    zone.add("a.example A", ["192.0.2.1"])
    assert ask(zone, "a.example").found


def test_trouble_at_the_end_of_an_alias_is_the_answer():
    assert (
        ask(Zone({"a.example CNAME": "b.example", "b.example": "!servfail"}), "a.example").why == "servfail"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a.example", "192.0.2.1"),
        ("a.example B", "192.0.2.1"),
        ("a..example A", "192.0.2.1"),
        ("", "!timeout"),
        ("a.example A", "192.0.2"),
        ("a.example A", "2001:db8::1"),
        ("a.example AAAA", "192.0.2.1"),
        ("a.example MX", "mx.example"),
        ("a.example A", "!nonsense"),
        ("a.example A", ["!timeout", "192.0.2.1"]),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(key, value):
    with pytest.raises(ValueError, match=r"\S"):
        Zone({key: value})
