"""How the commands about Postfix meet the running Gatepost: does it answer there, and what did it say?"""

import os
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gatepost.config.schema import Config
from gatepost.network import parse_address
from gatepost.postfix.applying.observed import Asked, Seen
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.store.base import JournalEntry

PATIENCE = 10.0
CLOCKS_APART = 1.0
"""Seconds that a verdict may seem older than its question: clocks are rounded."""

# The learning line, asked about a stranger: nothing is judged, and nothing remembered.
_QUESTION = (
    b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
    b"client_address=192.0.2.1\npolicy_context=learn\n\n"
)


class Gate:
    """The Gatepost that Postfix is to ask."""

    def __init__(self, config: Config, own_file: Path | None = None, place: str = "") -> None:
        """Ask nothing yet.

        Args:
            config: of the daemon; its control socket leads to the journal.
            own_file: where that configuration stands.
            place: where main.cf is to look for the daemon, `inet:127.0.0.1:10023` or `unix:/PATH`.
        """
        self._control = config.control.socket
        self._own_file = os.path.realpath(own_file) if own_file else ""
        self._place = place

    def answers(self) -> str:
        """Why it does not answer at its place, or its journal cannot be read; empty when all is well."""
        try:
            call(self._control, "status", PATIENCE)
        except NoDaemonError as error:
            return f"{error}; start it first"
        except ControlError as error:
            return str(error)
        return self._policy_trouble()

    def find(self, asked: Asked) -> Seen | None:
        """The verdict about a probe, when it is in the journal by now."""
        try:
            found = call(self._control, "journal.find", PATIENCE, what=asked.client, limit=50)
            entries = msgspec.convert(found, list[JournalEntry])
        except (ControlError, msgspec.ValidationError):
            return None
        for entry in entries:
            if is_about(entry, asked):
                return Seen(entry.action, entry.reference)
        return None

    def reread(self, paths: Sequence[str]) -> str:
        """Let the daemon read its configuration anew, when that is one of these files; why it did not."""
        if self._own_file not in map(os.path.realpath, paths):
            return ""
        try:
            call(self._control, "reload", PATIENCE)
        except ControlError as error:
            return str(error)
        return ""

    def _policy_trouble(self) -> str:
        try:
            with _connected(self._place) as asked:
                asked.sendall(_QUESTION)
                said = asked.recv(512)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            return (
                f"nobody answers at {self._place}: {why.lower()}; start Gatepost, or correct [listen] policy"
            )
        if not said.startswith(b"action="):
            return f"what answers at {self._place} is no policy service"
        return ""


def is_about(entry: JournalEntry, asked: Asked) -> bool:
    """Whether this verdict is the one about a probe."""
    return (
        entry.time >= asked.since - CLOCKS_APART
        and parse_address(entry.client_address) == parse_address(asked.client)
        and entry.helo_name.lower() == asked.helo.lower()
        and entry.sender == asked.sender
        and entry.recipient.lower() == asked.recipient.lower()
    )


def _connected(place: str) -> socket.socket:
    kind, _, where = place.partition(":")
    if kind == "unix":
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        found.settimeout(PATIENCE)
        found.connect(where)
        return found
    host, colon, port = where.rpartition(":")
    if kind != "inet" or not colon or not port.isdigit():
        raise ValueError("this is no place; write inet:HOST:PORT or unix:/PATH")
    return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)
