"""The collection of somebody's main.cf and master.cf files, and what the real postconf says about a folder.

`tests/cases/postfix/NN-name/` holds main.cf, master.cf, the maps that they name, and case.toml: see `Case`.
"""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from gatepost.postfix.conf.restrictions import LISTS
from gatepost.postfix.settings import parse_parameters

FOLDER = Path(__file__).parent.parent / "cases" / "postfix"
_TOGETHER = re.compile(rb"(?m)((?:^|[ \t])-[vD]*o)(?=[A-Za-z])")
"""`-oname=value`: smtpd takes it (getopt), postconf tears it at each further letter o."""


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Postfix configuration, what is hard about it, and what must come of it."""

    name: str = ""
    why: str
    postfix_says: str
    """What the real Postfix 3.7 does with it; a fact, for people."""
    notes: str = ""
    refused: str = ""
    """A careful planner stops: part of the reason, with `file` and `line`."""
    file: str = ""
    line: int = 0
    ask_services: list[str] = []
    """Services where Gatepost must be asked about strangers' mail."""
    learn_services: list[str] = []
    """Services where the learning line must stand first; those of `ask_services` have it anyway."""
    untouched_services: list[str] = []
    """Services where every list in force must stay what it was."""
    nothing: bool = False
    """The plan must be empty."""
    ban_services: list[str] = []
    """Services that --ban-at-connect lets ask about bans."""
    ban_refused: dict[str, str] = {}
    """Those that it leaves alone, and part of the reason."""
    take_over: dict[str, list[str]] = {}
    """What must leave Postfix with --take-over (`{dir}`: the folder), and the settings that it becomes."""
    stays: dict[str, str] = {}
    """What stays in Postfix all the same, and part of the reason."""
    postconf: Literal["reads", "refuses"] = "reads"
    warns: str = ""
    """Part of what postconf complains about, though it goes on."""
    dies: str = ""
    """Part of what smtpd logs when it dies of this."""
    replies: list[int] = []
    """The reply codes of a living smtpd to a stranger's mail for a recipient here."""
    live: bool = True
    """Whether a real smtpd can run with it here; else something is missing (a data base, Dovecot)."""

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return FOLDER / self.name

    def put(self, folder: Path) -> str:
        """Copy its files into `folder`; returns that as text."""
        for path in self.folder.iterdir():
            if path.name != "case.toml":
                shutil.copyfile(path, folder / path.name)
                settle(folder / path.name)
        return str(folder)


def cases() -> list[Case]:
    """The whole collection, in order."""
    return [
        msgspec.structs.replace(
            msgspec.convert(tomllib.loads((path / "case.toml").read_text("utf-8")), Case), name=path.name
        )
        for path in sorted(FOLDER.iterdir())
    ]


def settle(path: Path) -> None:
    """Make a file look older than it is: Postfix's programs wait until one is older than a second."""
    old = path.stat().st_mtime - 60
    os.utime(path, (old, old))


# --- the real postconf --------------------------------------------------------------------------------


class Said(msgspec.Struct, frozen=True):
    """What postconf said; octets that are no UTF-8 as surrogates."""

    status: int
    out: str
    complaints: str


def postconf(folder: str, *arguments: str) -> Said:
    """Ask postconf about the configuration in a folder."""
    done = subprocess.run(["postconf", "-c", folder, *arguments], capture_output=True, check=False)
    out, complaints = (octets.decode("utf-8", "surrogateescape") for octets in (done.stdout, done.stderr))
    return Said(done.returncode, out, complaints)


def effective(folder: str) -> dict[str, str]:
    """What main.cf sets that Postfix uses, not expanded, blanks made one (`postconf -n`)."""
    found = {name: one_blank(value) for name, value in parse_parameters(postconf(folder, "-n").out).items()}
    found.pop("config_directory", None)
    return found


def service_names(folder: str) -> list[str]:
    """The services in master.cf, `name/type`, in order (`postconf -M`)."""
    rows = (row.split() for row in postconf(folder, "-M").out.splitlines())
    return [f"{row[0]}/{row[1]}" for row in rows]


def overrides(folder: str) -> dict[str, dict[str, str]]:
    """What master.cf sets for each service alone, not expanded (`postconf -P`)."""
    found: dict[str, dict[str, str]] = {}
    for row in postconf(_apart(folder), "-P").out.splitlines():
        key, _, value = row.partition(" =")
        service, _, name = key.rpartition("/")
        found.setdefault(service, {})[name] = value.strip()
    return found


def lists_in_force(
    folder: str, service: str, apart: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, str]:
    """Every list of restrictions as it is in force for a service, expanded, blanks and commas made one blank.

    `apart`: the answer of `overrides`, when it is known already.
    """
    own = (overrides(folder) if apart is None else apart).get(service, {})
    options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    said = parse_parameters(postconf(folder, *options, "-x", *LISTS).out)
    return {name: one_blank(said[name]) for name in LISTS}


def restrictions_in_force(folder: str, service: str, parameter: str) -> str:
    """One list as it is in force for a service, expanded, blanks and commas made one blank."""
    return lists_in_force(folder, service)[parameter]


def one_blank(value: str) -> str:
    """A value with every run of blanks and commas made one blank."""
    return " ".join(value.replace(",", " ").split())


def _apart(folder: str) -> str:
    """The folder, or a copy of its files with each `-oname=value` written so that postconf can read it."""
    octets = Path(folder, "master.cf").read_bytes()
    if not _TOGETHER.search(octets):
        return folder
    copy = Path(folder, "apart")
    copy.mkdir(exist_ok=True)
    shutil.copyfile(Path(folder, "main.cf"), copy / "main.cf")
    (copy / "master.cf").write_bytes(_TOGETHER.sub(rb"\1 ", octets))
    for name in ("main.cf", "master.cf"):
        settle(copy / name)
    return str(copy)
