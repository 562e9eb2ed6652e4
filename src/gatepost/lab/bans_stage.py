"""Where the act about bans is played: a host with a real Postfix that lets users log in, `gatepost run` that
reads its log, and `gatepost firewall` beside it; a container behind the host; everybody else comes by cable.

Raises: LabError when a part does not start or a command fails.
"""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gatepost.lab import cast, offenders
from gatepost.lab.client import Dialogue, Reply
from gatepost.lab.crossing import FORWARDED, INSIDE, Crossing, crossing
from gatepost.lab.gate import Gate
from gatepost.lab.mailserver import MailServer, base, postfix
from gatepost.lab.nsd import nsd
from gatepost.lab.processes import LabError, stop, wait_until_up
from gatepost.lab.sasl import sasl
from gatepost.lab.settings import Table, to_toml

Result = TypeVar("Result")

POLICY_PORT = 10023
_GREETING = b"220 inside\r\n"
_LISTS = """
smtpd_client_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    reject_unknown_client_hostname
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions =
    permit_mynetworks
    permit_sasl_authenticated
    reject_unauth_destination
    reject_unlisted_recipient
    check_policy_service {{ inet:127.0.0.1:{port}, timeout=6s, default_action=DUNNO }}
"""
_SUBMISSION = "  -o smtpd_sasl_auth_enable=yes\n"


def settings(folder: Path, server: MailServer) -> Table:
    """Gatepost's configuration: what it says of bans is the default, but for the log."""
    return {
        "ours": {"postfix_config_dir": str(server.etc)},
        "listen": {"policy": [f"inet:127.0.0.1:{POLICY_PORT}"]},
        "store": {"url": f"sqlite:{folder / 'gatepost.db'}"},
        "control": {"socket": str(folder / "control.sock")},
        "ban": {"logs": [str(server.folder / "maillog")]},
        "firewall": {"state": str(folder / "firewall")},
    }


def main_cf(folder: Path) -> str:
    """main.cf: what guides write, so that a server without a name is told to come again."""
    return base(folder) + _LISTS.format(port=POLICY_PORT)


class Act:
    """The host with its mail server, and the two processes of ours on it."""

    def __init__(self, net: Crossing, server: MailServer) -> None:
        self.net = net
        self.server = server
        self.gate = Gate(net.host.folder / "gatepost", net.host.run)
        self.gate.folder.mkdir()
        self.gate.config.write_text(to_toml(settings(self.gate.folder, server)))
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    # --- processes ----------------------------------------------------------------------------------------

    def start(self, command: str) -> None:
        """Start `gatepost run` or `gatepost firewall`."""
        log = self.gate.folder / f"{command}.log"
        words = (sys.executable, "-m", "gatepost", command, "--config", self.gate.config)
        process = self.net.host.start(log, *words)
        self._running[command] = process
        ready = {"run": self._answers, "firewall": lambda: self.kernel() is not None}[command]
        wait_until_up(f"gatepost {command}", process, log, ready)

    def stop(self, command: str) -> None:
        """End one of them, if it runs."""
        if (process := self._running.pop(command, None)) is not None:
            stop(process)

    def _answers(self) -> bool:
        return self.net.host.answers("127.0.0.1", POLICY_PORT)

    # --- what is so ---------------------------------------------------------------------------------------

    def bans(self) -> dict[str, dict[str, Any]]:
        """Every ban, by network."""
        told = msgspec.json.decode(self.gate.command("ban", "list", "--json"))
        return {ban["network"]: ban for ban in told["bans"]}

    def kernel(self) -> dict[str, int] | None:
        """Whom the kernel shuts out, and the packets dropped of each; None: there is no table of ours."""
        try:
            said = self.gate.command("firewall", "--show", "--json")
        except LabError:
            return None
        return {one["addresses"]: one["packets"] for one in msgspec.json.decode(said)["elements"]}

    def outside(self, do: Callable[[], Result]) -> Result:
        """Let a stranger do something."""
        return self.net.outside.within(do)

    def greeting(self, address: str, port: int, server: str = cast.OUR_ADDRESS) -> Reply:
        """How somebody is greeted; code 0 when nobody answers."""

        def greeted() -> Reply:
            try:
                dialogue = Dialogue(address, server, port, offenders.PATIENCE)
            except OSError as error:
                return Reply("(connected)", 0, str(error))
            dialogue.close()
            return dialogue.replies[0]

        return self.outside(greeted)

    def connects(self, address: str, server: str = cast.OUR_ADDRESS) -> bool:
        """Whether somebody is greeted at port 25."""
        return self.greeting(address, offenders.MX, server).code == 220

    def apply(self, option: str) -> None:
        """Let Gatepost change Postfix's lines."""
        backups = self.gate.folder / "backups"
        self.gate.command(
            "postfix", "apply", option, "-c", str(self.server.etc), "--yes", "--backups", str(backups)
        )


@contextlib.contextmanager
def stage() -> Iterator[Act]:
    """Build all of it; take it away when the block is left."""
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(crossing(offenders.ADDRESSES))
        stack.enter_context(nsd(net.host, offenders.records()))
        stack.enter_context(sasl(net.host, {cast.USER: cast.PASSWORD}))
        server = stack.enter_context(postfix(net.host, main_cf, _SUBMISSION))
        stack.enter_context(_contained(net))
        act = Act(net, server)
        for command in ("firewall", "run"):
            stack.callback(act.stop, command)
        act.start("run")
        act.start("firewall")
        yield act


@contextlib.contextmanager
def _contained(net: Crossing) -> Iterator[None]:
    """Greet whoever comes to the container."""
    listener = net.inside.within(lambda: socket.create_server((INSIDE, FORWARDED)))

    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(_GREETING)

    thread = threading.Thread(target=greet)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
