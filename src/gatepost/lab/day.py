"""The scripted day: builds the lab, lets everybody act, and collects the evidence.

Raises: LabError when the lab cannot be built.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from gatepost.lab import cast
from gatepost.lab.cast import Actor
from gatepost.lab.client import Door, SmtpDoor, Visit, visit
from gatepost.lab.evidence import Evidence, notes, problems, queue_id, rows
from gatepost.lab.gate import Gate, gatepost
from gatepost.lab.internet import Internet, internet
from gatepost.lab.mailserver import MailServer, postfix
from gatepost.lab.nsd import nsd
from gatepost.lab.processes import LabError, environment, wait_for
from gatepost.lab.report import Report
from gatepost.lab.sasl import sasl
from gatepost.lab.settings import DELAY, Table, with_overrides
from gatepost.lab.zones import records
from gatepost.options import duration

POLICY_PORT = 10023
AFTER = 0.4
"""Seconds a server comes back after its wait is over: clocks are not asked to be exact."""


def settings(folder: Path, etc: Path, profile: str, port: int = POLICY_PORT) -> Table:
    """Gatepost's configuration in the lab, before `--set`; `etc` is the folder of main.cf and its maps."""
    return {
        "profile": profile,
        "ours": {"postfix_config_dir": str(etc)},
        "listen": {"policy": [f"inet:127.0.0.1:{port}"]},
        "store": {"url": f"sqlite:{folder / 'gatepost.db'}"},
        "control": {"socket": str(folder / "control.sock")},
        "access": {"helo_access": [str(etc / "helo_access")], "rbl_override": [str(etc / "rbl_override")]},
        "greylist": {"delay": DELAY},
        "dnsbl": [{"zone": zone} for zone in (cast.ZEN, cast.OPEN_RESOLVER_LIST, cast.WORLD_LIST)],
    }


class Lab:
    """The lab while it is up."""

    def __init__(self, net: Internet, server: MailServer, gate: Gate, table: Table) -> None:
        self.net = net
        self.server = server
        self.gate = gate
        self.table = table


@contextlib.contextmanager
def lab(profile: str, overrides: tuple[str, ...] = ()) -> Iterator[Lab]:
    """Build all of it; take it away when the block is left."""
    actors = cast.everybody()
    ours = (cast.OUR_ADDRESS, cast.OUR_SECOND_ADDRESS, cast.OUR_ADDRESS_V6, cast.NAME_SERVER)
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(internet([*ours, *(a.address for a in actors)], cast.NAME_SERVER))
        stack.enter_context(nsd(net, records(actors)))
        stack.enter_context(sasl(net, {cast.USER: cast.PASSWORD}))
        server = stack.enter_context(postfix(net))
        folder = net.folder / "gatepost"
        table = with_overrides(settings(folder, server.etc, profile), overrides)
        gate = stack.enter_context(
            gatepost(folder, table, net.start, net.run, lambda: net.answers("127.0.0.1", POLICY_PORT))
        )
        yield Lab(net, server, gate, table)


def delay_of(table: Table) -> str:
    """Greylisting's delay as it is configured."""
    greylist = table.get("greylist")
    return str(greylist.get("delay", DELAY)) if isinstance(greylist, dict) else DELAY


def play(door: Door, pause: float, enter: Callable[[], None] = lambda: None) -> list[Visit]:
    """Let everybody act, scene after scene; `enter` is called once in each actor's thread."""
    actors = cast.everybody()

    def act(actor: Actor) -> Visit:
        return visit(actor, door, _servers(actor), pause, time.sleep)

    visits: list[Visit] = []
    with ThreadPoolExecutor(len(actors), initializer=enter) as threads:
        for _, scene in groupby(sorted(actors, key=lambda a: a.scene), key=lambda a: a.scene):
            visits += threads.map(act, list(scene))
    return visits


def _servers(actor: Actor) -> tuple[str, str]:
    if ":" in actor.address:
        return cast.OUR_ADDRESS_V6, cast.OUR_ADDRESS_V6
    return cast.OUR_ADDRESS, cast.OUR_SECOND_ADDRESS


def held(
    gate: Gate, table: Table, profile: str, act: Callable[[float], Evidence], *, simulated: bool
) -> Report:
    """Let the day be played by `act`, which is told how long servers wait; what came of it."""
    began = time.monotonic()
    delay = delay_of(table)
    gate.command("expect", cast.EXPECTING, "--for", "15m")
    evidence = act(duration(delay) + AFTER)
    return Report(
        profile=profile,
        delay=delay,
        simulated=simulated,
        seconds=round(time.monotonic() - began, 1),
        rows=tuple(rows(evidence)),
        notes=tuple(notes(evidence)),
        problems=tuple(problems(evidence)),
    )


def day(up: Lab, profile: str) -> Report:
    """Play the day in a lab that is up; what came of it."""

    def act(pause: float) -> Evidence:
        visits = play(SmtpDoor(), pause, up.net.enter)
        _settle(up, visits)
        return Evidence(
            tuple(visits), up.gate.journal(), up.server.maillog, up.server.delivered(), up.gate.notes()
        )

    return held(up.gate, up.table, profile, act, simulated=False)


def _settle(up: Lab, visits: list[Visit]) -> None:
    """Wait until Postfix has done with every mail it took; what it has not shows as lost."""
    taken = {
        queue_id(reply) for one in visits for attempt in one.tries for reply in attempt.settled.values()
    } - {""}
    with contextlib.suppress(LabError):
        wait_for("delivery", lambda: all(f" {found}: removed" in up.server.maillog for found in taken))


def by_hand(up: Lab) -> str:
    """How to try things in a lab that is up."""
    inside = f"ip netns exec {up.net.name}"
    return f"""\
The lab stays up until Ctrl-C. From another terminal, as root:
  tail -f {up.server.folder}/maillog
  {inside} {_python()} -m gatepost explain {cast.ANNA} --config {up.gate.config}
  {inside} bash
a shell on this Internet; with the packages swaks and ldnsutils for example
  swaks --server {cast.OUR_ADDRESS} --local-interface 198.18.14.25 --helo mail.no-ptr.example \\
      --from a@no-ptr.example --to {cast.ANNA}
  drill 25.29.18.198.{cast.ZEN}"""


def _python() -> str:
    return f"env PYTHONPATH={environment()['PYTHONPATH']} {sys.executable}"
