"""SMTP dialogues as many kinds of clients hold them, and a player that notes what a server answers to each.

For comparing a server before and after a change:

    dialogues = make_dialogues(seed=1, count=200, world=World(...))
    before = play(dialogues, connect)
    ...
    assert not differences(dialogues, before, play(dialogues, connect))

What is made depends on the seed alone. The player needs nothing of ours: it speaks SMTP by itself, so that
it sees exactly what the server sends.
"""

import random
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

Connect = Callable[[str], socket.socket]
"""A connection to the server from a client's address."""

CLOSED = "closed"
"""Stands for a reply code where the server closed the connection instead."""
HEADERS = "Subject: dialogue\r\n\r\nHello\r\n."


class World(msgspec.Struct, frozen=True):
    """Who there is."""

    clients: Sequence[str]
    """Addresses to come from."""
    recipients: Sequence[str] = ("bob@example.net", "carol@example.net", "postmaster@example.net")
    """Known here."""
    unknown: Sequence[str] = ("nobody@example.net", "old@example.net")
    elsewhere: Sequence[str] = (
        "dave@example.org",
        "x%example.org@example.net",
        "<@example.net:y@example.org>",
    )
    """Relay attempts."""
    senders: Sequence[str] = ("alice@example.org", "list@example.com", "short", "a@nowhere.invalid")
    helo: Sequence[str] = ("mail.example.org", "localhost", "[192.0.2.1]", "a_b.example.org", "192.0.2.1")


class Dialogue(msgspec.Struct, frozen=True):
    """What one client says in one connection."""

    number: int
    client: str
    steps: tuple[str, ...]
    """Command lines; the one after DATA is the message with its dot, said only when DATA was accepted."""


class Difference(msgspec.Struct, frozen=True):
    """A step that was answered differently."""

    dialogue: Dialogue
    step: str
    before: str
    after: str

    def __str__(self) -> str:
        return (
            f"{self.dialogue.number} from {self.dialogue.client}: {self.step}: {self.before} → {self.after}"
        )


# --- making them --------------------------------------------------------------------------------------


def make_dialogues(seed: int, count: int, world: World) -> list[Dialogue]:
    """So many dialogues; the same ones for the same seed."""
    chance = random.Random(seed)
    return [_dialogue(chance, number, world) for number in range(count)]


def _dialogue(chance: random.Random, number: int, world: World) -> Dialogue:
    steps = [_greeting(chance, world)] if chance.random() < 0.97 else []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        steps += chance.choice(_ACTS)(chance, world)
    return Dialogue(number, chance.choice(world.clients), (*steps, "QUIT"))


def _greeting(chance: random.Random, world: World) -> str:
    return f"{chance.choice(('EHLO', 'EHLO', 'HELO'))} {chance.choice(world.helo)}"


def _sender(chance: random.Random, world: World) -> str:
    who = "" if chance.random() < 0.2 else chance.choice(world.senders)
    return f"MAIL FROM:<{who}>"


def _to(recipient: str) -> str:
    return f"RCPT TO:{recipient if recipient.startswith('<') else f'<{recipient}>'}"


def _mail(chance: random.Random, world: World) -> list[str]:
    """A mail to one of ours, with its text."""
    return [_sender(chance, world), _to(chance.choice(world.recipients)), "DATA", HEADERS, "RSET"]


def _many(chance: random.Random, world: World) -> list[str]:
    """A mail to many: known, unknown, and elsewhere."""
    everybody = [*world.recipients, *world.unknown, *world.elsewhere]
    chosen = chance.sample(everybody, chance.randint(2, len(everybody)))
    return [_sender(chance, world), *map(_to, chosen), "DATA", HEADERS, "RSET"]


def _relay(chance: random.Random, world: World) -> list[str]:
    return [_sender(chance, world), _to(chance.choice(world.elsewhere)), "RSET"]


def _nobody(chance: random.Random, world: World) -> list[str]:
    return [_sender(chance, world), _to(chance.choice(world.unknown)), "DATA", "RSET"]


def _verify_sender(chance: random.Random, world: World) -> list[str]:
    """What a server does that verifies a sender's address: no text comes."""
    return ["MAIL FROM:<>", _to(chance.choice((*world.recipients, *world.unknown))), "RSET"]


def _look_round(chance: random.Random, world: World) -> list[str]:
    who = chance.choice((*world.recipients, *world.unknown))
    return chance.choice(([f"VRFY {who}"], [f"EXPN {who}"], ["NOOP", "HELP"], ["ETRN example.net"]))


def _wrong_order(chance: random.Random, world: World) -> list[str]:
    """Commands that come too early, or not as they should be."""
    to = _to(chance.choice(world.recipients))
    return chance.choice(
        ([to, "DATA"], ["MAIL FROM:", to], ["MAIL FROM:<a@b", "RSET"], ["AUTH PLAIN AGEAYg=="], ["GARBAGE"])
    )


_ACTS = (_mail, _mail, _many, _relay, _nobody, _verify_sender, _look_round, _wrong_order)


# --- playing them -------------------------------------------------------------------------------------


def play(dialogues: Sequence[Dialogue], connect: Connect, at_once: int = 20) -> list[list[str]]:
    """The reply codes of each dialogue: of the greeting, then of each step.

    A message that could not be sent, since DATA was refused, has an empty code. After the server has closed
    the connection each further step has CLOSED.
    """
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(lambda one: play_one(one, connect), dialogues))


def play_one(dialogue: Dialogue, connect: Connect) -> list[str]:
    """The reply codes of one dialogue."""
    said: list[str] = []
    with connect(dialogue.client) as connection, connection.makefile("rb") as replies:
        said.append(_code(replies))
        for step in dialogue.steps:
            if step == HEADERS and said[-1] != "354":
                said.append("")
                continue
            said.append(_say(connection, replies, step) if said[-1] != CLOSED else CLOSED)
    return said


def _say(connection: socket.socket, replies, step: str) -> str:
    try:
        connection.sendall(f"{step}\r\n".encode())
        return _code(replies)
    except (BrokenPipeError, ConnectionResetError):
        return CLOSED


def _code(replies) -> str:
    try:
        while (line := replies.readline())[3:4] == b"-":
            pass
    except ConnectionResetError:
        return CLOSED
    return line[:3].decode("ascii", "replace") or CLOSED


def differences(
    dialogues: Sequence[Dialogue], before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]
) -> list[Difference]:
    """Where two plays of the same dialogues differ."""
    return [
        Difference(dialogue, step, one, other)
        for dialogue, ones, others in zip(dialogues, before, after, strict=True)
        for step, one, other in zip(("connect", *dialogue.steps), ones, others, strict=True)
        if one != other
    ]
