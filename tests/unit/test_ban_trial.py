"""`gatepost ban test`: offences of an old log, and the bans that would have followed."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from gatepost.cli.main import main

START = 1_795_900_000
GUIDE = r"lost connection after AUTH from (.*)\[<HOST>\]"


def line(at, message, service="smtpd"):
    stamp = datetime.fromtimestamp(START + at, UTC).isoformat()
    return f"{stamp} mx postfix/{service}[21]: {message}"


def failed(at, address="192.0.2.7"):
    return line(at, f"warning: x[{address}]: SASL LOGIN authentication failed: x")


def lost(at, address="192.0.2.7"):
    return line(at, f"lost connection after AUTH from x[{address}]")


@pytest.fixture
def try_log(tmp_path, capsys):
    """Runs the command on some lines; every object that it prints."""
    config = tmp_path / "gatepost.toml"
    config.write_text("")

    def run(lines, *arguments, tables="", name="mail.log", pack=bytes):
        log = tmp_path / name
        log.write_bytes(pack("\n".join(lines).encode() + b"\n"))
        config.write_text(tables)
        with pytest.raises(SystemExit) as ended:
            main(["ban", "test", str(log), "--json", "--config", str(config), *arguments])
        assert 0 == ended.value.code
        return [json.loads(text) for text in capsys.readouterr().out.splitlines()]

    return run


def test_an_object_for_each_offence_then_one_for_each_ban(try_log):
    found = try_log([line(0, "connect from x[192.0.2.7]"), *(failed(at) for at in range(1, 6))])

    offences, (ban,) = found[:5], found[5:]
    assert [2, 3, 4, 5, 6] == [offence["line"] for offence in offences]
    assert {("192.0.2.7", "auth.failed", "mail")} == {(o["address"], o["rule"], o["jail"]) for o in offences}
    assert START + 1 == datetime.fromisoformat(offences[0]["time"]).timestamp()
    assert ("192.0.2.7", 5) == (ban["ban"], ban["offences"])
    assert (
        3600 == (datetime.fromisoformat(ban["until"]) - datetime.fromisoformat(ban["from"])).total_seconds()
    )
    assert START + 5 == datetime.fromisoformat(ban["from"]).timestamp()


def test_while_it_would_have_been_banned_nothing_more_counts(try_log):
    found = try_log([failed(at) for at in range(20)])

    assert 15 == sum(one.get("not_counted") == "banned already" for one in found)
    assert 1 == sum("ban" in one for one in found)


def test_the_next_ban_would_have_been_longer(try_log):
    found = try_log([failed(at) for start in (0, 4000) for at in range(start, start + 5)])

    lengths = [
        (datetime.fromisoformat(one["until"]) - datetime.fromisoformat(one["from"])).total_seconds()
        for one in found
        if "ban" in one
    ]
    assert [3600, 7200] == lengths


def test_who_logged_in_is_spared(try_log):
    login = line(0, "4jX1AzB: client=x[192.0.2.7], sasl_method=PLAIN, sasl_username=anna")

    found = try_log([login, *(failed(at) for at in range(1, 9))])

    assert {"somebody authenticated himself from there lately"} == {one["not_counted"] for one in found}


def test_a_filter_of_fail2ban_or_a_pattern_instead_of_our_rules(try_log):
    found = try_log([failed(0), *(lost(at) for at in range(1, 6))], "--filter", GUIDE)

    assert [2, 3, 4, 5, 6] == [one["line"] for one in found if "line" in one]
    assert ["192.0.2.7"] == [one["ban"] for one in found if "ban" in one]


def test_a_filter_file_with_a_mode(try_log, tmp_path):
    (tmp_path / "own.conf").write_text(
        "[Definition]\nmode = a\nfailregex = <re-<mode>>\n"
        "re-a = ^.*first \\[<HOST>\\]$\nre-b = ^.*second \\[<HOST>\\]$\n"
    )
    lines = [
        f"Nov 22 06:25:0{n} mx prog[1]: {word} [192.0.2.7]" for n, word in enumerate(("first", "second"))
    ]

    assert [1] == [one["line"] for one in try_log(lines, "--filter", str(tmp_path / "own.conf"))]
    assert [2] == [
        one["line"] for one in try_log(lines, "--filter", str(tmp_path / "own.conf"), "--mode", "b")
    ]


def test_jails_of_the_configuration_are_tried(try_log):
    terms = "maxretry = 4\nbantime = '10m'\nignoreip = '::1 1.2.3.444'\n"
    jail = f"[[jail]]\nname = 'guide'\nfilter = '{GUIDE}'\n{terms}"

    found = try_log([lost(at) for at in range(4)], tables=jail)

    assert {"mail", "guide"} == {one["jail"] for one in found if "line" in one}
    assert [600] == [
        (datetime.fromisoformat(one["until"]) - datetime.fromisoformat(one["from"])).total_seconds()
        for one in found
        if "ban" in one
    ]


def test_a_packed_log_is_read_as_it_is(try_log):
    assert 6 == len(try_log([failed(at) for at in range(5)], name="mail.log.2.gz", pack=gzip.compress))


def test_several_logs_are_told_apart(try_log, tmp_path):
    other = tmp_path / "mail.log.1"
    other.write_text(failed(0) + "\n")

    found = try_log([failed(1)], str(other))

    assert [str(tmp_path / "mail.log"), str(other)] == [one["file"] for one in found]


def test_for_people_there_are_tables(tmp_path, capsys):
    log, config = tmp_path / "mail.log", tmp_path / "gatepost.toml"
    config.write_text("")
    log.write_text("\n".join(failed(at) for at in range(5)) + "\n")

    with pytest.raises(SystemExit):
        main(["ban", "test", str(log), "--config", str(config)])

    said = capsys.readouterr().out
    assert "auth.failed" in said
    assert "192.0.2.7" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such.log"], "no-such.log"),
        (["x.log", "--mode", "a"], "--mode goes with --filter"),
        (["x.log", "--filter", "no <HERE>"], "filter"),
        (["x.log", "--filter", "/no/such/filter.conf"], "there is no such filter"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.log").write_text("")
    (tmp_path / "g.toml").write_text("")

    with pytest.raises(SystemExit) as ended:
        main(["ban", "test", *arguments, "--config", "g.toml"])

    assert 2 == ended.value.code
    assert told in capsys.readouterr().err


def test_our_own_networks_are_never_banned_here_either(try_log):
    own = '[ours]\nread_postfix = false\nnetworks = ["192.0.2.0/24"]\n'

    found = try_log([failed(at) for at in range(5)], tables=own)

    assert 5 * ["our own"] == [one.get("not_counted") for one in found]
