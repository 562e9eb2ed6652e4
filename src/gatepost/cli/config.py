"""`gatepost config`: is the file right, what does it come to, what could stand in it."""

from pathlib import Path
from typing import Annotated

import typer

from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.main import new_app
from gatepost.cli.show import say, say_json, warn
from gatepost.cli.trouble import CommandError
from gatepost.config import reference
from gatepost.config.expected import plain
from gatepost.config.load import load
from gatepost.config.places import config_file
from gatepost.config.problem import ConfigError
from gatepost.config.rules_page import rules_page
from gatepost.config.schema import as_file
from gatepost.config.toml import toml_lines

app = new_app(no_args_is_help=True, help="Check, show and explain the configuration.")

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The same as --config FILE.", show_default=False),
]


@app.command()
def check(file: FileArgument = None, config: ConfigFile = None, json: Json = False) -> None:
    """Read the configuration and tell all that is wrong with it, each with file, line and key."""
    path = config_file(file or config)
    try:
        warnings = load(path).warnings
    except ConfigError as error:
        if json:
            say_json({"ok": False, "file": str(path or ""), "problems": error.problems})
            raise typer.Exit(2) from None
        raise CommandError(map(str, error.problems)) from None
    if json:
        say_json({"ok": True, "file": str(path or ""), "problems": [], "warnings": warnings})
        return
    for warning in warnings:
        warn(f"warning: {warning}")
    say(f"{path}: no fault found" if path else "There is no configuration file; the defaults are used.")


@app.command()
def show(file: FileArgument = None, config: ConfigFile = None, json: Json = False) -> None:
    """Print the configuration as it is used, with every default; keys and tokens as stars."""
    document = plain(as_file(configured(file or config)))
    if json:
        say_json(document)
        return
    for line in toml_lines(document):
        say(line)


@app.command()
def example() -> None:
    """Print a configuration file with every option, explained and commented out."""
    print(reference.example(), end="")


@app.command(name="reference")
def reference_page() -> None:
    """Print the reference page of all options (docs/config.md)."""
    print(reference.reference(), end="")


@app.command(name="rules")
def rules_of_all() -> None:
    """Print the page of all rules, with their worth in each profile (docs/rules.md)."""
    print(rules_page(), end="")
