"""The simulated Postfix: what it asks, and what it makes of the answers (access(5))."""

import contextlib
import socket
import threading

from gatepost.lab import cast
from gatepost.lab.nameserver import Zone
from gatepost.lab.simulation import SimulatedPostfix
from gatepost.lab.zones import records

ACTORS = {actor.key: actor for actor in cast.everybody()}
ZONE = Zone(records(ACTORS.values()))


@contextlib.contextmanager
def daemon(answers):
    """A policy daemon on one connection: `answers` maps a request to an action; requests are collected."""
    asked = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = server.accept()
        with connection, connection.makefile("r", encoding="utf-8") as stream:
            attributes = {}
            for line in stream:
                name, equals, value = line.rstrip("\n").partition("=")
                if equals:
                    attributes[name] = value
                    continue
                asked.append(attributes)
                connection.sendall(f"action={answers(attributes)}\n\n".encode())
                attributes = {}

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], asked
    finally:
        thread.join()
        server.close()


def knock(key, answers=lambda _: "DUNNO", recipients=None):
    actor = ACTORS[key]
    with daemon(answers) as (port, asked):
        tried = SimulatedPostfix(port, ZONE).knock(actor, recipients or actor.recipients, cast.OUR_ADDRESS)
    return {to: (reply.code, reply.text) for to, reply in tried.settled.items()}, asked


def at(state, action):
    return lambda a: action if (a["protocol_state"], a.get("policy_context", "")) == (state, "") else "DUNNO"


def test_a_permitted_mail_is_asked_about_for_learning_at_rcpt_and_at_data():
    settled, asked = knock("honest")
    assert settled == {cast.ANNA: (250, "2.0.0 Ok")}
    states = [(a["protocol_state"], a.get("policy_context", ""), a["recipient"]) for a in asked]
    assert states == [("RCPT", "learn", cast.ANNA), ("RCPT", "", cast.ANNA), ("DATA", "", cast.ANNA)]
    assert len({a["instance"] for a in asked}) == 1


def test_no_recipient_is_named_at_data_when_there_are_several():
    _, asked = knock("trio")
    assert (asked[-1]["recipient"], asked[-1]["recipient_count"]) == ("", "3")


def test_refusing_actions_become_replies():
    for action, expected in (
        ("550 5.7.1 no", (550, "5.7.1 no")),
        ("DEFER_IF_PERMIT 4.7.1 later", (450, "4.7.1 later")),
        ("REJECT go away", (554, "go away")),
    ):
        assert knock("honest", at("RCPT", action))[0] == {cast.ANNA: expected}


def test_what_does_not_refuse_permits():
    for action in ("DUNNO", "PREPEND X-Greylist: waited"):
        assert knock("honest", at("RCPT", action))[0] == {cast.ANNA: (250, "2.0.0 Ok")}


def test_a_refusal_at_data_counts_for_every_recipient():
    settled, _ = knock("bounce-two", at("DATA", "DEFER_IF_PERMIT 4.7.1 later"))
    assert set(settled.values()) == {(450, "4.7.1 later")}


def test_an_unknown_recipient_is_refused_as_such_although_the_mail_should_wait():
    settled, asked = knock("guesser", at("RCPT", "DEFER_IF_PERMIT 4.7.1 later"))
    assert [code for code, _ in settled.values()] == [550]
    assert [a["policy_context"] for a in asked] == ["learn"]


def test_relaying_is_refused_without_asking():
    settled, asked = knock("relayer")
    assert [code for code, _ in settled.values()] == [554]
    assert asked == []


def test_own_users_and_machines_are_asked_about_for_learning_only_at_rcpt():
    for key in ("user", "printer"):
        settled, asked = knock(key, at("RCPT", "550 5.7.1 no"))
        assert {code for code, _ in settled.values()} == {250}
        assert {a["policy_context"] for a in asked if a["protocol_state"] == "RCPT"} == {"learn"}


def test_client_names_are_verified_as_postfix_does():
    names = {key: knock(key)[1][0] for key in ("honest", "no-ptr", "ptr-mismatch")}
    assert {key: (a["client_name"], a["reverse_client_name"]) for key, a in names.items()} == {
        "honest": ("mail.honest.example", "mail.honest.example"),
        "no-ptr": ("unknown", "unknown"),
        "ptr-mismatch": ("unknown", "www.elsewhere.example"),
    }
