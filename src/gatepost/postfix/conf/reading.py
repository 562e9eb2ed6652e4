"""Reads a Postfix configuration: the two files, and what postconf(1) knows of itself.

Raises ConfError, with the file, for what cannot be read or understood.
"""

import os
import subprocess
from pathlib import Path

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import MAX_OCTETS, ConfError
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master
from gatepost.postfix.settings import parse_parameters

SECONDS = 20.0
_PATH = "/usr/sbin:/sbin:/usr/local/sbin"


def read_instance(folder: str) -> Instance:
    """The Postfix that is configured in a folder.

    Raises:
        ConfError: it cannot be read, or cannot be understood.
    """
    octets = {name: _octets(f"{folder}/{name}") for name in ("main.cf", "master.cf")}
    return instance_of(folder, octets["main.cf"], octets["master.cf"])


def instance_of(folder: str, main: bytes, master: bytes) -> Instance:
    """The Postfix that these two files in `folder` configure.

    Raises:
        ConfError: they cannot be understood.
    """
    defaults = parse_parameters(ask_postconf("-c", folder, "-d"))
    defaults["config_directory"] = folder  # -d names the one that is built in
    with _named(f"{folder}/main.cf"):
        main_cf = read_main(main)
    with _named(f"{folder}/master.cf"):
        master_cf = read_master(master)
    instance = Instance(folder, main_cf, master_cf, defaults, defaults.get("mail_version", ""))
    others = instance.value("multi_instance_directories").replace(",", " ").split()
    return Instance(folder, main_cf, master_cf, defaults, instance.version, tuple(others))


class _named:  # noqa: N801 - reads like a function
    """Gives the errors of the block the name of the file."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ConfError):
            error.file = error.file or self._file


def ask_postconf(*arguments: str) -> str:
    """What postconf says.

    Raises:
        ConfError: it is not installed, is late, or says no.
    """
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_PATH}", "LC_ALL": "C"}
    try:
        ran = subprocess.run(
            ["postconf", *arguments], capture_output=True, timeout=SECONDS, check=False, env=environment
        )
    except FileNotFoundError:
        raise ConfError("Postfix is not installed: there is no program postconf") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfError(f"postconf does not answer: {error}") from None
    said = ran.stderr.decode(errors="backslashreplace").strip()
    if ran.returncode:
        raise ConfError(f"postconf says no: {said.splitlines()[-1] if said else ran.returncode}")
    return ran.stdout.decode("utf-8", "surrogateescape")


def _octets(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise ConfError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=path) from None
