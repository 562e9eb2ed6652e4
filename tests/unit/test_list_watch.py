"""A list is believed only while it behaves: every misbehaviour puts it aside, and it comes back when well.

Entries that must and must not be listed: RFC 5782, section 5.
"""

import asyncio
import logging

import pytest

from gatepost.clock import FakeClock
from gatepost.dns.base import Answer, Status
from gatepost.dns.zone import Zone
from gatepost.dnslist.options import ListOptions, WatchOptions
from gatepost.dnslist.resolve import resolve
from gatepost.dnslist.state import Outcome, Seen, Tally, Trial, examine
from gatepost.dnslist.watch import ListWatch
from gatepost.options import Duration

BL = "bl.example.org"
V4 = {f"2.0.0.127.{BL} A": "127.0.0.2"}
V6_LABELS = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"
GOOD = {**V4, f"{V6_LABELS}.{BL} A": "127.0.0.2"}
KEY = "k3yk3yk3yk3yk3yk3yk3yk3y26"
UNKNOWN = Answer(Status.UNKNOWN, why="timeout")
ABSENT = Answer(Status.ABSENT, ttl=60, why="nxdomain")


def make(table, *, purpose="dnsbl", ill="", clock=None, options=None, environment=None, **list_options):
    """A watch over one list in a world of its own."""
    given = ListOptions(**{"zone": BL, **list_options})
    resolved = resolve(purpose, [given], environment or {})
    assert resolved.problems == ()
    state = {"ill": ill}
    watch = ListWatch(
        resolved.lists, Zone(table), clock or FakeClock(), options or WatchOptions(), ill=lambda: state["ill"]
    )
    watch.state = state
    return watch


def probed(table, **options):
    watch = make(table, **options)
    asyncio.run(watch.probe_all())
    return watch


def states(watch):
    return [report.state for report in watch.report()]


# --- tests of lists -----------------------------------------------------------------------------------


def test_a_list_with_its_test_entries_is_well():
    watch = probed(GOOD)

    assert states(watch) == ["well"]
    assert watch.aside(BL) == watch.aside(BL, "ip4") == watch.aside(BL, "ip6") == ""
    assert watch.troubles() == ()
    assert watch.version == 0


def test_before_its_first_test_a_list_is_believed():
    watch = make({})

    assert states(watch) == ["untested"]
    assert watch.aside(BL) == ""


def test_an_empty_zone_is_put_aside():
    assert "its test entry 127.0.0.2 for IPv4 addresses is missing" in probed({}).aside(BL)


@pytest.mark.parametrize("entry", ["1.0.0.127", V6_LABELS.replace("2", "1", 1)])
def test_a_list_that_lists_what_must_not_be_listed_is_put_aside(entry):
    assert "which must not be listed" in probed({**GOOD, f"{entry}.{BL} A": "127.0.0.2"}).aside(BL)


def test_a_domain_that_answers_everything_is_put_aside():
    assert "lists 127.0.0.1, which must not be" in probed({f"*.{BL} A": "127.0.0.2"}).aside(BL)


def test_a_wildcard_beside_the_test_entries_is_put_aside():
    """The entries' own neighbours are absent then: only an address that nobody listed shows it."""
    reason = probed({**GOOD, f"*.{BL} A": "127.0.0.2"}).aside(BL)

    assert reason.startswith("it lists 24")
    assert "it may list everything" in reason


def test_a_parked_domain_is_put_aside():
    assert "which is no answer of a list" in probed({f"*.{BL} A": "203.0.113.80"}).aside(BL)


@pytest.mark.parametrize("answer", ["127.255.255.252", "127.255.255.254", "127.255.255.255"])
def test_an_error_answer_to_a_test_puts_aside(answer):
    assert f"it answers {answer}" in probed({f"*.{BL} A": answer}).aside(BL)


def test_an_error_answer_of_the_list_itself_puts_aside():
    table = {"*.list.dnswl.org A": "127.0.0.255"}
    watch = probed(table, purpose="dnswl", zone="list.dnswl.org")

    assert "it answers 127.0.0.255: the list refuses to answer" in watch.aside("list.dnswl.org")


@pytest.mark.parametrize("trouble", ["!timeout", "!servfail", "!refused"])
def test_a_list_that_answers_no_test_is_put_aside(trouble):
    watch = make({f"*.{BL} A": trouble})
    asyncio.run(watch.probe_all())

    assert f"it does not answer ({trouble[1:]})" in watch.aside(BL)


def test_a_list_without_an_entry_for_ipv6_is_asked_about_ipv4_only():
    watch = probed(V4)

    assert states(watch) == ["well"]
    assert watch.aside(BL) == watch.aside(BL, "ip4") == ""
    assert "for IPv6 addresses is missing" in watch.aside(BL, "ip6")
    assert [text for text in watch.troubles() if BL in text] == list(watch.troubles())
    assert list(watch.report()[0].without) == ["ip6"]


def test_a_list_of_names_is_tested_by_names():
    table = {"test.dbl.spamhaus.org A": "127.0.1.2"}
    dbl = "dbl.spamhaus.org"

    assert probed(table, purpose="rhsbl", zone=dbl).aside(dbl) == ""
    assert "test entry test for names is missing" in probed({}, purpose="rhsbl", zone=dbl).aside(dbl)
    listing = {**table, "invalid.dbl.spamhaus.org A": "127.0.1.2"}
    assert "it lists invalid, which" in probed(listing, purpose="rhsbl", zone=dbl).aside(dbl)
    wild = {**table, "*.dbl.spamhaus.org A": "127.0.1.2"}
    assert "which must not be listed" in probed(wild, purpose="rhsbl", zone=dbl).aside(dbl)


def test_a_list_that_says_it_has_no_test_entries_is_tested_for_listing_everything():
    assert probed({}, test=False).aside(BL) == ""
    assert "may list everything" in probed({f"*.{BL} A": "127.0.0.2"}, test=False).aside(BL)


def test_the_facts_of_another_implementation():
    """From the tests of mox: a list is well with 127.0.0.2 in it, ill when empty or with 127.0.0.1 in it."""
    assert probed({f"2.0.0.127.{BL} A": "127.0.0.2"}, kinds=("ip4",)).aside(BL) == ""
    assert probed({}, kinds=("ip4",)).aside(BL) != ""
    assert probed({f"1.0.0.127.{BL} A": "127.0.0.2"}, kinds=("ip4",)).aside(BL) != ""


def test_silence_to_one_test_changes_nothing():
    unknown = Trial("ip4", "127.0.0.2", True, Seen.UNKNOWN, "timeout")
    absent = Trial("ip4", "127.0.0.1", False, Seen.ABSENT)

    assert examine([unknown, absent]) == Outcome()
    assert examine([]) == Outcome()


def test_a_kind_whose_test_has_no_answer_stays_as_it_was():
    watch = probed(V4)
    watch._dns.add(f"{V6_LABELS}.{BL} A", "!timeout")
    asyncio.run(watch.probe(BL))
    assert "for IPv6 addresses is missing" in watch.aside(BL, "ip6")

    watch._dns.add(f"{V6_LABELS}.{BL} A", "127.0.0.2")
    asyncio.run(watch.probe(BL))
    assert watch.aside(BL, "ip6") == ""


def test_tests_that_take_too_long_leave_the_list_untested():
    table = {f"2.0.0.127.{BL} A": "!hang"}
    watch = make(table)
    asyncio.run(watch.probe_all(within=0.01))

    assert states(watch) == ["untested"]


# --- what is heard ------------------------------------------------------------------------------------


REFUSAL = Answer(Status.FOUND, ("127.255.255.254",), 60)


def test_an_error_answer_in_traffic_has_the_list_tested_at_once():
    watch = probed(GOOD)
    watch._dns = Zone({f"*.{BL} A": "127.255.255.254"})
    watch.heard(BL, REFUSAL, error=True)
    assert watch.report()[0].retry_in == 0

    asyncio.run(watch.probe_due())
    assert "it answers 127.255.255.254" in watch.aside(BL)
    assert watch.version == 1


def test_one_error_answer_of_a_list_that_passes_its_tests_is_told_and_costs_no_other_answer():
    clock = FakeClock()
    watch = make(GOOD, clock=clock)
    asyncio.run(watch.probe_due())
    watch.heard(BL, REFUSAL, error=True)
    asyncio.run(watch.probe_due())

    assert (watch.aside(BL), states(watch)) == ("", ["well"])
    assert "it answers 127.255.255.254" in watch.report()[0].reason
    assert watch.troubles()[0].startswith(f"the list {BL} gave an error answer, which does not count: it ans")

    clock.advance(1800)
    asyncio.run(watch.probe_due())
    assert (watch.troubles(), watch.report()[0].reason) == ((), "")


def test_error_answers_about_whoever_is_asked_put_aside_though_the_tests_pass():
    watch = probed(GOOD)
    for _ in range(20):
        watch.heard(BL, ABSENT, error=False)
        assert watch.aside(BL) == ""
        watch.heard(BL, REFUSAL, error=True)

    assert watch.aside(BL).startswith("20 of 40 questions had no usable answer (it answers 127.255.255.254")


def test_error_answers_bring_the_test_forward_once_and_then_not_too_soon():
    clock = FakeClock()
    watch = make(GOOD, clock=clock)
    asyncio.run(watch.probe_due())
    clock.advance(1)
    watch.heard(BL, REFUSAL, error=True)
    assert watch.report()[0].retry_in == 0
    asyncio.run(watch.probe_due())

    for waited, retry_in in ((20, 40), (50, 0)):
        clock.advance(waited)
        watch.heard(BL, REFUSAL, error=True)
        assert watch.report()[0].retry_in == retry_in


def test_an_error_answer_before_the_first_test_puts_aside_at_once():
    watch = make(GOOD)
    watch.heard(BL, REFUSAL, error=True)

    assert "it answers 127.255.255.254" in watch.aside(BL)


def test_silence_puts_aside_when_it_is_half_of_many_questions():
    watch = probed(GOOD)
    for _ in range(19):
        watch.heard(BL, UNKNOWN, error=False)
        watch.heard(BL, ABSENT, error=False)
    assert watch.aside(BL) == ""

    watch.heard(BL, UNKNOWN, error=False)
    assert watch.aside(BL) == "20 of 39 questions had no answer (timeout)"


def test_little_silence_among_much_traffic_is_forgiven():
    watch = probed(GOOD)
    for _ in range(100):
        watch.heard(BL, UNKNOWN, error=False)
        for _ in range(2):
            watch.heard(BL, ABSENT, error=False)

    assert watch.aside(BL) == ""


def test_silence_spread_over_hours_is_forgiven():
    clock = FakeClock()
    watch = make(GOOD, clock=clock)
    for _ in range(200):
        watch.heard(BL, UNKNOWN, error=False)
        clock.advance(60)

    assert watch.aside(BL) == ""


def test_one_question_without_an_answer_brings_the_next_test_forward_but_not_too_soon():
    clock = FakeClock()
    watch = make(GOOD, clock=clock)
    asyncio.run(watch.probe_due())
    watch._dns = Zone({f"*.{BL} A": "!timeout"})
    clock.advance(10)
    watch.heard(BL, UNKNOWN, error=False)
    assert watch.report()[0].retry_in == 50
    clock.advance(600)
    watch.heard(BL, UNKNOWN, error=False)
    assert watch.report()[0].retry_in == 0

    asyncio.run(watch.probe_due())
    assert watch.aside(BL) == "it does not answer (timeout)"


def test_a_tally_forgets_what_is_older_than_its_window():
    tally = Tally(10)
    tally.add(unknown=True, now=0)
    tally.add(unknown=False, now=4)
    assert tally.counts(6) == (1, 2)
    tally.add(unknown=True, now=6)
    assert tally.counts(9) == (2, 3)
    assert tally.counts(11) == (1, 1)
    assert tally.counts(40) == (0, 0)


def test_an_error_answer_that_the_watch_cannot_read_is_told_all_the_same():
    watch = probed(GOOD)
    watch.heard(BL, Answer(Status.FOUND, ("127.0.0.9",), 60), error=True)

    assert watch.report()[0].reason == "it gives an error answer"


def test_what_is_heard_about_other_zones_is_nothing():
    watch = probed(GOOD)
    watch.heard("other.example.org", Answer(Status.FOUND, ("127.255.255.254",)), error=True)

    assert watch.aside("other.example.org") == ""
    assert states(watch) == ["well"]


# --- our own resolver ---------------------------------------------------------------------------------


def test_while_our_resolver_is_ill_nothing_is_held_against_a_list():
    watch = make({f"*.{BL} A": "!timeout"}, ill="no name server answers")
    asyncio.run(watch.probe_all())
    for _ in range(100):
        watch.heard(BL, UNKNOWN, error=False)
    watch.heard(BL, Answer(Status.FOUND, ("203.0.113.80",)), error=True)

    assert states(watch) == ["untested"]
    assert watch.report()[0].retry_in == WatchOptions().retry


def test_a_list_put_aside_stays_so_while_our_resolver_is_ill():
    watch = probed({})
    watch.state["ill"] = "everything resolves"
    watch._dns.add(f"*.{BL} A", "203.0.113.80")
    asyncio.run(watch.probe_all())

    assert "test entry" in watch.aside(BL)


# --- coming back --------------------------------------------------------------------------------------


def test_it_comes_back_when_it_is_well_again():
    clock = FakeClock()
    watch = make({f"*.{BL} A": "127.255.255.254"}, clock=clock)
    asyncio.run(watch.probe_due())
    assert states(watch) == ["aside"]
    watch._dns = Zone(GOOD)

    asyncio.run(watch.probe_due())
    assert states(watch) == ["aside"]
    clock.advance(60)
    asyncio.run(watch.probe_due())
    assert states(watch) == ["well"]
    assert watch.aside(BL) == ""
    assert watch.version == 2


def test_pauses_grow_and_have_a_limit():
    clock = FakeClock()
    watch = make({}, clock=clock)
    pauses = []
    for _ in range(9):
        asyncio.run(watch.probe_due())
        pauses.append(watch.report()[0].retry_in)
        clock.advance(pauses[-1])

    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_one_that_comes_and_goes_waits_longer_until_it_is_well_twice():
    clock = FakeClock()
    watch = make(GOOD, clock=clock)
    pauses = []
    for wells in (1, 1, 2, 1):
        for _ in range(wells):
            asyncio.run(watch.probe(BL))
        watch._dns = Zone({f"*.{BL} A": "127.255.255.255"})
        asyncio.run(watch.probe(BL))
        watch._dns = Zone(GOOD)
        pauses.append(watch.report()[0].retry_in)

    assert pauses == [60, 120, 60, 120]


def test_a_list_that_is_well_is_tested_at_intervals():
    clock = FakeClock()
    watch = make(GOOD, clock=clock)
    asyncio.run(watch.probe_due())
    asked = len(watch._dns.asked)
    clock.advance(1799)
    asyncio.run(watch.probe_due())
    assert len(watch._dns.asked) == asked

    clock.advance(1)
    asyncio.run(watch.probe_due())
    assert len(watch._dns.asked) == 2 * asked


def test_a_clock_set_back_delays_no_test():
    clock = FakeClock()
    watch = make({}, clock=clock)
    asyncio.run(watch.probe_due())
    clock.set_back(86400)
    watch._dns = Zone(GOOD)
    clock.advance(60)
    asyncio.run(watch.probe_due())

    assert states(watch) == ["well"]


def test_the_watch_runs_by_itself_and_is_called_when_something_happens():
    async def scene():
        options = WatchOptions(retry=Duration(0.01))
        clock = FakeClock()
        watch = make(GOOD, options=options, clock=clock)
        task = asyncio.create_task(watch.run())
        while states(watch) != ["well"]:
            await asyncio.sleep(0)
        watch._dns = Zone({f"*.{BL} A": "127.255.255.254"})
        watch.heard(BL, REFUSAL, error=True)
        async with asyncio.timeout(5):
            while states(watch) != ["aside"]:
                await asyncio.sleep(0.001)
        watch._dns = Zone(GOOD)
        clock.advance(1)
        async with asyncio.timeout(5):
            while states(watch) != ["well"]:
                await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(scene())


# --- telling ------------------------------------------------------------------------------------------


def test_what_happens_is_logged_once(caplog):
    clock = FakeClock()
    watch = make({f"*.{BL} A": "127.255.255.254"}, clock=clock)
    with caplog.at_level(logging.INFO, logger="gatepost.dnslist"):
        for _ in range(5):
            asyncio.run(watch.probe_due())
            clock.advance(3600)
        watch._dns = Zone(GOOD)
        asyncio.run(watch.probe_due())

    put_aside, back = caplog.messages
    assert put_aside.startswith(f"list {BL} is put aside: it answers 127.255.255.254")
    assert put_aside.endswith("; tried again in 1m")
    assert back == f"list {BL} is believed"


def test_the_report_says_since_when_and_when_it_is_tried_again():
    clock = FakeClock()
    began = clock.now()
    watch = make({}, clock=clock)
    asyncio.run(watch.probe_due())
    clock.advance(45)

    (report,) = watch.report()
    assert (report.zone, report.state, report.since, report.retry_in) == (BL, "aside", began, 15)
    assert watch.troubles() == (f"the list {BL} is put aside: {report.reason}",)


def test_a_key_shows_nowhere(caplog):
    zone = "zen.dq.spamhaus.net"
    asked = f"*.{KEY}.{zone} A"
    with caplog.at_level(logging.DEBUG):
        for answer in ("127.255.255.254", "127.0.0.2", "203.0.113.1", "!timeout"):
            watch = probed({asked: answer}, zone=zone, key_env="KEY", environment={"KEY": KEY})
            why = f"no answer for 1.0.0.127.{KEY}.{zone}"
            for _ in range(40):
                watch.heard(zone, Answer(Status.UNKNOWN, why=why), error=False)
            assert watch.aside(zone)
            seen = [repr(watch.report()), *watch.troubles(), watch.aside(zone), repr(vars(watch)["_lists"])]
            assert [text for text in (*seen, caplog.text) if KEY in text] == []
        fresh = make({}, zone=zone, key_env="KEY", environment={"KEY": KEY})
        for _ in range(40):
            fresh.heard(zone, Answer(Status.UNKNOWN, why=f"lost: {KEY}.{zone}"), error=False)
    assert "(lost: ***." in fresh.aside(zone)
    assert KEY not in caplog.text


def test_a_list_that_does_not_take_the_key_says_so():
    zone = "zen.dq.spamhaus.net"
    watch = probed({}, zone=zone, key_env="KEY", environment={"KEY": KEY})

    assert watch.aside(zone) == "its test entry 127.0.0.2 for IPv4 addresses is missing (is the key right?)"


# --- reload -------------------------------------------------------------------------------------------


def test_after_a_reload_lists_stand_as_before_where_they_are_the_same():
    clock = FakeClock()
    before = make({}, clock=clock)
    asyncio.run(before.probe_all())
    same, other = make({}, clock=clock), make({}, clock=clock, answers="127.0.0.3")
    same.take_over(before)
    other.take_over(before)

    assert states(same) == ["aside"]
    assert states(other) == ["untested"]


def test_one_zone_in_two_sections_is_tested_once():
    zone = "hostkarma.junkemailfilter.com"
    lists = [resolve(p, [ListOptions(zone=zone)], {}).lists[0] for p in ("dnsbl", "dnswl")]
    dns = Zone({f"2.0.0.127.{zone} A": "127.0.0.2", f"1.0.0.127.{zone} A": "127.0.0.1"})
    watch = ListWatch(lists, dns, FakeClock())
    asyncio.run(watch.probe_all())

    assert states(watch) == ["well"]
    assert len(dns.asked) == 2
