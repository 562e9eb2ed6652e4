"""The dialogues that compare a server before and after a change: what they hold, and that they see one."""

import socket
from collections import Counter

import pytest

from support.dialogues import CLOSED, HEADERS, Dialogue, World, differences, make_dialogues, play, play_one
from support.namespace import Namespace
from support.postfix import Postfix

CLIENTS = ("198.51.100.7", "198.51.100.8", "203.0.113.9", "2001:db8::9")
WORLD = World(CLIENTS)
SETTINGS = {
    "local_recipient_maps": "inline:{bob=x, carol=x, postmaster=x}",
    "smtpd_recipient_restrictions": "permit_mynetworks, reject_unauth_destination, reject_non_fqdn_sender",
    "smtpd_helo_restrictions": "reject_invalid_helo_hostname",
    "disable_vrfy_command": "no",
}


@pytest.fixture(scope="module")
def server():
    addresses = ("192.0.2.25", "2001:db8::25", *CLIENTS)
    services = ["[2001:db8::25]:25 inet n - n - - smtpd"]
    with (
        Namespace(*addresses) as there,
        Postfix(settings=SETTINGS, services=services, netns=there.name, host="192.0.2.25") as postfix,
    ):
        yield (
            postfix,
            lambda client: there.connect(
                "2001:db8::25" if ":" in client else postfix.host, postfix.port, client
            ),
        )


def test_a_seed_says_everything():
    assert make_dialogues(3, 50, WORLD) == make_dialogues(3, 50, WORLD)
    assert make_dialogues(3, 50, WORLD) != make_dialogues(4, 50, WORLD)


def test_there_is_something_of_each_kind():
    dialogues = make_dialogues(1, 200, WORLD)
    steps = Counter(
        step.split(":")[0].split()[0] for one in dialogues for step in one.steps if step != HEADERS
    )

    assert {"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "VRFY", "EXPN", "AUTH", "ETRN", "QUIT"} <= set(
        steps
    )
    assert {*CLIENTS} == {one.client for one in dialogues}
    assert any("MAIL FROM:<>" in one.steps for one in dialogues)
    assert any(sum(step.startswith("RCPT") for step in one.steps) >= 5 for one in dialogues)


def test_the_same_server_answers_alike_and_each_step_has_its_code(server):
    _, connect = server
    dialogues = make_dialogues(1, 120, WORLD)
    first = play(dialogues, connect)

    assert [] == differences(dialogues, first, play(dialogues, connect))
    assert [len(one.steps) + 1 for one in dialogues] == [len(codes) for codes in first]
    seen = Counter(code for codes in first for code in codes)
    assert {"220", "221", "250", "354", "550", "554", "504", "501", "503"} <= set(seen), seen


def test_a_change_is_seen_where_it_is(server):
    postfix, connect = server
    dialogues = [
        Dialogue(
            0,
            CLIENTS[0],
            ("EHLO a.example", "MAIL FROM:<a@example.org>", "RCPT TO:<bob@example.net>", "QUIT"),
        ),
        Dialogue(
            1,
            CLIENTS[2],
            ("EHLO a.example", "MAIL FROM:<a@example.org>", "RCPT TO:<bob@example.net>", "QUIT"),
        ),
    ]
    before = play(dialogues, connect)
    postfix.settings["smtpd_client_restrictions"] = f"check_client_access inline:{{{CLIENTS[2]}=REJECT}}"
    postfix.write()
    postfix.reload()
    try:
        (found,) = differences(dialogues, before, play(dialogues, connect))
    finally:
        del postfix.settings["smtpd_client_restrictions"]
        postfix.write()
        postfix.reload()
    assert (1, "RCPT TO:<bob@example.net>", "250", "554") == (
        found.dialogue.number,
        found.step,
        found.before,
        found.after,
    )


def test_a_server_that_hangs_up_is_no_error():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        dialogue = Dialogue(0, "", ("EHLO a.example", "DATA", HEADERS, "QUIT"))

        def connect(_client):
            connection = socket.create_connection(("127.0.0.1", port), 5)
            there, _ = server.accept()
            with there:
                there.sendall(b"421 not now\r\n")
            return connection

        said = play_one(dialogue, connect)
    assert ["421", CLOSED, CLOSED, "", CLOSED] == said
