"""`gatepost run`: the daemon."""

from typing import Annotated, Literal

import typer

from gatepost.cli.arguments import ConfigFile, Store, configured
from gatepost.config.load import Overrides, Said, load
from gatepost.config.places import config_file

Listen = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        metavar="PLACE",
        help="Where to answer Postfix, inet:HOST:PORT or unix:PATH; again for more.",
    ),
]
Mode = Annotated[
    Literal["enforce", "observe"] | None,
    typer.Option("--mode", help="observe: let every mail pass, and only write down what would happen."),
]


def run(config: ConfigFile = None, listen: Listen = None, store: Store = None, mode: Mode = None) -> None:
    """Answer Postfix's questions, in the foreground; works without any configuration."""
    from gatepost import daemon  # noqa: PLC0415 - a wrong option should be told without importing all of it

    overrides = _overrides(listen, store, mode)
    first = configured(config, overrides)
    raise typer.Exit(daemon.run(first, lambda: load(config_file(config), overrides)))


def _overrides(listen: list[str] | None, store: str | None, mode: str | None) -> Overrides:
    said = {
        ("listen", "policy"): Said("--listen", listen),
        ("store", "url"): Said("--store", store),
        ("mode",): Said("--mode", mode),
    }
    return {path: one for path, one in said.items() if one.value}
