"""Changing our configuration file for the person who owns it: proved before, the old one kept beside it."""

import hashlib
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gatepost.cli.trouble import CommandError
from gatepost.config.edit import EditError, Outcome, with_settings
from gatepost.config.load import Overrides, parse
from gatepost.config.places import SYSTEM_CONFIG, here
from gatepost.config.problem import ConfigError
from gatepost.config.schema import Config
from gatepost.postfix.applying.filestate import (
    FileError,
    FileState,
    new_state,
    put_in_place,
    read_state,
    stage,
    sync_folder,
)
from gatepost.postfix.applying.writable import why_not
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.setting import Setting

ALREADY = "already so"
_MAX_NAME = 200
"""Octets of a copy's name, of the 255 that a file system takes."""


class Rewriting:
    """One configuration file, before and after."""

    def __init__(self, given: Path | None, overrides: Overrides | None = None) -> None:
        """Read it; a file that is not there is empty, and made by `write`.

        Raises:
            CommandError: it cannot be read, or has errors.
        """
        self.path = _resolved(given or SYSTEM_CONFIG)
        self._overrides = overrides or {}
        self._copies: dict[Path, FileState] = {}
        self.told: list[str] = []
        """What was done, for people."""
        self.backup = ""
        """Where the old file is kept; empty when there was none, or nothing was changed."""
        self.written = False
        self.reloaded = False
        try:
            self._before = read_state(self.path)
            self.text = (self._before.content if self._before else b"").decode()
        except FileError as error:
            raise CommandError(str(error)) from None
        except UnicodeDecodeError:
            raise CommandError(f"{self.path}: is not UTF-8, as TOML must be") from None
        self.config = self._parsed(self.text)

    def say(self, settings: Sequence[Setting]) -> tuple[Outcome, ...]:
        """Say these in the file, as far as they do not hold already; nothing is written yet.

        Raises:
            CommandError: nothing can be put into the file safely.
        """
        outcomes = []
        for setting in settings:
            try:
                edited = with_settings(self.text, [setting])
            except EditError as error:
                raise CommandError([f"{self.path}: {error}", "Nothing was changed."]) from None
            outcome = edited.outcomes[-1]
            if edited.text != self.text:
                config = self._parsed(edited.text, alone=True)
                if setting.how == "set" and config == self._parsed(self.text, alone=True):
                    outcome = msgspec.structs.replace(outcome, text=ALREADY)
                else:
                    self.text = edited.text
            outcomes.append(outcome)
        self.config = self._parsed(self.text, alone=True)
        return tuple(outcomes)

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.text.encode() != (self._before.content if self._before else b"")

    def copy(self, source: str, content: bytes) -> Path:
        """Where a copy of a file will be, beside the configuration; it is written with that."""
        name = source.strip("/").replace("/", "_")
        if len(name.encode()) > _MAX_NAME:
            name = hashlib.sha256(name.encode()).hexdigest()[:16]
        path = self.path.with_name(f"imported_{name}")
        mode = Path(source).stat().st_mode & 0o664
        self._copies[path] = msgspec.structs.replace(new_state(content), mode=mode)
        return path

    def follow(self, file: Path) -> None:
        """Tell when a file that is followed from now on cannot be read by the daemon's user."""
        if not file.stat().st_mode & stat.S_IROTH:
            self.told.append(f"{file} may not be read by everybody: see that the daemon's user can read it")

    def as_json(self) -> dict[str, Any]:
        """What was done, for programs."""
        return {
            "config": str(self.path),
            "written": self.written,
            "backup": self.backup,
            "reloaded": self.reloaded,
        }

    def write(self) -> None:
        """Put the new file in place, after the copies that it names.

        Raises:
            CommandError: it cannot be written, or would not be right.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for path, copy in self._copies.items():
                before = read_state(path)
                if before is None or before.content != copy.content:
                    self._keep(before, path)
                    place(path, copy.content, before or copy)
            self.config = self._parsed(self.text)
            if self.changed:
                self._put()
                self.told.append(
                    f"{self.path} was written{f'; before: {self.backup}' if self.backup else ''}"
                )
            else:
                self.told.append(f"{self.path} says all of it already")
        except OSError as error:
            raise CommandError(f"{self.path.parent}: {error.strerror}") from None
        except FileError as error:
            raise CommandError([str(error), "The configuration was not changed."]) from None

    def reload(self) -> None:
        """Let a running daemon read what was written."""
        if self.written or self._copies:
            self.reloaded, notes = reload_daemon(self.config)
            self.told.extend([*(["the daemon read it"] if self.reloaded else []), *notes])

    @staticmethod
    def _keep(before: FileState | None, path: Path) -> Path | None:
        """Keep what a file held beside it, with the time; where that is, None when there was no file."""
        if before is None:
            return None
        backup = _free(path.with_name(f"{path.name}.{time.strftime('%Y%m%dT%H%M%S')}"))
        stage(before, backup)
        return backup

    def _put(self) -> None:
        if read_state(self.path) != self._before:
            raise FileError(self.path, "was changed by somebody else meanwhile; try again")
        if reason := why_not(self.path):
            raise FileError(self.path, reason)
        backup = self._keep(self._before, self.path)
        place(self.path, self.text.encode(), self._before)
        self.backup, self.written = str(backup or ""), True

    def _parsed(self, text: str, *, alone: bool = False) -> Config:
        try:
            return parse(text, str(self.path), self._overrides, here(), alone=alone)
        except ConfigError as error:
            raise CommandError([*map(str, error.problems), "Nothing was changed."]) from None


def place(path: Path, content: bytes, like: FileState | None) -> None:
    """Let a file have this content at once; owner, mode and attributes as `like`.

    Raises:
        FileError: it cannot be written.
    """
    state = msgspec.structs.replace(like, content=content) if like else new_state(content)
    staged = _free(path.with_name(f".{path.name}.new"))
    stage(state, staged)
    put_in_place(staged, path)
    sync_folder(path.parent)


def _resolved(path: Path) -> Path:
    """Where the file itself is, when the path is a symbolic link."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        raise CommandError(f"{path}: cannot be found: its symbolic links lead nowhere") from None


def _free(path: Path) -> Path:
    """The path, or one like it that nobody has."""
    number, found = 1, path
    while found.exists() or found.is_symlink():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


def reload_daemon(config: Config) -> tuple[bool, list[str]]:
    """Let a running daemon read its configuration anew; whether one did, and what people should know."""
    try:
        answer = call(config.control.socket, "reload")
    except NoDaemonError:
        return False, ["no daemon runs; the configuration counts when it starts"]
    except ControlError as error:
        return False, [*str(error).splitlines(), "let the daemon read the configuration: gatepost reload"]
    needs = answer.get("needs_restart", ()) if isinstance(answer, dict) else ()
    return True, [str(need) for need in needs]
