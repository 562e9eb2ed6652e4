"""Switching over from postgrey to Gatepost at one port, where systemd runs both; else it is said what to do.

Postfix asks again after a second when nobody listens, so that a switch that
takes less costs no mail. When what follows fails, postgrey is started again.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gatepost.cli.trouble import CommandError

SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd is the init (sd_booted(3))."""
POSTGREY = ("postgrey.service",)
GATEPOST = ("gatepost.socket", "gatepost.service")
SECONDS = 60.0


@contextmanager
def switched(owner: str, server: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Gatepost answers where postgrey (`owner`) did, and postgrey again when the block fails.

    Raises:
        CommandError: it cannot be done here; the text says what to do by hand.
    """
    if not SYSTEMD.is_dir():
        pid = owner.rpartition(" ")[2].strip(")")
        first = f"{owner} answers at {server}, and without systemd nobody can switch over by himself."
        then = (
            f"Stop postgrey (service postgrey stop, or kill {pid}), start Gatepost at once (gatepost run), "
            "call apply again. In between Postfix tells senders to come back later."
        )
        raise CommandError([first, then])
    tell(f"Switching {server} over from postgrey to Gatepost.")
    _systemctl("disable", "--now", *POSTGREY)
    with ExitStack() as undo:
        undo.callback(_switch_back, tell)
        _systemctl("enable", "--now", *GATEPOST)
        yield
        undo.pop_all()


def _switch_back(tell: Callable[[str], None]) -> None:
    tell("Switching back to postgrey.")
    for arguments in (("disable", "--now", *reversed(GATEPOST)), ("enable", "--now", *POSTGREY)):
        try:
            _systemctl(*arguments)
        except CommandError as trouble:  # what went wrong first is told in the end
            for line in trouble.lines:
                tell(line)


def _systemctl(*arguments: str) -> None:
    try:
        ran = subprocess.run(
            ["systemctl", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"systemctl {' '.join(arguments)}: {error}") from None
    if ran.returncode:
        said = ran.stderr.decode(errors="backslashreplace").strip().splitlines()
        raise CommandError([f"systemctl {' '.join(arguments)} failed", *said])
