"""The collection of Postfix configurations: what the real Postfix says of each, and what is planned for it.

Everything that postconf is asked about a case is asked once, and kept for all tests.
"""

import contextlib
import functools
import tempfile
from pathlib import Path

import msgspec
import pytest

from gatepost.cli.planning import honours
from gatepost.config.edit import as_line
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master
from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.conf.restrictions import LISTS
from gatepost.postfix.planning.ourline import normal_server
from gatepost.postfix.planning.plan import Plan, make_plan
from gatepost.postfix.planning.takeover import Known, take_over
from support.postfix_cases import (
    cases,
    effective,
    lists_in_force,
    one_blank,
    overrides,
    postconf,
    service_names,
    settle,
)
from support.postfix_instance import ASK, ASKED, BAN, LEARN, LINE
from support.postfix_live import Live

CASES = {case.name: case for case in cases()}
PLANNED = {name: case for name, case in CASES.items() if not case.refused}
REFUSED = {name: case for name, case in CASES.items() if case.refused}
TAKEN = {name: case for name, case in PLANNED.items() if case.take_over}
ALIVE = {name: case for name, case in CASES.items() if case.live and (case.dies or case.replies)}
RECIPIENT = "smtpd_recipient_restrictions"
DATA = "smtpd_data_restrictions"
ask, asked, learn, ban = map(one_blank, (ASK, ASKED, LEARN, BAN))
KNOWN = Known(honours, lambda server: "postgrey" in server or normal_server(server) == LINE.server)
BY_THE_WAY = ("unused parameter", "overriding earlier entry", "undefined parameter: mua_")
"""What postconf complains about in a case that is not about that."""


class State(msgspec.Struct):
    """What postconf says about a folder."""

    main: dict[str, str]
    own: dict[str, dict[str, str]]
    lists: dict[str, dict[str, str]]


class Outcome(msgspec.Struct):
    """A case before and after its plan was carried out."""

    before: State
    plan: Plan
    after: State
    again: str
    """The diff of a second plan."""


def state(folder, services):
    own = overrides(folder)
    return State(effective(folder), own, {key: lists_in_force(folder, key, own) for key in services})


def carry_out(folder, gone=None, *, ban=False):
    """Plan, and write what was planned."""
    made = make_plan(read_instance(folder), LINE, gone, ban=ban)
    for change in made.changes:
        Path(change.path).write_bytes(change.after)
        settle(Path(change.path))
    return made


@contextlib.contextmanager
def laid_out(name):
    with tempfile.TemporaryDirectory(prefix="gatepost-case-") as folder:
        yield CASES[name].put(Path(folder))


@functools.cache
def outcome(name):
    case = CASES[name]
    with laid_out(name) as folder:
        before = state(folder, case.untouched_services)
        made = carry_out(folder)
        named = {*case.ask_services, *case.learn_services, *case.untouched_services}
        after = state(folder, named)
        return Outcome(before, made, after, make_plan(read_instance(folder), LINE).diff)


# --- facts about the real Postfix ---------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_postconf_reads_it_as_the_case_says(name):
    case = CASES[name]
    with laid_out(name) as folder:
        main = postconf(folder, "-n")
        assert case.postconf == ("refuses" if main.status else "reads")
        if main.status:  # it takes a second each time, before it says so
            return
        master = postconf(folder, "-P")
        services = {*service_names(folder)}

    assert set() == {*case.ask_services, *case.learn_services, *case.untouched_services} - services
    complaints = main.complaints + master.complaints
    assert case.warns in complaints
    if not case.warns:
        assert [] == [row for row in complaints.splitlines() if not any(text in row for text in BY_THE_WAY)]


@pytest.mark.parametrize("name", ALIVE)
def test_smtpd_does_with_it_what_the_case_says(name):
    case = CASES[name]
    with Live(case) as postfix:
        if case.dies:
            postfix.knock()
            assert "fatal" in postfix.wait_for_log(case.dies)
        else:
            assert case.replies == postfix.rcpt("root@example.net")


@pytest.mark.parametrize("name", CASES)
def test_reading_and_writing_gives_the_same_octets(name):
    for read, file in ((read_main, "main.cf"), (read_master, "master.cf")):
        octets = (CASES[name].folder / file).read_bytes()
        with refusal(CASES[name]):
            assert octets == read(octets).source.octets


@contextlib.contextmanager
def refusal(case):
    """Nothing is wrong with the file, or what the case says."""
    try:
        yield
    except ConfError as error:
        if not case.refused or case.refused not in error.reason:
            raise


# --- what is planned ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANNED)
def test_by_the_real_postconf_our_lines_are_in_force_where_they_must_be(name):
    case, now = CASES[name], outcome(name).after.lists

    for key in case.ask_services:
        text = now[key][RECIPIENT]
        for before in ("permit_mynetworks", "permit_sasl_authenticated", "unauth_destination"):
            assert in_order(text, learn, before, ask), text
        assert ask in now[key][DATA] or asked in now[key][DATA]
    for key in case.learn_services:
        text = now[key][RECIPIENT]
        assert learn in text
        assert text.index(learn) < f"{text} permit".index("permit")


@pytest.mark.parametrize("name", [name for name, case in PLANNED.items() if case.untouched_services])
def test_by_the_real_postconf_the_lists_of_other_services_are_what_they_were(name):
    services = CASES[name].untouched_services
    done = outcome(name)

    assert done.before.lists == {key: done.after.lists[key] for key in services}


def in_order(text, *parts):
    """Whether the parts stand in the text one after the other."""
    at = 0
    for part in parts:
        at = text.lower().find(part.lower(), at) + 1
        if not at:
            return False
    return True


@pytest.mark.parametrize("name", PLANNED)
def test_postconf_sees_the_changes_that_were_said_and_no_others(name):
    done = outcome(name)

    # it does not print a parameter that nothing refers to any more
    gone = {setting for setting in done.before.main if setting not in done.after.main}
    changed = {("", one) for one in different(done.before.main, done.after.main) - gone}
    for key in done.before.own.keys() | done.after.own.keys():
        own = (done.before.own.get(key, {}), done.after.own.get(key, {}))
        changed |= {(key, one) for one in different(*own)}
    assert changed == {(setting.service, setting.parameter) for setting in done.plan.settings}
    assert CASES[name].nothing == (not changed)


def different(one, other):
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


@pytest.mark.parametrize("name", PLANNED)
def test_a_second_plan_is_empty(name):
    assert "" == outcome(name).again


class Banning(msgspec.Struct):
    """A case that was planned, and then with --ban-at-connect."""

    before: State
    plan: Plan
    after: State
    again: str
    without: Plan
    """A plan that does not ask for it, once it is there."""


@functools.cache
def banning(name):
    with laid_out(name) as folder:
        services = sorted({*service_names(folder)})
        carry_out(folder)
        before = state(folder, services)
        made = carry_out(folder, ban=True)
        again, without = (make_plan(read_instance(folder), LINE, ban=again) for again in (True, False))
        return Banning(before, made, state(folder, services), again.diff, without)


@pytest.mark.parametrize("name", PLANNED)
def test_by_the_real_postconf_bans_are_asked_about_where_the_case_says(name):
    case, done = CASES[name], banning(name)

    asking = [key for key, lists in done.after.lists.items() if ban in lists["smtpd_client_restrictions"]]
    delays = {done.after.own[key].get("smtpd_delay_reject", "as main.cf has it") for key in asking}
    assert sorted(case.ban_services) == asking
    assert delays <= {"no"} or done.after.main["smtpd_delay_reject"] == "no"
    refused = {line.partition(" ")[0]: line for line in done.plan.refused}
    assert case.ban_refused.keys() == refused.keys()
    assert [] == [key for key, part in case.ban_refused.items() if part not in refused[key]]


@pytest.mark.parametrize("name", PLANNED)
def test_by_the_real_postconf_nothing_else_changes_when_bans_are_asked_about(name):
    done = banning(name)

    # it does not print a parameter that nothing refers to any more
    assert done.after.main.items() <= done.before.main.items()
    for key in done.after.lists.keys() - CASES[name].ban_services:
        assert done.before.lists[key] == done.after.lists[key]
    for key in CASES[name].ban_services:
        changed = different(done.before.own.get(key, {}), done.after.own[key])
        assert changed == {one.parameter for one in done.plan.settings if one.service == key}


@pytest.mark.parametrize("name", PLANNED)
def test_asking_about_bans_is_planned_once_and_then_told_of(name):
    done = banning(name)

    assert ("", "") == (done.again, done.without.diff)
    told = {note.partition(" ")[0] for note in done.without.notes if "asks Gatepost about bans" in note}
    assert {*CASES[name].ban_services} == told


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_over(name):
    case = CASES[name]
    with laid_out(name) as folder:
        taken = take_over(read_instance(folder), LINE, KNOWN)
        carry_out(folder, taken.gone)
        lists = [lists_in_force(folder, key) for key in case.ask_services]

    wanted = {
        old.replace("{dir}", folder): [line.replace("{dir}", folder) for line in new]
        for old, new in case.take_over.items()
    }
    assert wanted == {
        one.old.replace("$config_directory", folder): [*map(as_line, one.settings)] for one in taken.moved
    }
    for old, reason in case.stays.items():
        assert any(old == one.old and reason in one.reason for one in taken.left), taken.left
    in_force = " ".join(found[parameter] for found in lists for parameter in LISTS)
    needed = {one.old for one in taken.moved if one.stays}
    assert [] == [old for old in wanted.keys() - needed if one_blank(old) in in_force]
    assert [] == [old for old in case.stays if old not in in_force]


def test_what_a_guide_writes_asks_about_bans_once_the_rest_is_taken_over():
    with laid_out("08-web-guide-with-postgrey") as folder:
        made = carry_out(folder, take_over(read_instance(folder), LINE, KNOWN).gone, ban=True)
        now = lists_in_force(folder, "smtp/inet")

    assert () == made.refused
    assert f"permit_mynetworks {ban}" == now["smtpd_client_restrictions"]
    assert "check_client_access" in now["smtpd_sender_restrictions"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_understood_safely_is_refused_with_its_place(name):
    case = CASES[name]
    with laid_out(name) as folder, pytest.raises(ConfError) as told:
        make_plan(read_instance(folder), LINE)

    assert case.refused in told.value.reason
    assert (f"{folder}/{case.file}", case.line) == (told.value.file, told.value.line)
