"""`apply` on a live Postfix beside a live Gatepost: each probe made to fail, and everything brought back."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest

from gatepost.postfix.applying.apply import ApplyError, apply
from gatepost.postfix.applying.backups import Backups
from gatepost.postfix.applying.observed import Result
from gatepost.postfix.applying.probe import relay_probe
from gatepost.postfix.applying.program_now import run_now
from gatepost.postfix.applying.stranger import LABEL, leftovers
from gatepost.postfix.applying.targets import Target
from gatepost.postfix.planning.change import FileChange
from support.daemon import ROOT
from support.switch import NEVER, Switch, asking, whole_state

pytestmark = pytest.mark.e2e

OPEN = "check_client_access static:OK, reject_unauth_destination"
"""Everybody may relay; Postfix itself takes a list without any reject for a mistake."""


@pytest.fixture(scope="module")
def switch(tmp_path_factory):
    with Switch(tmp_path_factory.mktemp("switch")) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_before(switch):
    """Each test leaves Postfix, files and interfaces as it found them."""
    before = whole_state(switch.main_cf, switch.config_dir / "master.cf")
    switch.told.clear()
    yield
    switch.postfix.write()
    switch.postfix.reload()
    assert before[0].content == switch.main_cf.read_bytes()
    assert [] == _lent()


def _lent():
    return leftovers(run_now(["ip", "-o", "address", "show", "dev", "lo"], 10).out)


def _names(switch):
    return sorted(path.name for path in switch.config_dir.iterdir())


def _fails(switch, *changes, **instead):
    """The reasons why an apply failed; all files are as before, and Postfix greets."""
    paths = [change.path for change in changes] or [switch.main_cf]
    before, names = whole_state(*paths), _names(switch)
    with pytest.raises(ApplyError) as raised:
        switch.apply(*changes, **instead)
    assert before == whole_state(*paths)
    assert names == _names(switch)
    with switch.postfix_session() as smtp:
        assert 250 == smtp.noop()[0]
    with Backups(switch.backups, switch.config_dir) as backups:
        assert backups.pending() is None
    return raised.value


def test_gatepost_is_asked_afterwards_and_every_probe_passes(switch):
    assert not switch.asks_gatepost()

    done = switch.apply()

    assert {Result.PASSED} == {probed.result for probed in done.probes}
    names = [probed.name for probed in done.probes]
    assert ["greets", "refuses to relay", "asks Gatepost", "accepts for a local recipient"] == names[:4]
    assert switch.asks_gatepost()


def test_a_change_that_makes_an_open_relay_is_brought_back(switch):
    change = switch.change(asking(switch.gatepost.port, permits=OPEN), smtpd_relay_restrictions=OPEN)

    error = _fails(switch, change)

    assert error.undone
    assert 'the probe "refuses to relay" failed' in error.lines[0]
    assert "250" in error.lines[0]


def test_an_open_relay_is_told_before_anything_is_written(switch):
    switch.administrator_sets(smtpd_relay_restrictions=OPEN, smtpd_recipient_restrictions=OPEN)

    error = _fails(switch)

    assert not error.undone
    assert "this server is an open relay, see: gatepost postfix audit" in error.lines[0]


def test_a_change_that_does_not_ask_gatepost_is_brought_back(switch):
    change = switch.change({"smtpd_recipient_restrictions": "reject_unauth_destination"})

    error = _fails(switch, change)

    assert error.undone
    assert ['the probe "asks Gatepost" failed'] == [line.split(":")[0] for line in error.lines]


def test_nothing_is_written_while_gatepost_does_not_answer(switch, tmp_path):
    gate = switch.gate()
    switch.gatepost.stop()
    try:
        error = _fails(switch, answers=gate.answers)
    finally:
        switch.gatepost.start()

    assert not error.undone
    assert "start it first" in error.lines[0]


def test_a_change_that_refuses_a_local_recipient_is_brought_back(switch):
    error = _fails(switch, switch.change(smtpd_sender_restrictions="reject"))

    assert error.undone
    assert any('"accepts for a local recipient" failed' in line for line in error.lines)
    assert any("before the change: 250" in line for line in error.lines)


def test_a_change_that_breaks_the_greeting_is_brought_back(switch):
    error = _fails(switch, switch.change(smtpd_delay_reject="no", smtpd_client_restrictions="reject"))

    assert error.undone
    assert 'the probe "greets" failed' in error.lines[0]


def test_a_change_that_postfix_check_refuses_is_brought_back(switch):
    error = _fails(switch, switch.change(default_process_limit="many"))

    assert error.undone
    assert "postfix check refuses the new files:" == error.lines[0]
    assert "bad numerical configuration: default_process_limit = many" in error.lines[1]


def test_a_warning_of_postfix_check_that_is_new_is_told(switch):
    done = switch.apply(switch.change(smptd_banner="typing mistake"))

    assert any("unused parameter: smptd_banner" in warning for warning in done.warnings)


def test_a_file_that_changed_since_the_plan_is_not_touched(switch):
    planned = switch.change()
    switch.main_cf.write_bytes(planned.before + b"# by hand\n")

    error = _fails(switch, planned)

    assert not error.undone
    assert [f"{switch.main_cf}: somebody changed it since the plan was made; plan again"] == list(error.lines)
    assert planned.before + b"# by hand\n" == switch.main_cf.read_bytes()


def test_several_files_are_brought_back_together_and_a_new_one_is_removed(switch):
    new, master_cf = switch.config_dir / "maps" / "new", switch.config_dir / "master.cf"
    changes = (
        switch.change({"smtpd_recipient_restrictions": "reject_unauth_destination"}),
        FileChange(str(master_cf), master_cf.read_bytes(), master_cf.read_bytes() + b"# one more line\n"),
        FileChange(str(new), None, b"new\n"),
    )

    error = _fails(switch, *changes)

    assert error.undone
    assert not new.parent.exists()


def test_a_recipient_refused_before_for_reasons_of_the_administrators_is_no_failure(switch):
    switch.administrator_sets(smtpd_sender_restrictions="reject")

    done = switch.apply()

    texts = {probed.name: probed for probed in done.probes}
    assert "as before the change" in texts["accepts for a local recipient"].text
    assert Result.NOT_MADE is texts["asks Gatepost"].result


def test_a_server_that_does_not_greet_is_left_alone(switch):
    order = msgspec.structs.replace(switch.order(), probe_at=("127.0.0.1", 9))

    with pytest.raises(ApplyError) as raised:
        apply(order, switch.hands())

    assert not raised.value.undone
    assert "127.0.0.1:9 does not greet (127.0.0.1:9: connection refused)" in raised.value.lines[0]


def test_gateposts_own_refusal_of_the_probe_counts_as_accepted(switch):
    entry = ("deny", "postmaster@example.net", "--recipient")
    switch.gatepost.write('mode = "enforce"')
    switch.gatepost.command("reload", check=0)
    switch.gatepost.command(*entry, check=0)
    try:
        done = switch.apply()
    finally:
        switch.gatepost.command(*entry, "--remove", check=0)
        switch.gatepost.write('mode = "observe"', NEVER)
        switch.gatepost.command("reload", check=0)

    (accepted,) = [p for p in done.probes if p.name == "accepts a stranger's mail for a local recipient"]
    assert Result.PASSED is accepted.result
    assert "by Gatepost's own rules" in accepted.text


def test_a_second_apply_at_the_same_time_is_told_to_wait(switch):
    with Backups(switch.backups, switch.config_dir):
        error = _fails_outside_lock(switch)

    assert ["another gatepost is changing it now; wait for it"] == [error.lines[0].split(": ")[1]]


def _fails_outside_lock(switch):
    with pytest.raises(ApplyError) as raised:
        switch.apply()
    return raised.value


def test_ctrl_c_and_sigterm_bring_everything_back(switch):
    def stop_us(_asked):
        os.kill(os.getpid(), signal.SIGTERM)

    error = _fails(switch, find=stop_us)

    assert error.undone
    assert ("stopped by SIGTERM",) == error.lines


# --- the stranger's address -----------------------------------------------------------------------------


def test_the_address_left_by_a_killed_probe_is_removed_by_the_next(switch):
    run_now(["ip", "address", "add", "198.18.7.7/32", "dev", "lo", "label", LABEL], 10)
    run_now(["ip", "address", "add", "2001:db8:6761:7465::7/128", "dev", "lo", "nodad"], 10)
    assert ["198.18.7.7", "2001:db8:6761:7465::7"] == sorted(_lent())

    probed = relay_probe(Target("127.0.0.1", switch.postfix.port, domain="example.net"), run_now)

    assert Result.PASSED is probed.result
    assert [] == _lent()


def test_the_address_is_taken_back_when_the_probe_is_stopped(switch):
    code = (
        "import os, signal\n"
        "from gatepost.postfix.applying.stopping import stoppable\n"
        "from gatepost.postfix.applying.stranger import strangers\n"
        "from gatepost.postfix.applying.program_now import run_now\n"
        "with stoppable(), strangers([4], '', run_now) as lent:\n"
        "    print(lent[4].address, flush=True)\n"
        "    signal.pause()\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True
    ) as process:
        address = process.stdout.readline().strip()
        lent = _lent()
        process.terminate()
    assert [address] == lent
    assert [] == _lent()


def test_without_the_right_to_lend_an_address_that_is_told_and_is_a_warning(switch):
    code = (
        "import sys\n"
        "from gatepost.postfix.applying.probe import relay_probe\n"
        "from gatepost.postfix.applying.program_now import run_now\n"
        "from gatepost.postfix.applying.targets import Target\n"
        "print(relay_probe(Target('127.0.0.1', int(sys.argv[1])), run_now))\n"
    )
    drop = ["capsh", "--drop=cap_net_admin", "--", "-c", 'exec "$0" "$@"']
    done = subprocess.run(
        [*drop, sys.executable, "-c", code, str(switch.postfix.port)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not made" in done.stdout, done.stderr
    assert "no foreign address could be lent" in done.stdout


def test_an_open_relay_is_found_by_the_probe_that_audit_uses(switch):
    switch.administrator_sets(smtpd_relay_restrictions=OPEN)

    probed = relay_probe(Target("127.0.0.1", switch.postfix.port, domain="example.net"), run_now)

    assert Result.FAILED is probed.result
    assert "RCPT TO:<gatepost-probe@example.com> was answered 250" in probed.text
