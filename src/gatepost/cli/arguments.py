"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from gatepost.cli.trouble import CommandError
from gatepost.config.load import Overrides, load
from gatepost.config.places import config_file
from gatepost.config.problem import ConfigError
from gatepost.config.schema import Config

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file; without it /etc/gatepost/gatepost.toml, when there is one.",
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="Where state is kept, sqlite:PATH or memory:", show_default=False
    ),
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config-dir",
        metavar="DIR",
        help="Postfix's folder, with main.cf; without it where postconf looks.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def configured(given: Path | None, overrides: Overrides | None = None, *, alone: bool = False) -> Config:
    """The configuration in the file given, or in the one that stands where it is looked for, or the defaults.

    With `alone`, no file that it names is read (`config.load`): for commands to a running daemon.

    Raises:
        CommandError: with all that is wrong with it.
    """
    try:
        return load(config_file(given), overrides, alone=alone)
    except ConfigError as error:
        raise CommandError(map(str, error.problems)) from None
