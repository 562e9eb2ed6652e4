"""Bans in the real daemon: offences from its log and its verdicts, kept, told, enforced by the firewall."""

import json
import os
import time
from datetime import UTC, datetime

import pytest

from support import journal
from support.daemon import gatepost
from support.firewall import CLIENTS4, Firewall, Street, wait_until
from support.nsd import nsd, root_zone

GUESSER, ADMIN = CLIENTS4[0], CLIENTS4[1]
SECONDS = 10.0


@pytest.fixture(scope="module")
def server():
    with nsd({".": root_zone({"example.org A": "192.0.2.1"})}) as running:
        yield running


class Log:
    """A mail log that the daemon follows."""

    def __init__(self, path):
        self.path = path
        path.touch()

    def write(self, message, times=1, service="smtpd"):
        stamp = datetime.now(UTC).isoformat()
        with self.path.open("a") as file:
            file.write(f"{stamp} mx postfix/{service}[21]: {message}\n" * times)

    def guess(self, address, times=5):
        self.write(f"warning: x[{address}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6", times)


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "mail.log")


def tables(log, more=""):
    return f'[ban]\nlogs = ["{log.path}"]\n{more}'


def daemon_on(server, tmp_path, log, more="", top="dnsbl = []\ndnswl = []\nrhsbl = []\n"):
    return gatepost(tmp_path / "daemon", top, tables(log, more), dns=server.server)


def listed(daemon):
    return json.loads(daemon.command("ban", "list", "--json", check=0)[1])


def banned(daemon):
    return [ban["network"] for ban in listed(daemon)["bans"]]


def wait_banned(daemon, *networks):
    wait_until(
        lambda: banned(daemon) == list(networks), SECONDS, lambda: f"{banned(daemon)}\n{daemon.logged()}"
    )


def why(daemon, address, check):
    return json.loads(daemon.command("ban", "why", address, "--json", check=check)[1])


def test_a_guesser_is_banned_and_refused_with_521_and_the_connection_closed(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        log.guess(GUESSER)
        wait_banned(daemon, GUESSER)
        reply = daemon.ask(client_address=GUESSER)
        told = why(daemon, GUESSER, 0)
        explained = daemon.journal(GUESSER)

    assert reply.startswith(f"521 5.7.1 {GUESSER} is shut out for a time")
    assert "auth.failed 5x" in told["bans"][0]["reason"]
    assert "SASL LOGIN authentication failed" in told["bans"][0]["evidence"][0]
    assert "banned.client" == explained[0]["decided_by"]
    assert not told["firewall"]


def test_an_admin_who_mistypes_twice_and_logs_in_is_never_banned(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        for _ in range(5):
            log.guess(ADMIN, 2)
            log.write(f"4jX1AzB: client=x[{ADMIN}], sasl_method=PLAIN, sasl_username=admin")
        log.guess(ADMIN, 20)
        log.guess(GUESSER)
        wait_banned(daemon, GUESSER)
        assert "somebody authenticated himself from there lately" == why(daemon, ADMIN, 1)["never"]
        daemon.kill()
        daemon.start()
        log.guess(ADMIN, 20)
        log.guess("198.51.100.99")
        wait_banned(daemon, GUESSER, "198.51.100.99")


def test_own_networks_and_exceptions_are_never_banned(server, tmp_path, log):
    with daemon_on(server, tmp_path, log, 'never = ["203.0.113.0/24"]') as daemon:
        log.guess("10.1.2.3", 50)
        log.guess("203.0.113.5", 50)
        log.guess("127.0.0.1", 50)
        log.guess(GUESSER)
        wait_banned(daemon, GUESSER)
        status, said = daemon.command("ban", "add", "10.1.2.3", "203.0.113.5", "0.0.0.0/0")

    assert (1, 3) == (status, said.count("not banned: "))


def test_what_we_refuse_ourselves_is_an_offence_and_its_log_line_is_not_another(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        for mail in range(3):
            reply = daemon.ask(client_address="192.0.2.7", helo_name="mx.example.net", instance=f"mail{mail}")
            assert reply.startswith("550 "), reply
            log.write(f"NOQUEUE: reject: RCPT from x[192.0.2.7]: {reply}; from=<a{mail}@b> to=<c@d>")
        log.guess(GUESSER)
        wait_banned(daemon, GUESSER)
        counted = why(daemon, "192.0.2.7", 1)["counted"]["mail"]

    assert {"refused.final": 3} == counted["rules"]


def test_while_our_resolver_is_ill_nothing_is_counted(tmp_path, log):
    with gatepost(tmp_path / "daemon", "", tables(log), dns="127.0.0.1:9") as daemon:
        log.guess(GUESSER, 50)
        wait_until(
            lambda: json.loads(daemon.command("ban", "stats", "--json")[1])["not_counted"] == 50, SECONDS
        )
        told = listed(daemon)

    assert [] == told["bans"]
    assert "offences are not counted now" in told["trouble"][0]


def test_bans_survive_kill_9_and_a_restart(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        daemon.command("ban", "add", "198.51.100.128/25", "--for", "1h", "--reason", "by hand", check=0)
        log.guess(GUESSER)
        wait_banned(daemon, "198.51.100.128/25", GUESSER)
        before = listed(daemon)["bans"]
        daemon.kill()
        assert before == listed(daemon)["bans"]  # from the store, without a daemon
        daemon.start()
        assert before == listed(daemon)["bans"]
        assert daemon.ask(client_address="198.51.100.200").startswith("521 ")


def test_lines_written_while_the_daemon_was_down_are_read_and_none_twice(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        log.guess(GUESSER, 1)
        wait_until(lambda: why(daemon, GUESSER, 1)["counted"], SECONDS)
        daemon.stop()
        log.guess(ADMIN)
        daemon.start()
        wait_banned(daemon, ADMIN)
        assert {} == why(daemon, GUESSER, 1)["counted"]


def test_a_ban_ends_on_time(server, tmp_path, log):
    with daemon_on(server, tmp_path, log, 'bantime = "2s"') as daemon:
        log.guess(GUESSER)
        wait_banned(daemon, GUESSER)
        (ban,) = listed(daemon)["bans"]
        wait_banned(daemon)
        late = time.time() - ban["until"]
        assert daemon.ask(client_address=GUESSER)[:3] != "521"

    assert late < 3


def test_commands_without_a_daemon_are_taken_up_by_it_and_from_beside_it(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        daemon.stop()
        daemon.command("ban", "add", GUESSER, ADMIN, check=0)
        daemon.start()
        assert {GUESSER, ADMIN} == set(banned(daemon))
        status, said = daemon.command("ban", "remove", GUESSER, "192.0.2.2")

    assert (1, True) == (status, "192.0.2.2: is not banned" in said)


def test_a_wide_ban_says_whom_it_would_shut_out(server, tmp_path, log):
    with daemon_on(server, tmp_path, log, '[greylist]\nwhen = "never"') as daemon:
        for number in (5, 6, 7):
            daemon.ask(client_address=f"203.0.113.{number}", instance=str(number))
        status, said = daemon.command("ban", "add", "203.0.113.0/24")
        assert (1, True) == (status, "3 senders in it delivered mail lately" in said)
        status, said = daemon.command("ban", "add", "203.0.113.0/24", "--force")

    assert (0, True) == (status, "covers 3 senders that delivered lately" in said)


def test_in_observe_mode_who_would_have_been_banned_is_told(server, tmp_path, log):
    with daemon_on(server, tmp_path, log, 'mode = "observe"') as daemon:
        log.guess(GUESSER)
        wait_until(lambda: listed(daemon)["observed"], SECONDS)
        told = listed(daemon)

    assert (GUESSER, [], "observe") == (told["observed"][0]["network"], told["bans"], told["mode"])


GUIDE = r"""
[[jail]]
name = "postfix-auth"
filter = 'lost connection after AUTH from (.*)\[<HOST>\]'
maxretry = 4
bantime = "10m"
ignoreip = "::1 111.222.333.444"
"""


def test_the_guides_jail_works_as_it_is_pasted(server, tmp_path, log):
    with daemon_on(server, tmp_path, log, GUIDE) as daemon:
        log.write(f"lost connection after AUTH from unknown[{GUESSER}]", 4)
        wait_banned(daemon, GUESSER)
        (ban,) = listed(daemon)["bans"]
        said = daemon.command("config", "check", check=0)[1]

    assert ("jail postfix-auth", 600, 4) == (
        ban["origin"],
        round(ban["until"] - ban["since"]),
        ban["offences"],
    )
    assert 'jail[0].ignoreip: "111.222.333.444" is no address or network; it is left out' in said
    assert ":19: " in said or "gatepost.toml:" in said
    assert "111.222.333.444" in daemon.logged()


def test_a_jail_whose_filter_is_gone_is_off_and_the_rest_goes_on(server, tmp_path, log):
    jail = '[[jail]]\nname = "gone"\nfilter = "/no/such/filter.conf"\n'
    with daemon_on(server, tmp_path, log, jail) as daemon:
        log.guess(GUESSER)
        wait_banned(daemon, GUESSER)
        told = listed(daemon)["trouble"]
        said = daemon.command("config", "check", check=0)[1]

    assert [
        "the jail gone is off: /no/such/filter.conf: there is no such filter, or it may not be read"
    ] == told
    assert "jail[0].filter: the jail is off" in said


def test_a_reload_takes_other_rules_and_keeps_what_was_counted(server, tmp_path, log):
    with daemon_on(server, tmp_path, log) as daemon:
        log.guess(GUESSER, 4)
        wait_until(lambda: why(daemon, GUESSER, 1)["counted"], SECONDS)
        daemon.write("dnsbl = []\ndnswl = []\nrhsbl = []\n", tables(log, 'never = ["192.0.2.0/24"]'))
        daemon.command("reload", check=0)
        log.guess("192.0.2.7", 50)
        log.guess(GUESSER, 1)
        wait_banned(daemon, GUESSER)


JOURNALCTL = """\
#!/bin/sh
# The real one, on the journal of this test instead of the machine's.
for word; do
    shift
    case $word in _MACHINE_ID=*) ;; *) set -- "$@" "$word" ;; esac
done
exec /usr/bin/journalctl --directory={folder} "$@"
"""


def test_offences_in_the_journal_lead_to_a_ban_and_are_gone_on_from_after_a_restart(server, tmp_path):
    folder, programs = tmp_path / "journal", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    program = programs / "journalctl"
    program.write_text(JOURNALCTL.format(folder=folder))
    program.chmod(0o755)
    top, said = "dnsbl = []\ndnswl = []\nrhsbl = []\n", '[ban]\nlogs = ["journal"]\n'
    guess = "warning: x[{}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    with gatepost(tmp_path / "daemon", top, said, dns=server.server, env=path) as daemon:

        def guessed():  # until journalctl is there, what is written is of before
            journal.write(folder, journal.entry(guess.format(GUESSER)))
            return banned(daemon) == [GUESSER]

        wait_until(guessed, 30, daemon.logged)
        daemon.stop()
        journal.write(folder, *(journal.entry(guess.format(ADMIN)) for _ in range(5)))
        daemon.start()
        wait_banned(daemon, GUESSER, ADMIN)


# --- with the firewall --------------------------------------------------------------------------------


class Nobody:
    """Stands for the control socket that the real daemon has."""

    watched = True

    def __init__(self, path):
        self.path = path

    def start(self):
        """The daemon has started it."""

    def stop(self):
        """The daemon will."""


def wall_of(daemon, tmp_path, street):
    folder = tmp_path / "wall"
    folder.mkdir()
    wall = Firewall(folder, street.server, control=Nobody(daemon.control))
    wall.config.write_text(wall.config.read_text().replace(f"{folder}/control.sock", str(daemon.control)))
    return wall


def test_the_kernel_follows_the_daemon_and_holds_while_it_is_down(server, tmp_path, log):
    with (
        daemon_on(server, tmp_path, log) as daemon,
        Street() as street,
        wall_of(daemon, tmp_path, street) as wall,
    ):
        listening = street.server.listen("198.51.100.1", 25)
        assert street.reaches(GUESSER)
        log.guess(GUESSER)
        wall.wait_for(GUESSER)
        assert not street.reaches(GUESSER)
        assert street.reaches(ADMIN)
        wait_until(lambda: listed(daemon)["packets"].get(GUESSER, 0) > 0, 15)
        assert listed(daemon)["firewall"]
        daemon.kill()
        wall.kill()
        assert not street.reaches(GUESSER)
        wall.start()
        wall.wait_for(GUESSER)
        daemon.start()
        daemon.command("ban", "add", ADMIN, check=0)
        wall.wait_for(GUESSER, ADMIN)
        daemon.command("ban", "remove", GUESSER, check=0)
        wall.wait_for(ADMIN)
        assert street.reaches(GUESSER)
        listening.close()


def test_twenty_thousand_bans_from_a_file_reach_the_kernel(server, tmp_path, log):
    names = tmp_path / "many"
    names.write_text("".join(f"100.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(20_000)))
    with (
        daemon_on(server, tmp_path, log) as daemon,
        Street() as street,
        wall_of(daemon, tmp_path, street) as wall,
    ):
        daemon.command("ban", "add", "--file", str(names), "--for", "1h", check=0)
        assert 20_000 == len(banned(daemon))
        wait_until(lambda: '"in_kernel": 20000' in daemon.command("ban", "stats", "--json")[1], 30)
        wall.stop()


def test_while_bans_cannot_be_read_the_kernel_keeps_those_it_has(server, tmp_path, log):
    with (
        daemon_on(server, tmp_path, log) as daemon,
        Street() as street,
        wall_of(daemon, tmp_path, street) as wall,
    ):
        daemon.command("ban", "add", GUESSER, check=0)
        wall.wait_for(GUESSER)
        daemon.stop()
        kept = daemon.state / "gatepost-kept.db"
        whole = kept.read_bytes()
        kept.unlink()
        kept.mkdir()  # nothing that SQLite can open
        daemon.start()
        wall.wait_logged("the bans cannot be read now")
        assert {GUESSER} == set(wall.kernel())
        kept.rmdir()
        kept.write_bytes(whole)
        wait_until(lambda: banned(daemon) == [GUESSER], 90)
        assert {GUESSER} == set(wall.kernel())
