"""The `gatepost` command.

A new command is one file in this folder and one line in COMMANDS: the module,
with a function that has the command's name (`list_` for `list`), or with a
Typer group `app`. A command's module is imported only when the command runs,
so that `--help` and every other command start fast.
"""

import importlib
import io
import logging
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from gatepost import __version__
from gatepost.cli.trouble import CommandError

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Answer Postfix's questions, in the foreground."),
    "ask": ("ask", "What would happen to this client, and why; changes nothing."),
    "explain": ("explain", "Why a mail was refused, delayed or let in."),
    "allow": ("lists", "Let in what would be refused or would have to wait."),
    "deny": ("lists", "Refuse it, whatever else is known."),
    "expect": ("lists", "Let mail to somebody who waits for a code in without delay."),
    "list": ("lists", "What is on the own lists, and where each entry stands."),
    "ban": ("ban", "Who is shut out and why; ban somebody, let him in, try rules on a log."),
    "status": ("status", "How the daemon is, now."),
    "reload": ("reload", "Let the daemon read its configuration anew."),
    "restore": ("restore", "Own lists and correspondents as an earlier snapshot has them."),
    "config": ("config", "Check, show and explain the configuration."),
    "postfix": ("postfix", "Put Gatepost in front of a Postfix, take it back, look at what is there."),
    "import": ("import_", "Move over from postgrey and from Postfix access maps."),
    "firewall": ("firewall", "Shut out who is banned, by nftables; a process of its own."),
    "lab": ("lab", "A private Internet with a real Postfix, to try Gatepost in."),
}
"""Command: module in this folder, and a sentence for `--help`."""


class LazyGroup(TyperGroup):
    """Knows every command by name and sentence, and imports the one that runs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (_, sentence) in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=sentence, rich_markup_mode=None)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """In the order of the table, not of the alphabet."""
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command to run; only this one is imported."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in COMMANDS else command, rest


def load(name: str) -> Any:
    """The command called `name`, ready to run."""
    module = importlib.import_module(f"gatepost.cli.{COMMANDS[name][0]}")
    app = getattr(module, "app", None)
    if app is None:
        app = new_app()
        function = getattr(module, name, None) or getattr(module, f"{name}_")
        app.command(name)(function)
    return get_command(app)


def new_app(**settings: Any) -> typer.Typer:
    """A Typer application with our settings."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        **settings,
    )


app = new_app(cls=LazyGroup, no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gatepost {__version__}")
        raise typer.Exit


@app.callback()
def gatepost(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """Stops spam at the SMTP door of a Postfix server, and explains every refusal."""


def _text(argument: str) -> str:
    r"""`argument` with octets that are not UTF-8 as `\xNN`, which is how Postfix's requests are kept, too."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run one command. Exit status: 0 done, 1 the answer is no, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # in whatever locale, an answer is printed
    # What the parts log is for the daemon, which sets up its own log; a command tells it in its answer.
    logging.getLogger("gatepost").addHandler(logging.NullHandler())
    given = [_text(argument) for argument in (sys.argv[1:] if arguments is None else arguments)]
    try:
        get_command(app).main(args=given, prog_name="gatepost")
    except CommandError as trouble:
        from gatepost.cli.show import warn  # noqa: PLC0415 - needed only when something is wrong

        for line in trouble.lines:
            warn(line)
        raise SystemExit(trouble.status) from None
