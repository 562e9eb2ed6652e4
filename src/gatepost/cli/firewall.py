"""`gatepost firewall`: shuts out who is banned, in a process of its own."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.show import say, say_json, say_table
from gatepost.cli.trouble import CommandError
from gatepost.config.lines import KeyPath
from gatepost.config.load import Said
from gatepost.config.schema import Config
from gatepost.firewall.kernel import Kernel, KernelError
from gatepost.firewall.listing import Listing
from gatepost.firewall.options import FirewallOptions, parse_ports
from gatepost.firewall.ruleset import range_text, remove_script
from gatepost.firewall.state import State, StateError
from gatepost.network import Network, parse_network
from gatepost.options import Duration

Ports = Annotated[
    str | None,
    typer.Option(
        "--ports", metavar="PORTS", help="TCP ports to close, as in 25,587; or all.", show_default=False
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Folder for the last bans.", show_default=False),
]
Show = Annotated[bool, typer.Option("--show", help="Print what the kernel holds, and end.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take our table out of the kernel, and end.")]


def firewall(
    config: ConfigFile = None,
    ports: Ports = None,
    state: Folder = None,
    show: Show = False,
    remove: Remove = False,
    json: Json = False,
) -> None:
    """Shut out who is banned, by nftables, in the foreground; needs CAP_NET_ADMIN."""
    if show and remove:
        raise CommandError("--show and --remove are two things; say one of them.")
    found = configured(config, _said(ports, state), alone=True)
    if show:
        _show(found.firewall, json=json)
    elif remove:
        _remove(found.firewall)
    else:
        _run(found)


def _said(ports: str | None, state: Path | None) -> dict[KeyPath, Said]:
    said: dict[KeyPath, Said] = {}
    if ports is not None:
        try:
            said["firewall", "ports"] = Said("--ports", parse_ports(ports))
        except ValueError as error:
            raise CommandError(f"--ports: {error}") from None
    if state is not None:
        said["firewall", "state"] = Said("--state", str(state.absolute()))
    return said


def _run(config: Config) -> None:
    from gatepost.firewall import process  # noqa: PLC0415 - not needed to look or to remove
    from gatepost.observe.log import set_up  # noqa: PLC0415

    set_up(config.log)
    raise typer.Exit(process.run(config.firewall, config.control.socket, _never(config)))


def _never(config: Config) -> list[Network]:
    """Whom the configuration spares."""
    spared = (*config.ours.networks, *config.ban.never)
    return [network for text in spared if (network := parse_network(text))]


def _show(options: FirewallOptions, *, json: bool) -> None:
    try:
        found = asyncio.run(Kernel(options.table).look())
    except KernelError as error:
        raise CommandError(str(error)) from None
    if json:
        say_json(None if found is None else _plain(found))
    elif found is None:
        say("The kernel has no table of ours: nobody is shut out.")
    else:
        _say(found)
    if found is None:
        raise typer.Exit(1)


def _say(found: Listing) -> None:
    rows = [
        (
            range_text(bounds),
            "-" if held.seconds is None else str(Duration(int(held.seconds))),
            str(held.count.packets),
        )
        for bounds, held in found.elements.items()
    ]
    say_table(("shut out", "for", "packets dropped"), rows)
    say(f"{sum(count.packets for count in found.dropped.values())} packets dropped in all")


def _plain(found: Listing) -> dict[str, Any]:
    return {
        "packets": sum(count.packets for count in found.dropped.values()),
        "bytes": sum(count.bytes for count in found.dropped.values()),
        "elements": [
            {
                "addresses": range_text(bounds),
                "seconds": held.seconds,
                "packets": held.count.packets,
                "bytes": held.count.bytes,
            }
            for bounds, held in found.elements.items()
        ],
    }


def _remove(options: FirewallOptions) -> None:
    state = State(options.state)
    try:
        if state.folder.is_dir():
            state.open()  # one that runs would put the table back at once
        asyncio.run(_remove_table(Kernel(options.table)))
    except (StateError, KernelError) as error:
        raise CommandError(str(error)) from None
    finally:
        state.close()
    say(f"The table {options.table} is out of the kernel: nobody is shut out by it any more.")


async def _remove_table(kernel: Kernel) -> None:
    await kernel.tell(remove_script(kernel.table))
