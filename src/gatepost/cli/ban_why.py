"""`gatepost ban why`: is this client banned, why, and what is counted against it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gatepost.ban.table import one_form
from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.bandesk import BanDesk
from gatepost.cli.show import say, say_json, when
from gatepost.cli.trouble import CommandError

What = Annotated[str, typer.Argument(metavar="WHAT", help="An address or network.", show_default=False)]


def why(what: What, config: ConfigFile = None, json: Json = False) -> None:
    """Tell whether and why a client is banned, with the lines that show it; what is counted against it.

    Exit status 1 when it is not banned.
    """
    name = one_form(what)
    if not name:
        raise CommandError(f'"{what}" is no address or network')
    told = BanDesk(configured(config, alone=True)).why(name)
    if json:
        say_json(told)
    else:
        _say(name, told)
    if not told["bans"]:
        raise typer.Exit(1)


def _say(name: str, told: Mapping[str, Any]) -> None:
    for ban in told["bans"]:
        _say_ban(name, ban)
    if not told["bans"]:
        say(f"{name} is not banned.")
    for jail, counted in told["counted"].items():
        done = ", ".join(f"{rule} {count}x" for rule, count in counted["rules"].items())
        say(f"Counted now in jail {jail}: {counted['points']:g} of {counted['enough']:g} points ({done})")
        for line in counted["evidence"]:
            say(f"  {line}")
    if told["never"]:
        say(f"It is never banned: {told['never']}.")
    for spared in told["spared"]:
        say(f"Spared {when(spared['time'])} ({spared['rule']}): {spared['why']}")
    if told["past"] and not told["bans"]:
        say(f"It was banned before: {told['past']['times']} times, until {when(told['past']['until'])}.")
    if told["bans"] and not told["firewall"] and not told["asked_first"]:
        say("The firewall does not run: only its mail is refused; who guesses passwords is not stopped.")
    if told["bans"]:
        say(f"To let it in again: gatepost ban remove {told['bans'][0]['network']}")


def _say_ban(name: str, ban: Mapping[str, Any]) -> None:
    until = when(ban["until"]) if ban["until"] is not None else "it is removed"
    whose = f"{name} is banned" if ban["network"] == name else f"{name}: {ban['network']} is banned"
    say(f"{whose} since {when(ban['since'])} until {until}, by {ban['origin']}.")
    say(f"Why: {ban['reason']}" + (f" (its {ban['times']}. ban)" if ban["times"] > 1 else ""))
    for line in ban["evidence"]:
        say(f"  {line}")
