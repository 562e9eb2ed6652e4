"""`gatepost postfix audit`, run as people run it, against a real Postfix, which shows that it is right."""

import contextlib
import json
import os
import smtplib
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gatepost.postfix.audit import machine
from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.planning.plan import make_plan
from support.daemon import ROOT, gatepost
from support.postfix import Postfix
from support.postfix_instance import LINE

pytestmark = pytest.mark.e2e

GOOD = {
    "mynetworks": "127.0.0.1/32",
    "mydestination": "example.net",
    "local_recipient_maps": "texthash:{home}/people",
    "disable_vrfy_command": "yes",
    "smtpd_helo_required": "yes",
    "smtpd_recipient_restrictions": "permit_mynetworks, permit_sasl_authenticated, "
    "reject_unauth_destination, reject_unlisted_recipient, "
    "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO }",
}
FILES = {"people": "postmaster x\nbob x\n"}
OURS, OUTSIDE = "postmaster@example.net", "someone@elsewhere.example"


def audit(postfix, *arguments, config="", ban="off"):
    """Exit status, and what was printed. What of bans the machine has is no matter of most tests."""
    given = postfix.write_file("gatepost.toml", f'{config}\n[ban]\nmode = "{ban}"\n')
    command = [sys.executable, "-m", "gatepost", "postfix", "audit", "-c", f"{postfix.home}/etc"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [*command, "--config", str(given), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert "" == done.stderr
    return done.returncode, done.stdout


def found(postfix, *arguments, **settings):
    """Exit status, and the findings by name."""
    status, said = audit(postfix, "--json", *arguments, **settings)
    return status, {one["name"]: one for one in json.loads(said)["findings"]}


def rcpt(postfix, recipient):
    """What a client on this machine is told about a recipient."""
    with smtplib.SMTP(postfix.host, postfix.port, "client.example.org", timeout=20) as session:
        session.ehlo()
        session.mail("a@sender.example")
        return session.rcpt(recipient)


@pytest.fixture(scope="module")
def good():
    with Postfix(settings=GOOD, files=FILES) as postfix:
        yield postfix


def test_a_good_server_has_nothing_serious(good):
    status, names = found(good)
    assert {} == names
    assert 0 == status


def test_people_are_told_that_nothing_is_wrong(good):
    assert (0, "Nothing is wrong, as far as can be seen.\n") == audit(good)


def test_an_open_relay_is_found_by_configuration_and_by_trying():
    with Postfix(settings=GOOD | {"mynetworks": "0.0.0.0/0"}, files=FILES) as postfix:
        status, names = found(postfix)
        assert {"relay.networks", "relay.probed"} == set(names)
        assert "was answered 250" in names["relay.probed"]["evidence"]
        assert f"{postfix.home}/etc/main.cf:" in names["relay.networks"]["evidence"]
        assert 1 == status
        assert {"relay.networks"} == set(found(postfix, "--no-probe")[1])


def test_an_open_relay_that_no_reading_shows_is_found_by_trying():
    clients = "check_client_access pipemap:{static:anything,static:OK}, reject_unauth_destination"
    own = {"smtpd_relay_restrictions": clients, "smtpd_recipient_restrictions": ""}
    with Postfix(settings=GOOD | own, files=FILES) as postfix:
        status, names = found(postfix)
        assert {"relay.probed", "relay.table"} == set(names)
        assert 1 == status


def test_what_to_do_is_printed_to_be_copied():
    with Postfix(settings=GOOD | {"smtpd_helo_required": "no"}, files=FILES) as postfix:
        status, said = audit(postfix)
        assert f"    In {postfix.home}/etc/main.cf:\n    smtpd_helo_required = yes\n" in said
        assert "0 serious, 1 warning, 0 note" in said
        assert 0 == status


def test_a_server_that_does_not_run_is_read_all_the_same(good):
    other = good.home / "other"
    other.mkdir(exist_ok=True)
    main = (good.home / "etc/main.cf").read_text().replace(f"{good.home}/queue", f"{good.home}/none")
    (other / "main.cf").write_text(main)
    (other / "master.cf").write_text((good.home / "etc/master.cf").read_text())
    status, names = found(good, "-c", str(other))
    assert {"relay.unprobed"} == set(names)
    assert 0 == status


def test_a_configuration_that_cannot_be_read_is_told_with_its_place(tmp_path):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nthis is no setting\n")
    (tmp_path / "master.cf").write_text("")
    command = [sys.executable, "-m", "gatepost", "postfix", "audit", "-c", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert 2 == done.returncode
    assert f"{tmp_path}/main.cf:2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_postfix_is_wrong_usage(tmp_path):
    command = [sys.executable, "-m", "gatepost", "postfix", "audit", "-c", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert 2 == done.returncode
    assert "main.cf" in done.stderr
    assert "Traceback" not in done.stderr


# --- what the findings say is what Postfix does -------------------------------------------------------

ANSWERS = [
    (
        "words.unknown",
        {"smtpd_data_restrictions": "", "smtpd_recipient_restrictions": "reject_unknown_sender"},
        451,
    ),
    ("tables.missing", {"smtpd_recipient_restrictions": "check_client_access hash:{home}/gone"}, 451),
    ("tables.missing", {"smtpd_recipient_restrictions": "check_client_access cidr:{home}/gone"}, 451),
    ("tables.no_type", {"smtpd_recipient_restrictions": "check_client_access lmdb:{home}/x"}, 451),
    ("policy.stops_mail", {"smtpd_recipient_restrictions": "check_policy_service inet:127.0.0.1:1"}, 451),
    (
        "policy.refuses",
        {
            "smtpd_recipient_restrictions": "check_policy_service { inet:127.0.0.1:1, timeout=1s, "
            "{ default_action = REJECT down } }"
        },
        554,
    ),
    ("patterns.host_bits", {"mynetworks": "192.168.1.5/24"}, 451),
    ("patterns.no_file", {"mynetworks": "{home}/gone"}, 451),
    ("leftover.soft_bounce", {"soft_bounce": "yes", "smtpd_recipient_restrictions": "reject"}, 454),
]


@pytest.mark.parametrize(("name", "settings", "code"), ANSWERS, ids=[f"{n}-{c}" for n, _, c in ANSWERS])
def test_mail_for_us_is_refused_as_the_finding_says(name, settings, code):
    own = {
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "mynetworks": "10.0.0.0/8",
    }
    with Postfix(settings=GOOD | own | settings, files=FILES) as postfix:
        assert code == rcpt(postfix, OURS)[0]
        assert name in found(postfix, "--no-probe")[1]


FATAL = [
    (
        "relay.unguarded",
        {"smtpd_relay_restrictions": "permit_mynetworks", "smtpd_recipient_restrictions": ""},
    ),
    ("relay.unguarded", {"smtpd_relay_restrictions": "permit, reject", "smtpd_recipient_restrictions": ""}),
    ("words.class", {"smtpd_restriction_classes": "strict"}),
    ("patterns.brackets", {"mynetworks": "127.0.0.1/32 ::1/128"}),
]


@pytest.mark.parametrize(
    ("name", "settings"), FATAL, ids=["no guard", "never reached", "undefined class", "brackets"]
)
def test_smtpd_ends_as_the_finding_says(name, settings):
    with Postfix(settings=GOOD | settings, files=FILES) as postfix:
        assert "smtpd[" in postfix.wait_for_log("fatal:")
        status, names = found(postfix)
        assert {name, "relay.unprobed"} <= set(names)
        assert "smtpd does not start" == names["relay.unprobed"]["evidence"]
        assert 1 == status


RELAYS = [
    ("relay.everything", {"relay_domains": "static:all"}, 250),
    ("relay.everything", {"relay_domains": "regexp:{home}/all"}, 250),
    ("relay.star", {"relay_domains": "*"}, 454),
    ("relay.forgeable", {"smtpd_relay_restrictions": "check_sender_access texthash:{home}/s, reject"}, 250),
    ("relay.broad_ok", {"smtpd_relay_restrictions": "check_client_access cidr:{home}/c, reject"}, 250),
]


@pytest.mark.parametrize(("name", "settings", "code"), RELAYS, ids=[f"{n}-{c}" for n, _, c in RELAYS])
def test_outside_mail_is_relayed_or_not_as_the_finding_says(name, settings, code):
    own = {"mynetworks": "10.0.0.0/8", "smtpd_recipient_restrictions": ""}
    files = FILES | {"all": "/./ OK\n", "s": "a@sender.example OK\n", "c": "0.0.0.0/0 OK\n"}
    with Postfix(settings=GOOD | own | settings, files=files) as postfix:
        assert code == rcpt(postfix, OUTSIDE)[0]
        assert name in found(postfix, "--no-probe")[1]


def test_a_milter_that_is_down_stops_mail_as_the_finding_says():
    with Postfix(settings=GOOD | {"smtpd_milters": "inet:127.0.0.1:1"}, files=FILES) as postfix:
        with smtplib.SMTP(postfix.host, postfix.port, "client.example.org", timeout=20) as session:
            session.ehlo()
            assert 451 == session.mail("a@sender.example")[0]
        assert "milter.stops_mail" in found(postfix, "--no-probe")[1]


def test_a_stale_table_is_found():
    table = {"transport_maps": "hash:{home}/transport"}
    with Postfix(settings=GOOD | table, files=FILES | {"transport": "a.example :\n"}) as postfix:
        postfix.run("postmap", f"hash:{postfix.home}/transport")
        assert {} == found(postfix)[1]
        (postfix.home / "transport").touch()
        os.utime(postfix.home / "transport", (2e9, 2e9))
        assert {"tables.stale"} == set(found(postfix, "--no-probe")[1])


def test_remedies_for_policy_services_are_understood_by_postfix():
    line = "check_policy_service { inet:127.0.0.1:1, { policy_context = two words } }"
    with Postfix(settings=GOOD | {"smtpd_recipient_restrictions": line}, files=FILES) as postfix:
        remedy = found(postfix, "--no-probe")[1]["policy.stops_mail"]["remedy"].splitlines()[-1]
        postfix.settings["smtpd_recipient_restrictions"] = remedy
        postfix.write()
        postfix.reload()
        assert 250 == rcpt(postfix, OURS)[0]
        assert "policy.stops_mail" not in found(postfix, "--no-probe")[1]


# --- what is read of the machine ----------------------------------------------------------------------


def test_a_policy_service_that_listens_to_everybody_is_found_with_its_name():
    with socket.create_server(("0.0.0.0", 0)) as service:
        port = service.getsockname()[1]
        line = f"check_policy_service {{ inet:127.0.0.1:{port}, timeout=6s, default_action=DUNNO }}"
        with Postfix(settings=GOOD | {"smtpd_recipient_restrictions": line}, files=FILES) as postfix:
            status, names = found(postfix, "--no-probe")
    assert {"sockets.open"} == set(names)
    assert f"(pid {os.getpid()}) listens at 0.0.0.0 port {port}" in names["sockets.open"]["evidence"]
    assert 0 == status


def test_a_unix_socket_for_everybody_is_found():
    line = "check_policy_service { unix:private/spf, timeout=6s, default_action=DUNNO }"
    with Postfix(settings=GOOD | {"smtpd_recipient_restrictions": line}, files=FILES) as postfix:
        path = postfix.home / "queue/private/spf"
        with socket.socket(socket.AF_UNIX) as service:
            service.bind(str(path))
            path.chmod(0o666)
            assert {"sockets.world"} == set(found(postfix, "--no-probe")[1])
            path.chmod(0o660)
            assert {} == found(postfix, "--no-probe")[1]


@contextlib.contextmanager
def policy_service(path):
    """Always answers DUNNO."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client:
                    while client.recv(65536).endswith(b"\n\n"):
                        client.sendall(b"action=DUNNO\n\n")

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o666)
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_a_socket_that_the_chroot_hides_is_found_and_postfix_does_not_reach_it():
    line = "check_policy_service { unix:{home}/spf, timeout=2s, { default_action = 451 no service } }"
    own = {"smtpd_recipient_restrictions": line, "mynetworks": "10.0.0.0/8"}
    with Postfix(settings=GOOD | own, files=FILES) as postfix, policy_service(postfix.home / "spf"):
        assert 250 == rcpt(postfix, OURS)[0]
        assert "sockets.chroot" not in found(postfix, "--no-probe")[1]
        master = (postfix.home / "etc/master.cf").read_text()
        postfix.write_file("etc/master.cf", master.replace("inet n - n - - smtpd", "inet n - y - - smtpd", 1))
        postfix.reload()
        assert 451 == rcpt(postfix, OURS)[0]
        status, names = found(postfix, "--no-probe")
    assert "sockets.chroot" in names
    assert 1 == status


def test_a_gateway_that_hides_everybody_is_seen_in_the_log():
    with Postfix(settings=GOOD | {"mynetworks": "127.0.0.1/32 10.0.0.0/24"}, files=FILES) as postfix:
        line = "Nov 28 05:33:15 mx postfix/smtpd[{}]: connect from unknown[10.0.0.1]\n"
        with (postfix.home / "maillog").open("a") as log:
            log.writelines(line.format(number) for number in range(30))
        status, names = found(postfix, "--no-probe")
    assert {"hidden.relays"} == set(names)
    assert f"{postfix.home}/maillog: the latest 30 connections" in names["hidden.relays"]["evidence"]
    assert 1 == status


def test_a_real_connection_is_read_from_a_real_log(good):
    rcpt(good, OURS)
    good.wait_for_log("disconnect from")
    assert machine.connections(good.log())["127.0.0.1"] >= 1


def test_a_guesser_of_passwords_is_stopped_by_nobody_until_postfix_asks_before_its_greeting(tmp_path):
    logs_in = GOOD | {"smtpd_sasl_auth_enable": "yes"}
    with Postfix(settings=logs_in, files=FILES) as postfix, gatepost(tmp_path, "", "[ban]\nlogs = []\n"):
        seen = found(postfix, "--no-probe", ban="enforce")[1]["bans.no_firewall"]["evidence"]
        assert f"{postfix.host}:{postfix.port}/inet: not asked before AUTH" in seen

        for change in make_plan(read_instance(f"{postfix.home}/etc"), LINE, ban=True).changes:
            postfix.write_file(str(Path(change.path).relative_to(postfix.home)), change.after)
        assert "bans.no_firewall" not in found(postfix, "--no-probe", ban="enforce")[1]
