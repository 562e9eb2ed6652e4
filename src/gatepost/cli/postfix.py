"""`gatepost postfix`: put Gatepost in front of a Postfix, take it back, and look at what is there."""

from contextlib import ExitStack
from typing import Annotated, Any

import msgspec
import typer

from gatepost.cli.arguments import ConfigDir, ConfigFile, Json, configured
from gatepost.cli.main import new_app
from gatepost.cli.planning import Planned, config_folder, our_line, planned
from gatepost.cli.postfix_apply import carry_out, confirm, tidy_up
from gatepost.cli.postfix_audit import audit
from gatepost.cli.postfix_gate import Gate
from gatepost.cli.postfix_rollback import BackupDir, Yes, rollback
from gatepost.cli.postfix_switch import switched
from gatepost.cli.show import say, say_json, say_table, warn
from gatepost.config.edit import as_line
from gatepost.config.expected import plain
from gatepost.config.places import config_file
from gatepost.postfix.applying.backups import BACKUPS
from gatepost.postfix.planning.takeover import Takeover

app = new_app(
    no_args_is_help=True, help="Put Gatepost in front of a Postfix, take it back, look at what is there."
)

TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Move restrictions that Gatepost can do itself (block lists, reverse names, postgrey, ...) "
        "into its configuration.",
    ),
]

BanAtConnect = Annotated[
    bool,
    typer.Option(
        "--ban-at-connect",
        help="Let Postfix ask about bans before its greeting (smtpd_delay_reject = no for each service), so "
        "that a banned client can try no password.",
    ),
]


@app.command()
def plan(
    config_dir: ConfigDir = None,
    take_over: TakeOver = False,
    ban_at_connect: BanAtConnect = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show what `apply` would change in main.cf and master.cf, each with its reason; changes nothing."""
    made = planned(config_folder(config_dir), config, take=take_over, ban=ban_at_connect)
    if json:
        say_json(as_json(made))
        return
    show_plan(made)
    if made.changes:
        say()
        options = " --take-over" * take_over + " --ban-at-connect" * ban_at_connect
        say(f"Nothing was changed. To do it: gatepost postfix apply{options}")


@app.command()
def apply(
    *,
    config_dir: ConfigDir = None,
    take_over: TakeOver = False,
    ban_at_connect: BanAtConnect = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    yes: Yes = False,
    backups: BackupDir = BACKUPS,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Do what `plan` shows: keep the files, write, let Postfix check and reload, probe by SMTP, or undo all.

    Exit status 1 when it was left or brought back.
    """
    folder = config_folder(config_dir)
    options = configured(config, alone=True)
    gate = Gate(options, config_file(config), our_line(options).server)
    tidy_up(folder, gate, backups=backups, dry_run=dry_run)
    made = planned(folder, config, take=take_over, ban=ban_at_connect)
    if not json:
        show_plan(made)
        say()
    with ExitStack() as stack:
        if made.postgrey_holds and made.changes and not dry_run:
            if not yes:
                confirm(f"Stop {made.owner}, start Gatepost in its place, and change the files?", json=json)
                yes = True
            stack.enter_context(switched(made.owner, made.line.server, warn))
        carry_out(
            made.changes,
            folder,
            gate,
            backups=backups,
            probe_at=made.probe_at,
            yes=yes,
            dry_run=dry_run,
            json=json,
        )


app.command()(rollback)
app.command()(audit)


def as_json(made: Planned) -> dict[str, Any]:
    """The plan, for programs."""
    takeover = made.takeover
    return {
        "config_dir": made.plan.config_dir,
        "asks": made.line.server,
        "held_by": made.owner,
        "found": made.plan.found,
        "notes": [*made.plan.notes, *notes(made)],
        "refused": made.plan.refused,
        "settings": plain(msgspec.to_builtins(made.plan.settings)),
        "files": [change.path for change in made.changes],
        "diff": made.diff,
        "taken_over": [
            {"old": one.old, "where": one.where, "new": [*map(as_line, one.settings)], "differs": one.notes}
            for one in takeover.moved
        ],
        "differs": takeover.notes,
        "left": plain(msgspec.to_builtins(takeover.left)),
        "empty": not made.changes,
    }


def show_plan(made: Planned) -> None:
    """The plan, for people."""
    for line in made.plan.found:
        say(line)
    for note in (*made.plan.refused, *made.plan.notes, *notes(made)):
        say(f"! {note}")
    if not made.changes:
        say("Nothing to change" + ("." if made.plan.refused else ": Postfix asks Gatepost already."))
    for change in made.plan.settings:
        say()
        say(f"{change.parameter}" + (f" of {change.service}" if change.service else ""))
        for reason in change.reasons:
            say(f"  - {reason}")
    _show_takeover(made.takeover)
    if made.changes:
        say()
        for line in made.diff.removesuffix("\n").split("\n"):  # only there a line of Postfix ends
            say(line)


def _show_takeover(takeover: Takeover) -> None:
    """Old and new side by side, and what stays."""
    if takeover.moved:
        say()
        columns = ("Postfix until now", "Gatepost from now on", "what differs")
        rows = [
            (f"{m.where}: {m.old}", "; ".join(map(as_line, m.settings)), "; ".join(m.notes))
            for m in takeover.moved
        ]
        say_table(columns, rows)
        for note in takeover.notes:
            say(f"! {note}")
    if takeover.left:
        say()
        say_table(("stays in Postfix", "because"), [(f"{m.where}: {m.old}", m.reason) for m in takeover.left])


def notes(made: Planned) -> list[str]:
    """What has to be known about the place where Gatepost is to answer."""
    server = made.line.server
    if made.beside:
        return [f"postgrey is asked as well, at {made.beside}: mail may wait twice; --take-over ends that"]
    if made.postgrey_holds:
        sentence = (
            f"{made.owner} answers at {server}, where Gatepost is to answer: apply switches over to it; "
            "take whitelists and triplets along before: gatepost import postgrey"
        )
        return [sentence]
    if made.owner and not made.owner.startswith(("gatepost", "systemd")):  # which holds gatepost.socket
        return [f"{made.owner} listens at {server}; Gatepost cannot answer there until it is stopped"]
    return []
