"""The act in which a mail server of the usual guide is taken over while mail flows, and rolled back.

What an administrator would do, by the real command line: import what postgrey
knows, look at the plan, switch the policy service, apply; later roll back.
Generated dialogues are played before, after, and after the rollback.

Raises: LabError when a part does not start or a command fails.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from gatepost.lab import cast, guide
from gatepost.lab.client import SmtpDoor, Try
from gatepost.lab.compare import Session, differences, refusals, unheard_of
from gatepost.lab.dialogues import COUNT, SEED, Case, generate
from gatepost.lab.evidence import warnings
from gatepost.lab.files import FileState, changed_files, state
from gatepost.lab.gate import Gate
from gatepost.lab.guide import Postgrey, guided, postgrey
from gatepost.lab.internet import Internet, internet
from gatepost.lab.mailserver import MailServer
from gatepost.lab.nsd import nsd
from gatepost.lab.processes import LabError, search_path, stop
from gatepost.lab.sasl import sasl
from gatepost.lab.settings import to_toml
from gatepost.lab.switch import Switch, Window
from gatepost.lab.takeover_report import Flowed, TakeoverReport
from gatepost.lab.traffic import flowing
from gatepost.lab.zones import records

PAUSE = guide.DELAY + 0.4
"""Seconds until a server comes back: clocks are not asked to be exact."""
SETTLED = 2 * PAUSE
"""Seconds of traffic before and after a change: what was told to wait has come back once."""
THREADS = 12
_CLOSED = f"connect to 127.0.0.1:{guide.PORT}: Connection refused"
"""In Postfix's log, when nobody listens; it asks again after a second, and only then gives up with 451."""
_SWITCHED = re.compile(rf" 127\.0\.0\.1:{guide.PORT}: (Connection refused|Connection reset by peer|Success)$")
"""The same, and what it says of connections that the old service leaves behind."""
TURNS = ("before", "after", "back")


class Act:
    """The mail server, and what is needed to take it over."""

    def __init__(self, net: Internet, server: MailServer, grey: Postgrey) -> None:
        self.net = net
        self.server = server
        self.grey = grey
        self.switch = Switch(net, guide.PORT)
        self.backups = net.folder / "backups"
        self.gate = Gate(net.folder / "gatepost", net.run)
        self.gate.folder.mkdir()
        self.gate.config.write_text(to_toml(_config(self.gate.folder, server.etc)))
        self._daemon: subprocess.Popen[bytes] | None = None

    # --- what the administrator does ----------------------------------------------------------------------

    def import_postgrey(self) -> str:
        """Postgrey's options, whitelists and triplets."""
        where = ("--folder", self.grey.folder, "--database", self.grey.database)
        return self.command("import", "postgrey", "--options", self.grey.options, *where)

    def plan(self) -> str:
        """What would change."""
        return self.command("postfix", "plan", "-c", self.server.etc, "--take-over")

    def apply(self) -> str:
        """Change it."""
        return self.command(
            "postfix", "apply", "-c", self.server.etc, "--take-over", "--yes", "--backups", self.backups
        )

    def rollback(self) -> str:
        """Bring Postfix back as it was."""
        return self.command(
            "postfix", "rollback", "-c", self.server.etc, "--backups", self.backups, "--yes", "last"
        )

    def command(self, *words: str | Path) -> str:
        """Run a `gatepost` command with our configuration; what it printed."""
        return self.net.run(sys.executable, "-m", "gatepost", *words, "--config", self.gate.config)

    def files(self) -> dict[str, FileState]:
        """All that is changed by it: Postfix's folder, and our configuration."""
        return state(self.server.etc, self.gate.config)

    # --- who answers at the port --------------------------------------------------------------------------

    def gatepost_comes(self) -> Window:
        """Switch from postgrey to Gatepost."""
        self._daemon, window = self.switch.to_gatepost(self.grey.stop, self.gate.config, self.gate.log)
        return window

    def postgrey_comes(self) -> Window:
        """Switch back."""
        if self._daemon is None:
            raise LabError("Gatepost does not run")
        return self.switch.back(self._daemon, self.grey.start)

    def gatepost_leaves(self) -> None:
        """End the daemon, if it runs."""
        if self._daemon is not None:
            stop(self._daemon)


def _config(folder: Path, etc: Path) -> dict[str, object]:
    """As short as an administrator would begin."""
    return {
        "ours": {"postfix_config_dir": str(etc)},
        "listen": {"policy": [f"inet:127.0.0.1:{guide.PORT}"]},
        "store": {"url": f"sqlite:{folder / 'gatepost.db'}"},
        "control": {"socket": str(folder / "control.sock")},
    }


@contextlib.contextmanager
def stage() -> Iterator[Act]:
    """Build the guide's mail server in an Internet; take it away when the block is left."""
    if not shutil.which("postgrey", path=search_path()):
        raise LabError("Not installed: postgrey (Debian and Ubuntu: apt install postgrey).")
    actors = cast.everybody()
    ours = (cast.OUR_ADDRESS, cast.OUR_SECOND_ADDRESS, cast.OUR_ADDRESS_V6, cast.NAME_SERVER)
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(internet([*ours, *(a.address for a in actors)], cast.NAME_SERVER))
        stack.enter_context(nsd(net, records(actors)))
        stack.enter_context(sasl(net, {cast.USER: cast.PASSWORD}))
        grey = stack.enter_context(postgrey(net))
        server = stack.enter_context(guided(net))
        act = Act(net, server, grey)
        stack.callback(act.gatepost_leaves)
        yield act


# --- the dialogues ----------------------------------------------------------------------------------------


class Turn(msgspec.Struct, frozen=True):
    """The dialogues, played twice: when they came first, and when they came back."""

    first: Mapping[str, Try]
    second: Mapping[str, Try]

    @property
    def waited(self) -> int:
        """How many were told to wait at first and were let in when they came back."""
        return sum(
            any(
                reply.code == 450 and self.second[key].settled[to].code == 250
                for to, reply in settled.items()
            )
            for key, settled in ((key, attempt.settled) for key, attempt in self.first.items())
        )


def play(net: Internet, cases: Sequence[Case], name: str) -> Turn:
    """Speak all dialogues, and once more when greylisting's delay is over."""
    first = _play(net, cases, f"{name}x")
    time.sleep(PAUSE)
    return Turn(first, _play(net, cases, f"{name}y"))


def _play(net: Internet, cases: Sequence[Case], turn: str) -> dict[str, Try]:
    door = SmtpDoor()

    def speak(case: Case) -> Try:
        actor = case.at(turn)
        server = cast.OUR_ADDRESS_V6 if ":" in actor.address else cast.OUR_ADDRESS
        return door.knock(actor, actor.recipients, server)

    with ThreadPoolExecutor(THREADS, initializer=net.enter) as threads:
        return {
            case.actor.key: attempt for case, attempt in zip(cases, threads.map(speak, cases), strict=True)
        }


# --- the act ----------------------------------------------------------------------------------------------


def takeover(seed: int = SEED, count: int = COUNT) -> TakeoverReport:
    """Play the act; what came of it."""
    began = time.monotonic()
    cases = generate(seed, count)
    stories = {case.actor.key: case.actor.story for case in cases}
    with stage() as act:
        before = play(act.net, cases, TURNS[0])
        postfix = state(act.server.etc)
        told, window, flowed, ours = _over(act)
        touched = changed_files(postfix | ours, act.files())
        after = play(act.net, cases, TURNS[1])
        undone, window_back, flowed_back = _back(act)
        changed = changed_files(postfix | ours, act.files())
        again = play(act.net, cases, TURNS[2])
        complaints = list(warnings(act.server.maillog))
        return TakeoverReport(
            seed=seed,
            dialogues=count,
            seconds=round(time.monotonic() - began, 1),
            **told,
            rolled_back=undone,
            window=window,
            window_back=window_back,
            flowed=flowed,
            flowed_back=flowed_back,
            waited={"before": before.waited, "after": after.waited, "back": again.waited},
            differences=tuple(differences(stories, before.second, after.second)),
            differences_back=tuple(differences(stories, before.second, again.second)),
            touched=tuple(touched),
            changed=tuple(changed),
            asked=_asked(act.gate),
            asked_twice=sum(_CLOSED in line for line in complaints),
            problems=tuple(line for line in complaints if not _SWITCHED.search(line)),
        )


def _over(act: Act) -> tuple[dict[str, str], Window, Flowed, dict[str, FileState]]:
    """Take over, with mail flowing; also what our own configuration was like before Postfix's part moved."""
    told: dict[str, str] = {}
    with flowing(act.net, PAUSE, "over") as flow:
        flow.settle(SETTLED)
        told["imported"] = act.import_postgrey()
        told["plan"] = act.plan()
        ours = state(act.gate.config)
        at = time.monotonic()
        window = act.gatepost_comes()
        told["applied"] = act.apply()
        flow.settle(SETTLED)
    return told, window, judged(flow.sessions, at), ours


def _back(act: Act) -> tuple[str, Window, Flowed]:
    """Roll back, with mail flowing."""
    with flowing(act.net, PAUSE, "back") as flow:
        flow.settle(SETTLED)
        at = time.monotonic()
        undone = act.rollback()
        window = act.postgrey_comes()
        flow.settle(SETTLED)
    return undone, window, judged(flow.sessions, at)


def judged(sessions: Sequence[Session], at: float) -> Flowed:
    """What a change at the time `at` meant for the mail that flowed."""
    before = [one for one in sessions if one.ended <= at]
    later = [one for one in sessions if one.ended > at]
    return Flowed(
        before=len(before),
        later=len(later),
        across=sum(one.began <= at for one in later),
        taken=sum(
            reply.said == "(the message)" and reply.code == 250 for s in sessions for reply in s.replies
        ),
        refusals=len(refusals(sessions)),
        dropped=tuple(one.trouble for one in sessions if one.trouble),
        new=tuple(unheard_of(before, [one for one in later if one.began > at])),
    )


def _asked(gate: Gate) -> dict[str, int]:
    """How often Gatepost answered what."""
    counts: dict[str, int] = {}
    for entry in gate.journal():
        if entry.action != "learn":
            counts[entry.action] = counts.get(entry.action, 0) + 1
    return counts
