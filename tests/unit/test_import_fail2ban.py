"""fail2ban's jails mean here what they meant there, or it is told why not."""

import fnmatch
import sqlite3

import pytest

from gatepost.ban.fail2ban.jails import database_of, jails_of
from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.config.edit import with_settings
from gatepost.imports.fail2ban_bans import DatabaseError, running
from gatepost.imports.fail2ban_settings import Machine, settings_of
from gatepost.imports.fail2ban_time import seconds
from gatepost.imports.report import Report
from gatepost.setting import Setting

JAIL_CONF = """
[INCLUDES]
before = paths.conf
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1
bantime = 10m
findtime = 10m
maxretry = 5
backend = auto
enabled = false
mode = normal
filter = %(__name__)s[mode=%(mode)s]
action_ = %(banaction)s[port="%(port)s"]
action = %(action_)s
banaction = iptables
[postfix]
mode = more
port = smtp,465,submission
logpath = %(mail_log)s
[sshd]
port = ssh
logpath = /var/log/auth.log
"""
PATHS = "[DEFAULT]\nmail_log = /var/log/mail.log\n"
THERE = ("/var/log/mail.log", "/var/log/auth.log", "/var/log/mail.log.1")
NOW = 1_800_000_000


def taken_and_left(local, loads=lambda _: "", folder="/etc/fail2ban"):
    files = {"/f/jail.conf": JAIL_CONF, "/f/paths.conf": PATHS, "/f/jail.local": local}
    report = Report("fail2ban")
    machine = Machine(folder, loads, lambda pattern: fnmatch.filter(THERE, pattern))
    settings_of(jails_of(["/f/jail.conf", "/f/jail.local"], files.get, "/etc/fail2ban"), machine, report)
    return report.wishes, {one.what: one.why for one in report.not_taken}


def jails(local, **more):
    return [wish.setting.value for wish in taken_and_left(local, **more)[0] if wish.setting.path == ("jail",)]


def left(local, **more):
    return taken_and_left(local, **more)[1]


def test_a_jail_is_taken_with_all_its_numbers():
    local = (
        "[postfix]\nenabled = true\nmaxretry = 3\nfindtime = 1d 12h\nbantime = 2w\n"
        "ignoreip = %(mail_log)s 192.0.2.1\n"
    )
    assert jails(local) == [
        {
            "name": "postfix",
            "filter": "postfix[mode=more]",
            "logs": ["/var/log/mail.log"],
            "maxretry": 3,
            "findtime": "36h",
            "bantime": "2w",
            "ignoreip": ["192.0.2.1"],
        }
    ]


def test_only_jails_that_are_switched_on_are_taken():
    assert jails("") == []
    assert left("")["jails"] == "none is switched on"
    assert [jail["name"] for jail in jails("[DEFAULT]\nenabled = yes\n")] == ["postfix", "sshd"]


@pytest.mark.parametrize(
    ("said", "folder", "source"),
    [
        ("mode = x", "/etc/fail2ban", "postfix[mode=x]"),
        ("filter = postfix", "/etc/fail2ban", "postfix"),
        ('filter = own[a="b, c", d=\'"\']', "/etc/fail2ban", 'own[a="b, c", d=\'"\']'),
        ("filter = own[a=b]", "/srv/f", "/srv/f/filter.d/own.conf[a=b]"),
        ("filter = /srv/own.conf", "/srv/f", "/srv/own.conf"),
    ],
)
def test_a_filter_is_named_as_it_is(said, folder, source):
    assert jails(f"[postfix]\nenabled = 1\n{said}\n", folder=folder)[0]["filter"] == source


@pytest.mark.parametrize(
    ("said", "logs"),
    [
        ("backend = systemd", ["journal"]),
        (
            "logpath = /var/log/mail.log tail\n    /var/log/auth.log",
            ["/var/log/mail.log", "/var/log/auth.log"],
        ),
        ("logpath = /var/log/mail*", ["/var/log/mail.log", "/var/log/mail.log.1"]),
        ("logpath = /var/log/mail.log\n    /nowhere", ["/var/log/mail.log"]),
    ],
)
def test_logs(said, logs):
    assert jails(f"[postfix]\nenabled = 1\n{said}\n")[0]["logs"] == logs


@pytest.mark.parametrize(
    ("said", "what", "why"),
    [
        ("logpath = /nowhere", "jail postfix", "no log that is there"),
        ("logpath = /nowhere\n   /var/log/auth.log", "jail postfix: logpath /nowhere", "no such file"),
        ("filter = recidive", "jail postfix: filter recidive", "fail2ban's own bans"),
        ("filter = a[", "jail postfix: filter a[", "not a filter's name"),
        ("failregex = x <HOST>", "jail postfix: filter postfix[mode=more]", "the jail itself says failregex"),
        ("port = ssh,25", "jail postfix: port ssh", "closes the ports of mail"),
        ("maxretry = many", "jail postfix: maxretry = many", "no number"),
        ("bantime = soon", "jail postfix: bantime = soon", "no time"),
        ("bantime = -1", "jail postfix: bantime = -1", "a year"),
        ("ignorecommand = /bin/x <ip>", "jail postfix: ignorecommand = /bin/x <ip>", "no program is asked"),
        ("usedns = yes", "jail postfix: usedns = yes", "never looked up"),
        ("ignoreself = false", "jail postfix: ignoreself = false", "never ban ourselves"),
        ("ignoreip = mail.example.org", "jail postfix: ignoreip mail.example.org", "never looked up"),
        ("ignoreip = 111.222.333.444", "jail postfix: ignoreip 111.222.333.444", "no address"),
        (
            "action = %(action_)s\n    sendmail-whois[x=y]",
            "jail postfix: action sendmail-whois",
            "no programs",
        ),
        ("findtime = %(nobody)s", "jail postfix", "%(nobody)s"),
        ("journalmatch = _COMM=x", "jail postfix: journalmatch = _COMM=x", "mail servers"),
    ],
)
def test_what_has_no_counterpart_is_told(said, what, why):
    assert why in left(f"[postfix]\nenabled = true\n{said}\n")[what]


def test_a_filter_that_cannot_be_used_is_told():
    told = left("[postfix]\nenabled = true\n", loads=lambda source: f"{source}: no")
    assert told["jail postfix: filter postfix[mode=more]"] == "postfix[mode=more]: no"


def test_what_all_jails_spare_is_never_banned():
    wishes, told = taken_and_left(
        "[DEFAULT]\nignoreip = 127.0.0.1/8 ::1, 192.0.2.25/32 a.example\n[postfix]\nenabled = 1\n"
    )
    never = [wish.setting.value for wish in wishes if wish.setting.path == ("ban", "never")]
    assert never == ["192.0.2.25", "::1", "127.0.0.0/8"]
    assert "never looked up" in told["ignoreip a.example"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", {}),
        ("bantime.increment = true", {"grow": 2}),
        ("bantime.increment = true\nbantime.maxtime = 5w", {"grow": 2, "longest": "5w"}),
    ],
)
def test_bans_that_grow(said, expected):
    wishes, told = taken_and_left(f"[DEFAULT]\n{said}\n[postfix]\nenabled = 1\n")
    assert {
        w.setting.path[1]: w.setting.value for w in wishes if w.setting.path[1:] in (("grow",), ("longest",))
    } == expected
    assert ("bans that always last the same time" in told) is not bool(expected)


def test_how_they_grew_is_told():
    told = left(
        "[DEFAULT]\nbantime.increment = 1\n"
        "bantime.rndtime = 10m\nbantime.multipliers = 1 2 4\n[postfix]\nenabled = 1\n"
    )
    assert {"bantime.rndtime = 10m", "bantime.multipliers = 1 2 4"} <= set(told)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("600", 600), ("10m", 600), ("1h 30min", 5400), ("1d12h", 129600), ("1w", 604800),
        ("1h+30m", 5400), ("2 hours", 7200),
        ("-1", -1), ("1y", 31557600), ("1mo", 2629800), ("1.5h", 5400), ("1year-6mo", 15778800),
        ("", None), ("soon", None), ("3*60", None), ("1x", None), ("__import__('os')", None),
        ("9" * 30, None), ("m", None),
    ],
)  # fmt: skip
def test_times_of_fail2ban(text, expected):
    assert seconds(text) == expected


def test_where_its_database_is():
    files = {"/f/fail2ban.conf": "[DEFAULT]\ndbfile = /x/y.sqlite3\n[Definition]\n"}
    assert database_of(["/f/fail2ban.conf"], files.get) == "/x/y.sqlite3"
    files["/f/fail2ban.local"] = "[Definition]\ndbfile = None\n"
    assert database_of(["/f/fail2ban.conf"], files.get) == ""
    assert database_of([], files.get) == "/var/lib/fail2ban/fail2ban.sqlite3"


def test_jails_that_cannot_be_read_at_all():
    with pytest.raises(FilterError, match=r"/f/jail.conf:1: a value before"):
        jails_of(["/f/jail.conf"], {"/f/jail.conf": "x = 1\n"}.get, "/etc/fail2ban")


def database(tmp_path, rows):
    path = tmp_path / "b?a#n%.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE bips(ip, jail, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data)"
        )
        connection.executemany("INSERT INTO bips VALUES (?, ?, ?, ?, ?, '{}')", rows)
    connection.close()
    return path


def test_bans_in_force_are_taken_and_the_longest_of_a_network_counts(tmp_path):
    path = database(
        tmp_path,
        [
            ("192.0.2.1", "postfix", NOW - 100, 600, 1),
            ("192.0.2.1", "sshd", NOW - 50, 900, 2),
            ("::ffff:192.0.2.2", "postfix", NOW - 100, -1, 1),
            ("2001:DB8::1", "postfix", NOW - 100, 600, 3),
            ("192.0.2.4", "postfix", NOW - 1000, 600, 1),
            ("198.51.100.0/24", "postfix", NOW - 100, 600, 1),
            ("bob", "users", NOW - 100, 600, 1),
        ],
    )
    before = path.read_bytes()
    found = running(path, NOW)
    assert {ban.network: (ban.until, ban.times, ban.origin) for ban in found.bans} == {
        "192.0.2.1": (NOW + 850, 2, "fail2ban sshd"),
        "192.0.2.2": (None, 1, "fail2ban postfix"),
        "2001:db8::1": (NOW + 500, 3, "fail2ban postfix"),
        "198.51.100.0/24": (NOW + 500, 1, "fail2ban postfix"),
    }
    assert found.not_addresses == 1
    assert path.read_bytes() == before


def test_what_is_no_database_of_fail2ban(tmp_path):
    (tmp_path / "text").write_text("no database")
    with sqlite3.connect(tmp_path / "empty") as connection:
        connection.execute("CREATE TABLE bans(ip)")
    connection.close()
    for name, reason in (
        ("text", "SQLite says"),
        ("empty", "0.11"),
        ("missing", "no such file"),
        (".", "no such file"),
    ):
        with pytest.raises(DatabaseError, match=reason):
            running(tmp_path / name, NOW)


def test_a_jail_that_our_configuration_has_is_kept():
    text = '[[jail]]\nname = "a"\nfilter = "x"\n'
    (same, other, new) = with_settings(
        text,
        [
            Setting(("jail",), {"name": n, "filter": f}, how="append")
            for n, f in (("a", "x"), ("a", "y"), ("b", "x"))
        ],
    ).outcomes
    assert (same.done, same.text) == (True, "already so")
    assert not other.done
    assert (new.done, new.text) == (True, "written")
