"""`gatepost ban`: who is shut out and why; ban somebody, let him in again, try rules on an old log."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gatepost.ban.table import one_form
from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.ban_stats import stats
from gatepost.cli.ban_trial import try_log
from gatepost.cli.ban_why import why
from gatepost.cli.bandesk import BanDesk, fitting
from gatepost.cli.main import new_app
from gatepost.cli.show import say, say_json, say_table, warn, when
from gatepost.cli.trouble import CommandError
from gatepost.options import Duration, duration
from gatepost.store.base import Ban

app = new_app(
    no_args_is_help=True, help="Who is shut out and why; ban somebody, let him in, try rules on a log."
)

MAX_FILE = 64 * 1024 * 1024
"""Octets read of a file with networks."""
BATCH = 300
"""Networks in one request to the daemon: a request is bounded."""

What = Annotated[
    list[str] | None, typer.Argument(metavar="WHAT...", help="Addresses and networks.", show_default=False)
]
FromFile = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="Read them from this file, one a line; # begins a comment.",
        show_default=False,
    ),
]
For = Annotated[
    str, typer.Option("--for", metavar="TIME", help="How long, e.g. 10m, 12h, 30d; else until it is removed.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; for people.")]
Force = Annotated[bool, typer.Option("--force", help="Although senders in it delivered mail lately.")]


@app.command(name="list")
def list_(config: ConfigFile = None, json: Json = False) -> None:
    """Show who is banned, until when, why, by whom, and how it is enforced."""
    told = BanDesk(configured(config, alone=True)).list()
    if json:
        say_json(told)
        return
    packets = told["packets"]
    rows = [_row(ban, packets, told["refused"]) for ban in told["bans"]]
    if rows:
        say_table(("banned", "until", "offences", "dropped", "why", "origin"), rows)
    else:
        say("Nobody is banned.")
    if told["observed"]:
        say()
        say("Would have been banned (mode observe):")
        rows = [_row(ban, {}, {}) for ban in told["observed"]]
        say_table(("network", "until", "offences", "dropped", "why", "origin"), rows)
    say_enforcement(told)


def _row(ban: Mapping[str, Any], packets: Mapping[str, int], refused: Mapping[str, str]) -> tuple[str, ...]:
    network = ban["network"]
    until = when(ban["until"]) if ban["until"] is not None else "removed"
    times = f" ({ban['times']}. time)" if ban["times"] > 1 else ""
    why = f"{ban['reason']}{times}" + (
        f"; not in the firewall: {refused[network]}" if network in refused else ""
    )
    return network, until, str(ban["offences"] or ""), str(packets.get(network, "")), why, ban["origin"]


def say_enforcement(told: Mapping[str, Any]) -> None:
    """How bans are enforced; what is not stopped without the firewall."""
    if told["mode"] == "observe":
        say("Mode observe: nobody is shut out. What is left of former bans holds again in mode enforce.")
    if told["firewall"]:
        say(f"The firewall drops packets to ports {told['ports']}.")
    elif told["asked_first"]:
        say("The firewall does not run; Postfix asks before its greeting, and refuses who is banned (521).")
    else:
        say(
            "The firewall does not run: mail of banned clients is refused (521), but who guesses passwords "
            "is not stopped, since Postfix asks nobody before AUTH."
        )
        say(
            "Start it (systemctl enable --now gatepost-firewall; or: gatepost firewall), or let Postfix ask "
            "before its greeting: gatepost postfix plan --ban-at-connect"
        )
    for trouble in told["trouble"]:
        say(f"! {trouble}")


@app.command()
def add(
    what: What = None,
    *,
    file: FromFile = None,
    for_: For = "",
    reason: Reason = "",
    force: Force = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Ban addresses and networks. Who must not be banned (own networks, ...) is told, with the reason."""
    networks = _networks(what or (), file or ())
    if not networks:
        raise CommandError("Say whom: addresses or networks, or --file FILE.")
    seconds = _seconds(for_)
    now = time.time()
    until = now + seconds if seconds else None
    bans = [Ban(network=n, since=now, until=until, reason=reason or "entered by hand") for n in networks]
    desk = BanDesk(configured(config, alone=True))
    told = _together(desk.put(batch, force=force) for batch in fitting(bans))
    if json:
        say_json(told)
    else:
        _say_added(told, until)
    if told["refused"]:
        raise typer.Exit(1)


def _say_added(told: Mapping[str, Any], until: float | None) -> None:
    end = f"until {when(until)}" if until else "until it is removed"
    for network in told["put"][:20]:
        covers = told["covers"].get(network)
        say(
            f"{network}: banned {end}"
            + (f"; covers {covers} senders that delivered lately" if covers else "")
        )
    if len(told["put"]) > 20:
        say(f"... and {len(told['put']) - 20} more")
    for network, reason in told["refused"].items():
        warn(f"{network}: not banned: {reason}")


def _together(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    put: list[str] = []
    refused: dict[str, str] = {}
    covers: dict[str, int] = {}
    for answer in answers:
        put += answer["put"]
        refused |= answer["refused"]
        covers |= answer["covers"]
    return {"put": put, "refused": refused, "covers": covers}


@app.command()
def remove(
    what: What = None, *, file: FromFile = None, config: ConfigFile = None, json: Json = False
) -> None:
    """Let banned addresses and networks in again, and forget what was counted against them."""
    networks = _networks(what or (), file or ())
    if not networks:
        raise CommandError("Say whom: addresses or networks, or --file FILE.")
    desk = BanDesk(configured(config, alone=True))
    removed: list[str] = []
    for at in range(0, len(networks), BATCH):
        removed += desk.remove(networks[at : at + BATCH])
    if json:
        say_json({"removed": removed})
    for network in removed:
        if not json:
            say(f"{network}: no longer banned")
    if missing := [n for n in networks if n not in removed]:
        covered = desk.covering(missing)
        lines = [
            f"{n}: is not banned" + (f" itself, but {covered[n]} is" if n in covered else "") for n in missing
        ]
        raise CommandError(lines, status=1)


app.command()(why)
app.command(name="test")(try_log)
app.command()(stats)


def _networks(said: Iterable[str], files: Iterable[Path]) -> list[str]:
    """In their one form, each once, in order; what is none is told, all at once."""
    words = [(word, "") for word in said]
    for path in files:
        words += _words_of(path)
    wrong = [f'{place}"{word}" is no address or network' for word, place in words if not one_form(word)]
    if wrong:
        raise CommandError(wrong[:20] + ([f"... and {len(wrong) - 20} more"] if len(wrong) > 20 else []))
    return list(dict.fromkeys(one_form(word) for word, _ in words))


def _words_of(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE).decode("utf-8", "backslashreplace")
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror}") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [(word, f"{path}:{number}: ") for word in line.partition("#")[0].split()]
    return found


def _seconds(text: str) -> Duration | None:
    if not text:
        return None
    try:
        return duration(text) or None
    except ValueError as error:
        raise CommandError(f"--for: {error}") from None
