"""SMTP clients that say exactly what they are told, and record every reply (RFC 5321).

smtplib would add an EHLO, quote addresses and raise at a refusal; here all
of that is what is being tried out.
"""

import base64
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from gatepost.lab.cast import USER, Actor

TIMEOUT = 30.0
"""Seconds a client waits for a reply; Postfix itself waits at most 6 for Gatepost."""


class Reply(msgspec.Struct, frozen=True):
    """What was said, and what came back."""

    said: str
    code: int
    """0: the connection broke."""
    text: str
    """All lines, without their codes."""


class Try(msgspec.Struct, frozen=True):
    """One connection: every exchange, and the reply that settled each recipient."""

    at: float
    """When it began, on the monotonic clock."""
    replies: tuple[Reply, ...]
    settled: dict[str, Reply]


class Visit(msgspec.Struct, frozen=True):
    """All that one actor did."""

    actor: Actor
    tries: tuple[Try, ...]


class Door(Protocol):
    """Where actors knock: the real Postfix, or the simulated one."""

    def knock(self, actor: Actor, recipients: tuple[str, ...], server: str) -> Try:
        """Offer the actor's mail for these recipients once."""
        ...


class Dialogue:
    """One SMTP connection from an address of our choice."""

    def __init__(self, source: str, server: str, port: int, timeout: float = TIMEOUT) -> None:
        self.replies: list[Reply] = []
        self._socket = socket.create_connection((server, port), timeout, source_address=(source, 0))
        self._file = self._socket.makefile("rb")
        self._read("(connected)")

    def say(self, line: str) -> Reply:
        """Send one line; the reply to it."""
        return self.send(line, f"{line}\r\n")

    def send(self, label: str, text: str) -> Reply:
        """Send `text`, recorded as `label`; the reply to it."""
        with contextlib.suppress(OSError):  # a broken connection shows as reply 0
            self._socket.sendall(text.encode())
        return self._read(label)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def _read(self, label: str) -> Reply:
        lines: list[str] = []
        code = 0
        with contextlib.suppress(OSError):
            for raw in self._file:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                lines.append(line[4:])
                if line[3:4] != "-":
                    code = int(line[:3])
                    break
        reply = Reply(label, code, " ".join(lines))
        self.replies.append(reply)
        return reply


class SmtpDoor:
    """The real Postfix; to be called by a thread that is in the namespace."""

    def knock(self, actor: Actor, recipients: tuple[str, ...], server: str) -> Try:
        """Offer the actor's mail for these recipients once."""
        at = time.monotonic()
        try:
            dialogue = Dialogue(actor.address, server, actor.port)
        except OSError as error:
            broken = Reply("(connected)", 0, str(error))
            return Try(at, (broken,), dict.fromkeys(recipients, broken))
        with contextlib.closing(dialogue):
            settled = _transaction(dialogue, actor, recipients)
        return Try(at, tuple(dialogue.replies), settled)


def _transaction(dialogue: Dialogue, actor: Actor, recipients: tuple[str, ...]) -> dict[str, Reply]:
    greet(dialogue, actor)
    settled = offer(dialogue, actor, recipients)
    dialogue.say("QUIT")
    return settled


def greet(dialogue: Dialogue, actor: Actor) -> None:
    """Say who calls, and log in where the actor does."""
    if actor.helo is not None:
        dialogue.say(f"EHLO {actor.helo}")
    if actor.login:
        token = base64.b64encode(f"\0{USER}\0{actor.password}".encode()).decode()
        dialogue.send("AUTH PLAIN ***", f"AUTH PLAIN {token}\r\n")


def offer(dialogue: Dialogue, actor: Actor, recipients: tuple[str, ...]) -> dict[str, Reply]:
    """One mail in a connection; the reply that settled each recipient."""
    begun = dialogue.say(f"MAIL FROM:<{actor.sender}>")
    if begun.code != 250:
        return dict.fromkeys(recipients, begun)
    settled = {recipient: dialogue.say(f"RCPT TO:<{recipient}>") for recipient in recipients}
    willing = [recipient for recipient, reply in settled.items() if reply.code == 250]
    if willing:
        last = dialogue.say("DATA")
        if last.code == 354:
            last = dialogue.send("(the message)", _message(actor, willing))
        settled |= dict.fromkeys(willing, last)
    return settled


def _message(actor: Actor, recipients: list[str]) -> str:
    return (
        f"From: {actor.sender or 'MAILER-DAEMON'}\r\nTo: {', '.join(recipients)}\r\n"
        f"Subject: {actor.story}\r\nMessage-ID: <{actor.key}.{time.time_ns()}@lab.example>\r\n"
        "\r\nHello.\r\n.\r\n"
    )


def visit(
    actor: Actor, door: Door, servers: tuple[str, str], pause: float, sleep: Callable[[float], None]
) -> Visit:
    """Let an actor do what it does: try, and come back `pause` seconds after being told to wait.

    `servers` are our first and second MX, in the actor's address family.
    """
    first, second = servers
    waiting = actor.recipients
    tries = [door.knock(actor, waiting, first)]
    for _ in range(actor.retries):
        waiting = tuple(r for r, reply in tries[-1].settled.items() if 400 <= reply.code < 500)
        if not waiting:
            break
        sleep(pause)
        tries.append(door.knock(actor, waiting, second if actor.second_mx else first))
    return Visit(actor, tuple(tries))
