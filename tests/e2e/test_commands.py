"""The commands, run as people run them, against a real daemon and a real name server."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.daemon import Daemon, gatepost
from support.dns_liar import Liar
from support.nsd import nsd, root_zone

ROOT = Path(__file__).parents[2]
ZONE = {
    "1.2.0.192.in-addr.arpa PTR": "mail.example.org",
    "mail.example.org A": "192.0.2.1",
    "7.2.0.192.in-addr.arpa PTR": "liar.example.org",
    "liar.example.org A": "192.0.2.77",
    "example.org MX": "10 mail.example.org",
    "example.net MX": "10 mail.example.org",
    "2.0.0.127.zen.spamhaus.org A": ["127.0.0.2", "127.0.0.4", "127.0.0.10"],
    "66.2.0.192.zen.spamhaus.org A": "127.0.0.2",
    "66.2.0.192.zen.spamhaus.org TXT": "https://check.spamhaus.org/query/ip/192.0.2.66",
    "66.2.0.192.in-addr.arpa PTR": "spam.example.org",
    "spam.example.org A": "192.0.2.66",
    "test.dbl.spamhaus.org A": "127.0.1.2",
    "2.0.0.127.list.dnswl.org A": "127.0.10.0",
}
CONFIG = '[ours]\nread_postfix = false\nnetworks = ["10.0.0.0/8"]\nnames = ["mx.example.net"]\n'
CONFIG += 'domains = ["example.net"]\n'
HONEST = {
    "client": "192.0.2.1",
    "helo": "mail.example.org",
    "sender": "anna@example.org",
    "recipient": "b@example.net",
}


@pytest.fixture(scope="module")
def dns():
    with nsd({".": root_zone(ZONE)}) as server:
        yield server.server


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "gatepost.toml"
    path.write_text(CONFIG)
    return path


def ask(*arguments, stdin=""):
    done = subprocess.run(
        [sys.executable, "-m", "gatepost", "ask", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    return done.returncode, done.stdout, done.stderr


def options(question):
    return [word for key, value in question.items() for word in (f"--{key}", value)]


def ask_json(dns, config, **question):
    status, output, errors = ask(*options(HONEST | question), "--dns", dns, "--config", config, "--json")
    assert errors == ""
    return status, json.loads(output)


def rules(answer):
    return {finding["rule"] for finding in answer["findings"]}


def test_an_honest_server_passes_with_status_0(dns, config):
    status, answer = ask_json(dns, config)

    assert (0, "pass", "DUNNO", 0) == (status, answer["action"], answer["reply"], answer["score"])
    assert "mail.example.org" == answer["client_name"]
    assert [] == answer["notes"]


def test_a_listed_client_is_refused_with_status_1_and_the_lists_own_words(dns, config):
    status, answer = ask_json(dns, config, client="192.0.2.66", helo="spam.example.org")

    assert (1, "reject") == (status, answer["action"])
    assert answer["reply"].startswith("554 5.7.1 ")
    assert "https://check.spamhaus.org/query/ip/192.0.2.66" in answer["reply"]
    assert {"dnsbl.zen.sbl"} == rules(answer)


def test_a_reverse_name_can_be_pretended(dns, config):
    _, looked_up = ask_json(dns, config, client="192.0.2.7")
    _, none = ask_json(dns, config, client="192.0.2.1", ptr="")
    _, another = ask_json(dns, config, client="192.0.2.77", ptr="liar.example.org")

    assert "ptr.mismatch" in rules(looked_up)
    assert "ptr.missing" in rules(none)
    assert not rules(another) & {"ptr.missing", "ptr.mismatch"}
    assert "liar.example.org" == another["client_name"]


def test_a_stranger_is_greylisted_by_the_strict_profile_and_always_new(dns, config):
    config.write_text('profile = "strict"\n' + CONFIG)

    for _ in range(2):
        status, answer = ask_json(dns, config)

        assert (1, "defer", "greylist.new") == (status, answer["action"], answer["decided_by"])


def test_the_delay_is_told_in_seconds(dns, config):
    config.write_text('profile = "strict"\n' + CONFIG + '[delay]\n"greylist.*" = "1500ms"\n')

    assert 1.5 == ask_json(dns, config)[1]["delay"]


def test_a_null_sender_is_greylisted_where_the_daemon_would_do_it(dns, config):
    config.write_text('profile = "strict"\n' + CONFIG)

    _, answer = ask_json(dns, config, sender="")

    assert ("defer", "DATA") == (answer["action"], answer["stage"])


def test_observe_lets_everything_pass_and_says_what_would_have_been(dns, config):
    config.write_text('mode = "observe"\n' + CONFIG)

    status, answer = ask_json(dns, config, client="192.0.2.66", helo="spam.example.org")

    assert (0, "pass", "DUNNO", "reject") == (status, answer["action"], answer["reply"], answer["observed"])


def test_thousands_are_answered_in_order_in_one_go(dns, config):
    questions = [HONEST | {"id": number} for number in range(2000)]
    questions[7] = HONEST | {"id": 7, "client": "192.0.2.66", "ptr": "spam.example.org"}
    lines = [json.dumps(question) for question in questions]
    lines[9] = '{"id": 9, "client": "192.0.2.1", "hello": "x"}'
    lines[11] = "not JSON"

    status, output, errors = ask("--json-lines", "--dns", dns, "--config", config, stdin="\n".join(lines))
    answers = [json.loads(line) for line in output.splitlines()]

    assert (0, "") == (status, errors)
    assert [*range(11), None, *range(12, 2000)] == [answer["id"] for answer in answers]
    assert "reject" == answers[7]["action"]
    assert "hello" in answers[9]["error"]
    assert {"pass"} == {a["action"] for a in answers if "error" not in a and a["id"] != 7}


def test_lines_that_are_no_questions_stop_no_others(dns, config):
    deep = "[" * 100_000
    nested = "[" * 500 + "]" * 500
    lines = [
        deep,
        f'{{"client": "192.0.2.1", "id": {nested}}}',
        '{"id": 3}',
        '{"client": "192.0.2.1", "id": [4]}',
    ]
    status, output, _ = ask("--json-lines", "--dns", dns, "--config", config, stdin="\n".join(lines))
    answers = [json.loads(line) for line in output.splitlines()]

    assert (0, [None, None, 3, [4]]) == (status, [answer["id"] for answer in answers])
    assert [True, True, True, False] == ["error" in answer for answer in answers]


def test_people_get_an_explanation_of_every_finding(dns, config):
    status, output, _ = ask(*options(HONEST | {"client": "192.0.2.7"}), "--dns", dns, "--config", config)

    assert 1 == status
    for part in (
        "ptr.mismatch",
        "does not lead back",
        "score      3, decided by greylist.new",
        "DEFER_IF_PERMIT",
    ):
        assert part in output


def test_a_store_is_asked_and_stays_as_it_is(dns, tmp_path):
    with gatepost(
        tmp_path / "daemon", '#tables\n[greylist]\nwhen = "stranger"\ndelay = "1h"\n', dns=dns
    ) as daemon:
        daemon.command("allow", "192.0.2.66", "--scope", "lists", check=0)
        daemon.ask(
            client_address="192.0.2.1",
            client_name="mail.example.org",
            reverse_client_name="mail.example.org",
            helo_name="mail.example.org",
            sender="anna@example.org",
            recipient="b@example.net",
        )
        where = (
            "--store",
            f"sqlite:{daemon.state}/gatepost.db",
            "--dns",
            dns,
            "--config",
            daemon.config,
            "--json",
        )
        known = json.loads(ask(*options(HONEST), *where)[1])
        again = json.loads(ask(*options(HONEST), *where)[1])
        new = json.loads(ask(*options(HONEST | {"sender": "new@example.org"}), *where)[1])
        new_again = json.loads(ask(*options(HONEST | {"sender": "new@example.org"}), *where)[1])
        excused = json.loads(ask(*options(HONEST | {"client": "192.0.2.66"}), *where)[1])

    assert ["greylist.early"] * 2 == [known["decided_by"], again["decided_by"]]
    assert ["greylist.new"] * 2 == [new["decided_by"], new_again["decided_by"]]
    assert "access.allow_lists" in rules(excused)


def test_a_refusal_can_be_explained_by_all_that_names_it(dns, tmp_path):
    with gatepost(tmp_path / "daemon", dns=dns) as daemon:
        reply = daemon.ask(
            client_address="192.0.2.66",
            client_name="spam.example.org",
            reverse_client_name="spam.example.org",
            helo_name="spam.example.org",
            sender="x@example.org",
            recipient="b@example.net",
        )
        reference = reply.split("(ref ")[1].split(")")[0]
        for what in (
            reference,
            reference.lower(),
            "192.0.2.66",
            "192.0.2.0/24",
            "x@example.org",
            "b@example.net",
            "@example.org",
        ):
            status, output = daemon.command("explain", what)
            assert (0, True) == (status, "dnsbl.zen.sbl" in output), what
            assert "gatepost allow 192.0.2.66 --scope lists" in output
        (found,) = daemon.journal(reference)
        nothing = daemon.command("explain", "nobody@example.com")

    assert "reject" == found["action"]
    assert 1 == nothing[0]


def test_own_lists_count_at_once_and_status_tells_how_it_is(dns, tmp_path):
    question = {
        "client_address": "192.0.2.1",
        "client_name": "mail.example.org",
        "reverse_client_name": "mail.example.org",
        "helo_name": "mail.example.org",
        "sender": "anna@example.org",
        "recipient": "b@example.net",
    }
    with gatepost(tmp_path / "daemon", dns=dns) as daemon:
        daemon.command("deny", "anna@example.org", "--comment", "asked to", check=0)
        denied = daemon.ask(**question)
        listed = json.loads(daemon.command("list", "--json", check=0)[1])
        daemon.command("deny", "anna@example.org", "--remove", check=0)
        passed = daemon.ask(**question)
        status = json.loads(daemon.command("status", "--json", check=0)[1])
        shown = daemon.command("status", check=0)[1]
        daemon.command("reload", check=0)
        good = daemon.config.read_text()
        daemon.config.write_text("mode = 1\n")
        broken = daemon.command("reload")
        daemon.config.write_text(good)
    gone = daemon.command("status")

    assert (True, True) == ("554" in denied, "DUNNO" in passed)
    assert [("anna@example.org", "sender", "asked to")] == [
        (e["what"], e["looks_at"], e["comment"]) for e in listed
    ]
    assert 1 == status["verdicts"]["reject"]
    assert "mode enforce" in shown
    assert 2 == broken[0]
    assert 1 == gone[0]


def test_what_is_entered_during_a_reload_counts_after_it(tmp_path):
    with Liar(lambda _query: None) as mute, gatepost(tmp_path, dns=mute.server) as daemon:
        reloading = threading.Thread(target=daemon.command, args=("reload",))
        reloading.start()
        daemon.wait_for("reload: reading")
        daemon.command("deny", "192.0.2.1", check=0)
        reloading.join()
        assert "554" in daemon.ask(client_address="192.0.2.1")


def test_a_second_daemon_with_the_same_control_socket_answers_mail_when_its_store_is_its_own(tmp_path):
    with gatepost(tmp_path / "a") as first:
        second = Daemon(tmp_path / "b")
        second.config.write_text(second.config.read_text().replace(str(second.control), str(first.control)))
        second.start()
        try:
            assert "DUNNO" == second.ask(client_address="10.0.0.1")
            assert f"another daemon has the control socket {first.control}" in second.logged()
        finally:
            second.stop()

        second.config.write_text(second.config.read_text().replace(str(second.state), str(first.state)))
        assert "another Gatepost" in second.command("run", check=2)[1]
        assert first.running()


def test_a_wrong_line_in_a_followed_map_stops_no_command_to_the_daemon(tmp_path):
    helo_access = tmp_path / "helo_access"
    helo_access.write_text("mail.example.org OK\n")
    lists = f'[access]\nhelo_access = ["{helo_access}"]\n'
    with gatepost(tmp_path / "daemon", tables=lists) as daemon:
        helo_access.write_text("mail.example.org NONSENSE\n")
        for words in (("status",), ("list",), ("expect", "b@example.net"), ("allow", "192.0.2.1")):
            daemon.command(*words, check=0)
        daemon.command("explain", "192.0.2.9", check=1)
        for words in (("reload",), ("config", "check")):
            assert f"{helo_access}:1: " in daemon.command(*words, check=2)[1]
