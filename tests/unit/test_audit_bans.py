"""What the audit reads about bans: fail2ban's jails, programs that run, logs that a user may read."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from gatepost.ban.options import BanOptions
from gatepost.postfix.audit.bans import jail_files, may_read, read_bans, runs
from gatepost.postfix.audit.jails import Jail, jails
from gatepost.postfix.program import Ran

DEBIAN = """\
[INCLUDES]
before = paths-debian.conf
[DEFAULT]
#ignoreip = 192.0.2.1
mode = normal
filter = %(__name__)s[mode=%(mode)s]
maxretry = 5
enabled = false
[sshd]
port = ssh
[postfix]
mode    = more
logpath = %(postfix_log)s
[postfix-rbl]
filter   = postfix[mode=rbl]
maxretry = 1
[dovecot]
port    = pop3,sieve
[postfix-sasl]
filter   = postfix[mode=auth]
"""


def made(*texts):
    return jails([(f"/f/{number}", text) for number, text in enumerate((DEBIAN, *texts))])


def test_nothing_is_on_as_it_comes():
    assert () == made()


def test_what_is_on_is_found_with_its_mode_and_place():
    local = "[DEFAULT]\nignoreip = ::1 111.222.333.444\n\n[postfix]\nenabled = true\n[sshd]\nenabled = true\n"
    spared = ("::1", "111.222.333.444")

    assert (Jail("postfix", "postfix", "more", "5", spared, "/f/1:5"),) == made(local)


def test_a_later_file_counts():
    on, off = "[postfix-rbl]\nenabled = yes ; as asked for\n", "[postfix-rbl]\nenabled = false\n"

    assert () == made(on, off)
    assert ("rbl", "1", "/f/2:2") == tuple(
        getattr(one, name) for one in made(off, on) for name in ("mode", "maxretry", "place")
    )


def test_all_of_them_can_be_on():
    names = [(one.filter, one.mode) for one in made("[DEFAULT]\nenabled = true\n")]

    assert [("postfix", "more"), ("postfix", "rbl"), ("dovecot", "normal"), ("postfix", "auth")] == names


def test_the_mode_that_nobody_names_is_that_of_the_filter():
    assert ["more"] == [one.mode for one in made("[mine]\nenabled = 1\nfilter = postfix\n")]


@pytest.mark.parametrize(
    "text", ["no section", "[postfix\nenabled", "[a]\nenabled = true\nfilter = %(filter)s\n", "\0"]
)
def test_what_fail2ban_would_not_read_either_is_left_out(text):
    assert ("postfix",) == tuple(one.name for one in made(text, "[postfix]\nenabled = true\n"))


def test_files_are_read_in_the_order_of_fail2ban(tmp_path):
    (tmp_path / "jail.d").mkdir()
    order = ["jail.conf", "jail.d/a.conf", "jail.d/b.conf", "jail.local", "jail.d/a.local"]
    for name in reversed(order):
        (tmp_path / name).write_text(name)

    assert [(f"{tmp_path}/{name}", name) for name in order] == [*jail_files(tmp_path)]


@pytest.mark.parametrize(
    ("words", "so"),
    [
        (["/usr/bin/python3", "/usr/local/bin/gatepost", "firewall", "-v"], True),
        (["gatepost", "firewall"], True),
        (["python3", "-m", "gatepost", "firewall"], True),
        (["/usr/local/bin/gatepost", "run"], False),
        (["grep", "-r", "gatepost", "firewall"], False),
        (["gatepost"], False),
    ],
)
def test_a_program_runs_by_itself_or_by_an_interpreter(words, so):
    assert so == runs([["/sbin/init"], words], "gatepost", "firewall")


def test_where_nothing_can_be_seen_nothing_is_known_to_run():
    assert runs([], "gatepost", "firewall") is None


@pytest.mark.parametrize(
    ("mode", "folder", "so"),
    [
        *((0o640, 0o755, True), (0o604, 0o755, False), (0o640, 0o750, True)),
        *((0o640, 0o700, False), (0o600, 0o755, False)),
    ],
)
def test_a_member_of_a_files_group_reads_by_its_permissions(mode, folder, so):
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        log = Path(name, "mail.log")
        log.write_text("")
        log.chmod(mode)
        log.parent.chmod(folder)
        owner, group = log.stat().st_uid, log.stat().st_gid

        assert so == may_read(str(log), owner + 4711, {group})
        assert may_read(str(log), 0, set())


@pytest.mark.parametrize("user", [0, 4711])
def test_a_log_that_is_not_there_can_be_read_by_nobody(tmp_path, user):
    assert may_read(str(tmp_path / "none"), user, set()) is False


def test_what_systemd_says_is_taken(tmp_path):
    async def systemctl(arguments, seconds):
        if arguments[1] == "is-enabled":
            return Ran(
                1,
                "",
                "Failed to get unit file state for gatepost-firewall.service: No such file or directory",
            )
        return Ran(0, "User=root\nSupplementaryGroups=adm\n")

    (tmp_path / "mail.log").write_text("")
    told = asyncio.run(read_bans(BanOptions(mode="observe", logs=(f"{tmp_path}/mail.log",)), systemctl))

    assert ("observe", "not installed", "root") == (told.mode, told.unit, told.user)
    assert ((f"{tmp_path}/mail.log",), ()) == (told.read, told.unread)


def test_without_systemd_the_machine_is_looked_at():
    async def nothing(arguments, seconds):
        return Ran(-1, err="systemctl: no such file or directory")

    told = asyncio.run(read_bans(BanOptions(), nothing))

    assert ("", "gatepost") == (told.unit, told.user)
