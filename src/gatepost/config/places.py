"""Where things lie when nobody says: configuration, state and the control socket.

The system's daemon keeps its state in /var/lib/gatepost and listens for
commands in /run/gatepost (or where systemd's StateDirectory= and
RuntimeDirectory= put them). Somebody who may not write there gets places of
their own, by the XDG base directory specification.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

SYSTEM_CONFIG = Path("/etc/gatepost/gatepost.toml")
SYSTEM_STATE = Path("/var/lib/gatepost")
SYSTEM_RUN = Path("/run/gatepost")


class Places(msgspec.Struct, frozen=True):
    """Where one installation keeps what."""

    state: Path
    """Directory of the store and everything else that must survive a restart."""
    control: Path
    """Socket by which commands reach the daemon."""

    @property
    def store(self) -> str:
        """URL of the store."""
        return f"sqlite:{self.state / 'gatepost.db'}"


def places(environ: Mapping[str, str], *, system: bool) -> Places:
    """The places of the system's daemon, or those of an ordinary user."""
    if system:
        state = _first(environ.get("STATE_DIRECTORY")) or SYSTEM_STATE
        return Places(state, (_first(environ.get("RUNTIME_DIRECTORY")) or SYSTEM_RUN) / "control.sock")
    home = Path(environ.get("HOME") or "~").expanduser()
    state = (_absolute(environ.get("XDG_STATE_HOME")) or home / ".local" / "state") / "gatepost"
    runtime = _absolute(environ.get("XDG_RUNTIME_DIR"))
    return Places(state, (runtime / "gatepost" if runtime else state) / "control.sock")


def here() -> Places:
    """The places of this process."""
    system = os.geteuid() == 0 or "STATE_DIRECTORY" in os.environ or os.access(SYSTEM_STATE, os.W_OK)
    return places(os.environ, system=system)


def control_for(places: Places, url: str, file: str) -> Path:
    """The control socket where `file` says `url` for its store and nothing of a socket.

    Two daemons with configurations of their own share no state, so they must
    not share a socket: a command would reach the wrong one. The system's file
    keeps the system's socket, which systemd may have made.
    """
    if url in ("", places.store) or not file or Path(file) == SYSTEM_CONFIG:
        return places.control
    return places.control.with_name(f"control-{hashlib.sha256(url.encode()).hexdigest()[:8]}.sock")


def config_file(given: Path | None) -> Path | None:
    """The file to read: the one given, else the system's when there is one, else none."""
    if given is not None:
        return given
    try:
        SYSTEM_CONFIG.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # its folder is closed to us: reading it will say so, where the defaults would be a wrong answer
    return SYSTEM_CONFIG


def _first(directories: str | None) -> Path | None:
    """Of several directories systemd gives, with colons between them, the first."""
    return Path(directories.split(":")[0]) if directories else None


def _absolute(directory: str | None) -> Path | None:
    """The specification wants relative paths in its variables to be ignored."""
    return Path(directory) if directory and Path(directory).is_absolute() else None
