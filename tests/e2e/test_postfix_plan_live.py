"""What plan writes, in a real Postfix at every compatibility level: who is asked about, and who is not."""

import contextlib
import json
import os
import smtplib
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.plan import make_plan
from support.daemon import ROOT, gatepost
from support.door import HONEST, Session
from support.postfix import Postfix, free_port

OURS = "bob@example.net"
ELSEWHERE = "carol@example.org"
SETTINGS = {
    "smtpd_authorized_xclient_hosts": "127.0.0.0/8",
    "local_recipient_maps": "texthash:{home}/people",
    "mynetworks": "10.0.0.0/8",  # which the daemon of the tests takes for ours
}
TABLES = '[greylist]\nwhen = "stranger"\n'


class Planned:
    """A Postfix that was planned for, and the Gatepost that it asks."""

    def __init__(self, daemon, postfix):
        self.daemon, self.postfix = daemon, postfix

    def replies(self, *recipients, data=False, **who):
        who = HONEST | who
        session = Session(self.postfix.port, who["client"], who["name"], who["helo"])
        try:
            replies = session.rcpt(who["sender"], *recipients)
            return [*replies, session.data()] if data else replies
        finally:
            session.close()

    def asked(self, recipient):
        return len(self.daemon.journal(recipient))


@contextlib.contextmanager
def planned(folder, settings, services=()):
    """Postfix configured by `settings`, then as planned, with the real daemon behind it."""
    with (
        gatepost(folder, "", TABLES) as daemon,
        Postfix(
            settings=SETTINGS | settings, files={"people": "bob x\ndave x\n"}, services=services
        ) as postfix,
    ):
        line = OurLine(f"inet:127.0.0.1:{daemon.port}")
        for change in make_plan(read_instance(str(postfix.home / "etc")), line).changes:
            name = Path(change.path).relative_to(postfix.home)
            postfix.write_file(str(name), change.after)
        postfix.run("postfix", "check")
        postfix.reload()
        yield Planned(daemon, postfix)


@pytest.mark.parametrize("level", ["0", "2", "3.6"])
def test_at_every_compatibility_level(tmp_path, level):
    # Level 0 has no smtpd_relay_restrictions: Postfix refuses to run without anything that refuses relaying.
    old = (
        {"smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination"}
        if level == "0"
        else {}
    )
    with planned(tmp_path, {"compatibility_level": level, **old}) as up:
        assert ["450"] == [reply[:3] for reply in up.replies(OURS)]
        assert 1 == up.asked(OURS)

        assert up.replies(ELSEWHERE)[0][:3] in ("454", "554")  # defer_unauth_destination comes first at 3.6
        assert 0 == up.asked(ELSEWHERE)

        assert up.replies("nobody@example.net")[0].startswith("550 5.1.1")
        assert 0 == up.asked("nobody@example.net")

        assert up.replies(ELSEWHERE, client="10.1.2.3", name="")[0].startswith("250")
        assert up.replies("dave@example.net", sender=ELSEWHERE)[0].startswith("250")  # a correspondent

        rcpt, data = up.replies(OURS, sender="", data=True)
        assert ("250", "450") == (rcpt[:3], data[:3])

        up.daemon.stop()
        assert up.replies(OURS)[0].startswith("250")


@pytest.mark.parametrize("warns", ["", "warn_if_reject "])  # what it lets in is let in all the same
def test_whom_an_access_map_lets_in_is_judged_neither_at_rcpt_nor_at_data(tmp_path, warns):
    own = f"permit_mynetworks, reject_unauth_destination, {warns}check_client_access inline:{{192.0.2.7=OK}}"
    with planned(tmp_path, {"smtpd_recipient_restrictions": own}) as up:
        assert ["250", "250"] == [reply[:3] for reply in up.replies(OURS, data=True)]
        assert ["250", "250"] == [reply[:3] for reply in up.replies(OURS, sender="", data=True)]
        assert "450" == up.replies(OURS, client="192.0.2.8")[0][:3]


def test_mail_that_a_filter_hands_back_is_not_asked_about(tmp_path):
    port = free_port()
    services = [f"127.0.0.1:{port} inet n - n - - smtpd -o content_filter=", "[::1]:25 inet n - n - - smtpd"]
    settings = {"mynetworks": "127.0.0.0/8", "smtpd_authorized_xclient_hosts": ""}
    with planned(tmp_path, settings, services) as up, smtplib.SMTP("127.0.0.1", port) as smtp:
        assert {} == smtp.sendmail("alice@example.org", OURS, "Subject: back\r\n\r\nback\r\n")
        assert 0 == up.asked(OURS)


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "gatepost", "postfix", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def configured(tmp_path):
    """A Postfix's folder and a configuration file of ours."""
    (tmp_path / "main.cf").write_text("myhostname = mx.example.net\n")
    (tmp_path / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    (tmp_path / "gatepost.toml").write_text('[listen]\npolicy = ["unix:/x", "inet:*:10923"]\n')
    return tmp_path


def test_the_command_shows_reasons_and_a_diff_and_changes_nothing(configured):
    before = {path: path.read_bytes() for path in configured.iterdir()}
    status, out, _ = run("plan", "-c", str(configured), "--config", str(configured / "gatepost.toml"))

    assert 0 == status
    for text in (
        "smtp/inet: mail from strangers",
        "  - bounces are greylisted at DATA",
        "inet:127.0.0.1:10923",
    ):
        assert text in out
    assert before == {path: path.read_bytes() for path in configured.iterdir()}


def test_the_command_for_programs(configured):
    arguments = ("plan", "-c", str(configured), "--config", str(configured / "gatepost.toml"), "--json")
    told = json.loads(run(*arguments)[1])

    assert [False, "inet:127.0.0.1:10923", [str(configured / "main.cf")]] == [
        told["empty"],
        told["asks"],
        told["files"],
    ]
    assert [
        "smtpd_recipient_restrictions",
        "smtpd_data_restrictions",
        "smtpd_helo_required",
    ] == [setting["parameter"] for setting in told["settings"]]


@pytest.mark.parametrize("command", [("plan",), ("audit", "--no-probe"), ("apply", "--dry-run")])
def test_without_a_folder_it_is_the_one_that_postconf_finds(configured, command):
    status, out, err = run(*command, MAIL_CONFIG=str(configured))

    assert status in (0, 1), err
    assert f"{configured}" in out


def test_a_postgrey_that_stays_is_told(configured):
    own = "reject_unauth_destination, check_policy_service unix:postgrey/socket"
    (configured / "main.cf").write_text(f"smtpd_recipient_restrictions = {own}\n")
    arguments = ("-c", str(configured), "--config", str(configured / "gatepost.toml"), "--json")

    (note,) = json.loads(run("plan", *arguments)[1])["notes"]
    assert "postgrey is asked as well, at unix:postgrey/socket" in note
    assert [] == json.loads(run("plan", "--take-over", *arguments)[1])["notes"]


def test_what_is_refused_names_file_line_and_reason(configured):
    (configured / "main.cf").write_text("# mine\nmyhostname = @@HOST@@\n")
    status, _, err = run("plan", "-c", str(configured))

    assert 2 == status
    assert f'{configured}/main.cf:2: "@@HOST@@" looks like a template that was never filled in' in err


def test_exceptions_stay_beside_what_our_configuration_says_otherwise(configured):
    (configured / "friends").write_text("192.0.2.7 OK\n")
    (configured / "main.cf").write_text(
        f"smtpd_client_restrictions = check_client_access texthash:{configured}/friends, "
        "reject_unknown_reverse_client_hostname\n"
    )
    with (configured / "gatepost.toml").open("a") as file:
        file.write('[rules]\n"ptr.missing" = 5\n')
    arguments = ("-c", str(configured), "--config", str(configured / "gatepost.toml"), "--json")
    told = json.loads(run("plan", "--take-over", *arguments)[1])

    assert ([], "our configuration is kept: the file says 5 already") == (
        told["taken_over"],
        told["left"][0]["reason"],
    )
