"""Commands say what they did or what is wrong, without a traceback, and print nothing harmful."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.cli.advice import advice
from gatepost.cli.bandesk import fitting
from gatepost.cli.main import COMMANDS
from gatepost.cli.question import QuestionError, id_of, read_question, request_of
from gatepost.cli.show import harmless
from gatepost.clock import SystemClock
from gatepost.model import Stage
from gatepost.server.control import MAX_LINE
from gatepost.store.base import Ban, JournalEntry
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gatepost(tmp_path):
    """Runs a command on a store of its own; exit status, output, errors."""
    config = tmp_path / "gatepost.toml"
    config.write_text(
        f'[store]\nurl = "sqlite:{tmp_path}/state/gatepost.db"\n'
        f'[control]\nsocket = "{tmp_path}/control.sock"\n'
    )

    def run(*arguments, code=None):
        command = ["-c", code] if code else ["-m", "gatepost", *arguments, "--config", str(config)]
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    run.config = config
    return run


def entry(**values):
    known = {
        "time": 1_700_000_000.0,
        "reference": "ABCD2345",
        "stage": "RCPT",
        "action": "reject",
        "reply": "550 5.7.1 no",
        "score": 0.0,
        "decided_by": "helo.ours",
        "client_address": "192.0.2.1",
        "client_name": "unknown",
        "reverse_client_name": "unknown",
        "helo_name": "mail.example.org",
        "sender": "a@example.org",
        "recipient": "b@example.net",
        "instance": "1",
    }
    return JournalEntry(**known | values)


# --- the command line as such --------------------------------------------------------------------------


def test_help_names_every_command_and_imports_none(gatepost):
    status, output, errors = gatepost(
        code="import sys\n"
        "from gatepost.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n"
        "    heavy = {'asyncio', 'rich', 'sqlite3', 'gatepost.config.load'} & set(sys.modules)\n"
        "    print('heavy:', sorted(heavy))\n"
        "    raise\n"
    )

    assert (0, "") == (status, errors)
    assert all(f"\n  {command} " in output for command in COMMANDS)
    assert "heavy: []" in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("stat",), "Did you mean 'status'"),
        (("allow",), "Missing argument"),
        (("allow", "192.0.2.1/24"), "neither an address nor a network"),
        (("allow", "x.example.org", "--helo", "--client"), "do not go together"),
        (("allow", "192.0.2.1", "--for", "a while"), "--for:"),
        (("expect", "anna@example.net", "--for", "0s"), "--for:"),
        (("ask",), "--client"),
        (("ask", "--client", "mail.example.org"), "is no IP address"),
        (("ask", "--json-lines", "--helo", "x"), "standard input"),
        (("run", "--listen", "10023"), "--listen:"),
        (("run", "--store", "mysql:x"), "--store:"),
        (("deny", b"\xff\x1b[2J"), "an entry is"),
    ],
)
def test_wrong_usage_is_told_with_status_2_and_no_traceback(gatepost, arguments, told):
    status, output, errors = gatepost(*arguments)

    assert (2, "") == (status, output)
    assert told in errors
    assert "Traceback" not in errors


def test_every_command_tells_all_that_is_wrong_with_the_configuration(gatepost):
    gatepost.config.write_text('mode = 1\nprofil = "strict"\n')

    for command in (
        ["list"],
        ["status"],
        ["explain", "x"],
        ["ask", "--client", "192.0.2.1"],
        ["config", "check"],
    ):
        status, output, errors = gatepost(*command)
        assert (2, "", 2) == (status, output, len(errors.splitlines())), command

    status, output, _ = gatepost("config", "check", "--json")
    problems = json.loads(output)["problems"]
    assert (2, [1, 2], ["mode", "profil"]) == (
        status,
        [p["line"] for p in problems],
        [p["key"] for p in problems],
    )


def test_without_a_daemon_the_answer_is_no(gatepost):
    assert [1, 1, 1] == [
        gatepost(*command)[0] for command in (["status"], ["reload"], ["explain", "192.0.2.1"])
    ]
    assert {"running": False} == {"running": json.loads(gatepost("status", "--json")[1])["running"]}


# --- own lists -----------------------------------------------------------------------------------------


def test_entries_come_and_go_without_a_daemon(gatepost):
    gatepost("allow", "192.0.2.0/24", "--scope", "lists", "--for", "30d", "--comment", "by \x1b[31mmistake")
    gatepost("deny", "bad@example.org")
    gatepost("expect", "anna@example.net")
    status, output, _ = gatepost("list")
    listed = json.loads(gatepost("list", "--json")[1])
    removed = [gatepost("allow", "192.0.2.0/24", "--remove")[0] for _ in range(2)]

    assert 0 == status
    assert "\x1b" not in output
    assert "by \\x1b[31mmistake" in output
    assert [
        ("allow", "192.0.2.0/24", "client", "lists"),
        ("deny", "bad@example.org", "sender", "all"),
        ("expect", "anna@example.net", "recipient", "all"),
    ] == [(e["list"], e["what"], e["looks_at"], e["scope"]) for e in listed]
    assert listed[0]["expires"] - listed[0]["added"] == pytest.approx(30 * 86400, abs=60)
    assert listed[1]["expires"] is None
    assert [0, 1] == removed


def test_who_must_not_be_banned_is_not_banned_without_a_daemon_either(gatepost):
    with gatepost.config.open("a") as file:
        file.write('[ours]\nread_postfix = false\nnetworks = ["10.0.0.0/8"]\n')
        file.write('[ban]\nnever = ["203.0.113.7"]\n')
    never = ["127.0.0.1", "10.1.2.3", "203.0.113.7", "0.0.0.0/0", "::/0", "198.51.100.0/24"]

    status, said, complaints = gatepost("ban", "add", *never, "203.0.113.9")
    listed = json.loads(gatepost("ban", "list", "--json")[1])["bans"]

    assert (1, ["203.0.113.9"]) == (status, [ban["network"] for ban in listed])
    assert never == [line.split(": not banned")[0] for line in complaints.splitlines()]
    assert "203.0.113.9: banned" in said
    assert [1, 0] == [gatepost("ban", "add", n, "--force")[0] for n in ("::/0", "198.51.100.0/24")]


def test_a_ban_beyond_any_calendar_is_shown_all_the_same(gatepost):
    async def put():
        store = open_store(
            StoreOptions(url=f"sqlite:{gatepost.config.parent}/state/gatepost.db"), SystemClock()
        )
        await store.open()
        await store.bans.put([Ban(network="203.0.113.9", since=-1e300, until=1e300)])
        await store.close()

    asyncio.run(put())

    assert [(0, ""), (0, "")] == [gatepost(*c)[::2] for c in (("ban", "list"), ("ban", "why", "203.0.113.9"))]


@pytest.mark.parametrize("stamp", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"])
def test_stamps_at_the_ends_of_the_calendar_are_no_trouble(gatepost, tmp_path, stamp):
    line = f"{stamp} mx postfix/smtpd[1]: lost connection after AUTH from x[203.0.113.9]\n"
    (tmp_path / "mail.log").write_text(5 * line)

    assert [(0, ""), (0, "")] == [
        gatepost("ban", "test", str(tmp_path / "mail.log"), *more)[::2] for more in ((), ("--json",))
    ]


def test_many_bans_fit_into_requests_whatever_their_reasons_are():
    bans = [
        Ban(network=f"2001:db8::{n:x}", since=1.5, until=2.5, reason=n % 7 * 100 * "é") for n in range(2000)
    ]

    batches = list(fitting(bans))

    assert bans == [ban for batch in batches for ban in batch]
    assert all(len(msgspec.json.encode(batch)) < MAX_LINE - 100 for batch in batches)
    assert len(batches) < 30


def test_entries_of_files_are_listed_with_their_place(gatepost, tmp_path):
    (tmp_path / "helo").write_text("# ours\nmail.example.org    OK\nbad.example.org\n    REJECT go away\n")
    (tmp_path / "grey").write_text("/^mail[0-9]+\\.example\\.org$/  # theirs\n")
    with gatepost.config.open("a") as file:
        file.write(f'[access]\nhelo_access = ["{tmp_path}/helo"]\npostgrey_clients = ["{tmp_path}/grey"]\n')
        file.write('deny = ["192.0.2.7"]\n')

    listed = json.loads(gatepost("list", "--json")[1])

    assert [
        ("deny", "192.0.2.7", "client", "all", str(gatepost.config)),
        ("allow", "mail.example.org", "helo", "helo", f"{tmp_path}/helo:2"),
        ("deny", "bad.example.org", "helo", "all", f"{tmp_path}/helo:3"),
        ("allow", "/^mail[0-9]+\\.example\\.org$/", "client", "greylist", f"{tmp_path}/grey:1"),
    ] == [(e["list"], e["what"], e["looks_at"], e["scope"], e["source"]) for e in listed]


# --- explain -------------------------------------------------------------------------------------------


def test_what_a_stranger_sent_is_harmless_when_it_is_explained(gatepost, tmp_path):
    evil = "x\x1b]0;owned\x07\x9b2J\u202e[red]y\nz"

    async def write():
        store = open_store(StoreOptions(url=f"sqlite:{tmp_path}/state/gatepost.db"), SystemClock())
        await store.open()
        findings = ({"rule": "helo.ours", "worth": "reject", "text": evil, "detail": evil, "excused_by": ""},)
        store.journal.write(
            entry(helo_name=evil, sender=f"{evil}@example.org", reply=evil, findings=findings)
        )
        await store.journal.flush()
        await store.close()

    asyncio.run(write())
    status, output, _ = gatepost("explain", "ABCD2345")
    as_json = json.loads(gatepost("explain", "ABCD2345", "--json")[1])

    assert 0 == status
    assert all(character.isprintable() or character == "\n" for character in output)
    assert "[red]" in output
    assert evil == as_json[0]["helo_name"]


@pytest.mark.parametrize(
    ("values", "command"),
    [
        ({"decided_by": "dnsbl.zen.pbl"}, "gatepost allow 192.0.2.1 --scope lists"),
        ({"decided_by": "helo.ours"}, "gatepost allow mail.example.org --helo --scope helo"),
        (
            {"decided_by": "helo.ours", "helo_name": "a;rm -rf /"},
            "gatepost allow 'a;rm -rf /' --helo --scope helo",
        ),
        ({"decided_by": "greylist.new", "action": "defer"}, "gatepost allow 192.0.2.1 --scope greylist"),
        (
            {"decided_by": "helo.ours", "action": "pass", "observed": "reject"},
            "gatepost allow mail.example.org",
        ),
    ],
)
def test_advice_names_a_command_that_can_be_pasted(values, command):
    assert command in advice(entry(**values))[-1]


@pytest.mark.parametrize("helo", ["", "--config", "a\nb", "\x1b"])
def test_advice_names_no_command_that_cannot(helo):
    assert all("gatepost allow" not in line for line in advice(entry(helo_name=helo)))


def test_mail_that_passed_needs_no_advice():
    assert () == advice(entry(action="pass", decided_by=""))


# --- ask -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ('{"client": "192.0.2.1"}', Stage.CONNECT),
        ('{"client": "192.0.2.1", "helo": "x"}', Stage.EHLO),
        ('{"client": "192.0.2.1", "sender": ""}', Stage.RCPT),
        ('{"client": "2001:db8::1", "recipient": "b@example.net"}', Stage.RCPT),
    ],
)
def test_a_question_is_asked_where_postfix_would(line, stage):
    assert stage is read_question(line).stage


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"client": 1}', '{"client": "x", "cliemt": 1}', b'{"client": "\xff"}']
)
def test_what_is_no_question_says_why(line):
    with pytest.raises(QuestionError, match=r"\w"):
        read_question(line)


def test_the_id_of_what_is_no_question_comes_back_where_it_can():
    assert [7, None, None] == [id_of('{"id": 7, "x": 1}'), id_of("[1]"), id_of("{")]


def test_brackets_around_addresses_are_taken_off():
    question = read_question('{"client": "::ffff:192.0.2.1", "sender": "<>", "recipient": "<b@example.net>"}')
    request = request_of(question, "unknown", "unknown", "1")

    assert ("192.0.2.1", "", "b@example.net") == (request.client_address, request.sender, request.recipient)


@given(text=st.text())
def test_nothing_harms_a_terminal(text):
    shown = harmless(text)

    assert shown.isprintable()
    assert text == shown or not text.isprintable()


# --- restore -------------------------------------------------------------------------------------------


def test_entries_come_back_from_a_snapshot(gatepost, tmp_path):
    assert 2 == gatepost("restore")[0]
    gatepost("allow", "192.0.2.1")
    for file in (tmp_path / "state").glob("gatepost-kept.db*"):
        if "snapshot" not in file.name:
            file.write_bytes(b"")

    status, output, _ = gatepost("restore")
    listed = json.loads(gatepost("list", "--json")[1])

    assert (0, True) == (status, "was restored from" in output)
    assert ["192.0.2.1"] == [e["what"] for e in listed]
