"""The lab without root: a simulated Postfix asks the real daemon, a name server of ours answers it.

The simulated Postfix asks what a real one with the recommended lines asks
(SMTPD_POLICY_README) and refuses by itself only what needs no daemon: relaying
and unknown recipients. It opens no port and delivers nothing.
"""

import contextlib
import itertools
import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

from gatepost.lab import cast, processes
from gatepost.lab.cast import Actor
from gatepost.lab.client import Reply, Try, Visit
from gatepost.lab.day import held, play, settings
from gatepost.lab.evidence import Evidence
from gatepost.lab.gate import Gate, gatepost
from gatepost.lab.nameserver import KINDS, Zone, name_server
from gatepost.lab.report import Report
from gatepost.lab.settings import Table, with_overrides
from gatepost.lab.zones import records
from gatepost.network import pointer_name

_TIMEOUT = 6.0
"""Seconds to wait for an answer, as in the recommended line."""
_REFUSAL = re.compile(r"(?P<code>[45]\d\d) (?P<text>.*)")
_OWN = ip_network(cast.OUR_NETWORK)
OURS: Table = {
    "read_postfix": False,
    "names": [cast.OUR_NAME],
    "domains": [cast.OUR_DOMAIN],
    "networks": ["127.0.0.0/8", cast.OUR_NETWORK],
    "addresses": [cast.OUR_ADDRESS, cast.OUR_SECOND_ADDRESS, cast.OUR_ADDRESS_V6],
}
"""What the daemon reads from Postfix where there is one."""


class SimulatedPostfix:
    """Turns what an actor says into policy requests, and the answers into SMTP replies."""

    def __init__(self, port: int, zone: Zone) -> None:
        """Ask the daemon at this port of 127.0.0.1; `zone` is for the look-ups Postfix does itself."""
        self._port = port
        self._zone = zone
        self._numbers = itertools.count(1)

    def knock(self, actor: Actor, recipients: tuple[str, ...], server: str) -> Try:
        """Offer the actor's mail for these recipients once."""
        at = time.monotonic()
        facts = self._facts(actor, server)
        with socket.create_connection(("127.0.0.1", self._port), _TIMEOUT) as connection:
            stream = _Policy(connection)
            settled = {to: self._at_rcpt(stream, facts, actor, to) for to in recipients}
            willing = [to for to, reply in settled.items() if reply.code == 250]
            if willing:
                last = self._at_data(stream, facts, willing)
                settled |= dict.fromkeys(willing, last)
        return Try(at, tuple(settled.values()), settled)

    def _at_rcpt(self, stream: "_Policy", facts: Mapping[str, str], actor: Actor, to: str) -> Reply:
        said = f"RCPT TO:<{to}>"
        trusted = actor.login or _is_own(actor.address)
        ours = to.endswith(f"@{cast.OUR_DOMAIN}")
        if not trusted and not ours:
            return Reply(said, 554, f"5.7.1 <{to}>: Relay access denied")
        asked = {**facts, "protocol_state": "RCPT", "recipient": to}
        stream.ask({**asked, "policy_context": "learn"})
        if not trusted and to not in cast.MAILBOXES:
            return Reply(said, 550, f"5.1.1 <{to}>: Recipient address rejected: User unknown")
        refused, text = (0, "") if trusted else _refusal(stream.ask(asked))
        return Reply(said, refused, text) if refused else Reply(said, 250, "2.1.5 Ok")

    def _at_data(self, stream: "_Policy", facts: Mapping[str, str], recipients: Sequence[str]) -> Reply:
        only = recipients[0] if len(recipients) == 1 else ""
        state = {"protocol_state": "DATA", "recipient": only, "recipient_count": str(len(recipients))}
        refused, text = _refusal(stream.ask({**facts, **state}))
        return Reply("DATA", refused, text) if refused else Reply("DATA", 250, "2.0.0 Ok")

    def _facts(self, actor: Actor, server: str) -> dict[str, str]:
        reverse = self._reverse_name(actor.address)
        return {
            "request": "smtpd_access_policy",
            "protocol_name": "SMTP" if actor.helo is None else "ESMTP",
            "client_address": actor.address,
            "client_name": reverse if self._leads_to(reverse, actor.address) else "unknown",
            "reverse_client_name": reverse,
            "server_address": server,
            "server_port": str(actor.port),
            "helo_name": actor.helo or "",
            "sender": actor.sender,
            "recipient_count": "0",
            "instance": f"lab.{os.getpid()}.{next(self._numbers)}",
            "sasl_method": "PLAIN" if actor.login else "",
            "sasl_username": cast.USER if actor.login else "",
        }

    def _reverse_name(self, address: str) -> str:
        found = self._zone.find(pointer_name(ip_address(address)), KINDS["PTR"])
        return found[0].data.rstrip(".") if found else "unknown"

    def _leads_to(self, name: str, address: str) -> bool:
        kind = KINDS["A" if ip_address(address).version == 4 else "AAAA"]
        return any(record.data == address for record in self._zone.find(name, kind) or [])


class _Policy:
    """One connection to the daemon."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("r", encoding="utf-8")

    def ask(self, attributes: Mapping[str, str]) -> str:
        """The action for one request; DUNNO, the default action, when the daemon hangs up."""
        lines = "".join(f"{name}={value}\n" for name, value in attributes.items())
        self._connection.sendall(f"{lines}\n".encode())
        line = self._file.readline()
        if not line:
            return "DUNNO"
        self._file.readline()
        return line.strip().removeprefix("action=")


def _is_own(address: str) -> bool:
    parsed = ip_address(address)
    return parsed.version == 4 and parsed in _OWN


def _refusal(action: str) -> tuple[int, str]:
    """Code and text of a refusing action as Postfix would send it (access(5)); code 0 when it permits."""
    word, _, text = action.partition(" ")
    if match := _REFUSAL.fullmatch(action):
        return int(match["code"]), match["text"]
    code = {"REJECT": 554, "DEFER": 450, "DEFER_IF_PERMIT": 450}.get(word.upper(), 0)
    return code, text


def simulated_day(profile: str, overrides: tuple[str, ...] = ()) -> Report:
    """Play the day against the real daemon without Postfix, NSD, namespace or root."""
    all_records = records(cast.everybody())
    port = _free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatepost-lab-")))
        dns = stack.enter_context(name_server(all_records))
        (folder / "helo_access").write_text(cast.HELO_ACCESS)
        (folder / "rbl_override").write_text(cast.RBL_OVERRIDE)
        simulated = {"ours": OURS, "dns": {"servers": [f"127.0.0.1:{dns}"]}}
        table = with_overrides(settings(folder, folder, profile, port) | simulated, overrides)
        gate = stack.enter_context(gatepost(folder, table, _start, _run, lambda: _answers(port)))
        door = SimulatedPostfix(port, Zone(all_records))
        return held(gate, table, profile, lambda pause: _evidence(gate, play(door, pause)), simulated=True)


def _evidence(gate: Gate, visits: list[Visit]) -> Evidence:
    return Evidence(tuple(visits), gate.journal(), notes=gate.notes())


def _start(log: Path, *words: str | Path) -> "subprocess.Popen[bytes]":
    return processes.start(log, words)


def _run(*words: str | Path) -> str:
    return processes.run(words)


def _free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    """True when somebody accepts connections at this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
