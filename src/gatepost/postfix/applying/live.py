"""The Postfix of one configuration directory: asked and told through its own commands.

Raises: LiveError, when a command that must work does not.
"""

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from gatepost.postfix.applying.program_now import RunNow
from gatepost.postfix.applying.targets import PARAMETERS
from gatepost.postfix.settings import parse_parameters

SECONDS = 60.0
"""For one command; `postfix check` walks through the whole queue."""
RELOAD_SECONDS = 3.0
"""How long is waited for old processes to go. Those with a client stay, and take no other one."""
OLDEST = (3, 0)

_VERSION = re.compile(r"(\d+)\.(\d+)")
_RESTARTED = frozenset({"smtpd", "postscreen", "pickup"})
"""What goes at a reload as soon as it is idle."""


class LiveError(Exception):
    """Postfix cannot be asked or told; the text says why, for people."""


class Checked(msgspec.Struct, frozen=True):
    """What `postfix check` thinks."""

    fine: bool
    said: tuple[str, ...] = ()
    """Each thing once."""


class Live:
    """One Postfix."""

    def __init__(self, config_dir: str, run: RunNow) -> None:
        """`run` starts programs."""
        self.config_dir = config_dir
        self._run = run

    def parameters(self) -> dict[str, str]:
        """What probes and preconditions need of its settings, `$name` expanded."""
        ran = self._run(["postconf", "-c", self.config_dir, "-x", *PARAMETERS], SECONDS)
        found = parse_parameters(ran.out)
        if ran.code or "mail_version" not in found:
            raise LiveError(f"postconf -c {self.config_dir}: {_last(ran.err) or 'said nothing'}")
        return found

    def services(self) -> str:
        """Its master.cf, one service a line."""
        ran = self._run(["postconf", "-c", self.config_dir, "-M"], SECONDS)
        if ran.code:
            raise LiveError(f"postconf -c {self.config_dir} -M: {_last(ran.err)}")
        return ran.out

    def runs(self) -> bool:
        """Whether it is running now."""
        ran = self._run(["postfix", "-c", self.config_dir, "status"], SECONDS)
        if ran.code < 0:
            raise LiveError(ran.err)
        return ran.code == 0

    def check(self) -> Checked:
        """What `postfix check` says."""
        ran = self._run(["postfix", "-c", self.config_dir, "check"], SECONDS)
        said = dict.fromkeys(line.strip() for line in (ran.err + ran.out).splitlines() if line.strip())
        return Checked(ran.code == 0, tuple(said))

    def reload(self, queue_directory: str) -> None:
        """Let it read its files anew; returns when a new session meets what they say."""
        old = _children(queue_directory)
        self._tell("reload")
        _wait_until_gone(old)

    def start(self) -> None:
        """Start it: it ran, and a configuration ended it."""
        self._tell("start")

    def _tell(self, command: str) -> None:
        ran = self._run(["postfix", "-c", self.config_dir, command], SECONDS)
        if ran.code:
            raise LiveError(f"postfix -c {self.config_dir} {command}: {_last(ran.err) or 'failed'}")


def too_old(parameters: dict[str, str]) -> str:
    """Why this version cannot be used; empty when it can."""
    version = parameters["mail_version"]
    found = _VERSION.match(version)
    if found and (int(found[1]), int(found[2])) >= OLDEST:
        return ""
    oldest = ".".join(map(str, OLDEST))
    return f"Postfix {version} is too old: settings in braces need {oldest} or later"


def new_lines(before: Sequence[str], after: Iterable[str]) -> list[str]:
    """What is said now and was not said before."""
    return [line for line in after if line not in before]


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


# --- processes ----------------------------------------------------------------------------------------


def _children(queue_directory: str) -> list[Path]:
    """Processes of the running master that a reload replaces; none where they cannot be seen."""
    found = []
    with suppress(OSError, ValueError):
        master = int((Path(queue_directory) / "pid" / "master.pid").read_text())
        for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split():
            with suppress(OSError):
                process = Path("/proc") / pid
                if (process / "comm").read_text().strip() in _RESTARTED:
                    found.append(process)
    return found


def _wait_until_gone(processes: Sequence[Path]) -> None:
    deadline = time.monotonic() + RELOAD_SECONDS
    while any(process.exists() for process in processes) and time.monotonic() < deadline:
        time.sleep(0.01)
