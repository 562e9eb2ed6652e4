"""`gatepost postfix rollback`: the files of Postfix as they were before an earlier change."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatepost.cli.arguments import ConfigDir, ConfigFile, Json, configured
from gatepost.cli.planning import config_folder, our_line
from gatepost.cli.postfix_apply import confirm
from gatepost.cli.postfix_gate import Gate
from gatepost.cli.show import say, say_json, say_table, warn, when
from gatepost.cli.trouble import CommandError
from gatepost.config.places import config_file
from gatepost.postfix.applying.apply import ApplyError
from gatepost.postfix.applying.backups import BACKUPS, BackupError, Backups
from gatepost.postfix.applying.live import Live
from gatepost.postfix.applying.manifest import Backup, NoSuchStateError, choose
from gatepost.postfix.applying.program_now import run_now
from gatepost.postfix.applying.rollback import Way, diff, recovered, roll_back, way_back
from gatepost.postfix.applying.stranger import sweep
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.planning.draft import RECIPIENT
from gatepost.postfix.planning.ourline import OurLine

When = Annotated[
    str | None,
    typer.Argument(
        metavar="WHEN", help="A state from the list, its beginning, or `last`.", show_default=False
    ),
]
BackupDir = Annotated[Path, typer.Option("--backups", metavar="DIR", help="Where earlier states are kept.")]
List = Annotated[bool, typer.Option("--list", help="Only show the states there are.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def rollback(
    when_: When = None,
    *,
    config_dir: ConfigDir = None,
    backups: BackupDir = BACKUPS,
    list_: List = False,
    yes: Yes = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Bring Postfix's files back as they were before a change, byte for byte; without WHEN, list the states.

    After a change that was killed, this undoes it. The state left behind is kept, too.
    Exit status 1 when nothing was brought back.
    """
    sweep(run_now)  # what a killed apply left
    postfix = config_folder(config_dir)
    book = Backups(backups, Path(postfix))
    try:
        if list_ or (when_ is None and book.pending() is None):
            _list(book, json=json)
            return
        options = configured(config, alone=True)
        with book:
            _go(book, when_, postfix, Gate(options, config_file(config)), yes=yes, json=json)
        if not json and asks_as_postgrey(postfix, our_line(options)):
            say(POSTGREY)
    except (BackupError, NoSuchStateError) as error:
        raise CommandError(str(error)) from None
    except ApplyError as error:
        _failed(error, json=json)


POSTGREY = (
    "Postfix asks at Gatepost's place as it asked postgrey. To go back to postgrey: "
    "systemctl disable --now gatepost.socket gatepost.service && systemctl enable --now postgrey"
)


def asks_as_postgrey(folder: str, line: OurLine) -> bool:
    """Whether Postfix asks at our place by a line that is not ours, as postgrey's users write it."""
    try:
        instance = read_instance(folder)
        items = [i for s in instance.mx_services for i in instance.restrictions(RECIPIENT, s)]
        return any(line.is_ours(item) and "{" not in item.argument for item in items)
    except ConfError:
        return False


def _go(book: Backups, wanted: str | None, postfix: str, gate: Gate, *, yes: bool, json: bool) -> None:
    live, tell = Live(postfix, run_now), warn if json else say
    killed = recovered(book, live, tell, gate.reread)
    if killed and wanted in (None, "last", killed.stamp):
        _done(f"The change begun at {killed.stamp} was undone.", {"undone": killed.stamp}, json=json)
        return
    if wanted is None:
        raise CommandError("Which state? See: gatepost postfix rollback --list")
    way = way_back(book, choose(wanted, book.all()).stamp)
    if not way.changes:
        _done(f"Everything is as it was before {way.stamp}.", {"state_before": None}, json=json)
        return
    if not json:
        _say_way(way)
    if not yes:
        confirm("Bring these files back?", json=json)
    left = roll_back(book, way, live, tell, gate.reread)
    _done(
        f"Done. To undo this: gatepost postfix rollback {left}",
        {"state_before": left, "files": [change.path for change in way.changes], "by_hand": way.by_hand},
        json=json,
    )


def _say_way(way: Way) -> None:
    say(f"Back to the state before {way.stamp}:")
    for change in way.changes:
        say(f"  {change.path}" + ("" if change.after else " (is removed: there was none)"))
    for change in way.changes:
        if change.path in way.by_hand:
            say()
            say(f"{change.path} was changed by hand since. Bringing it back does this:")
            for line in diff(change):
                say(line)


def _done(text: str, told: dict[str, Any], *, json: bool) -> None:
    if json:
        say_json({"done": True, **told})
    else:
        say(text)


def _failed(error: ApplyError, *, json: bool) -> None:
    if json:
        say_json({"done": False, "undone": error.undone, "errors": list(error.lines)})
    else:
        for line in error.lines:
            warn(line)
        warn("Everything is as it was." if error.undone else "Nothing was brought back.")
    raise typer.Exit(1)


# --- the list -----------------------------------------------------------------------------------------


def _list(book: Backups, *, json: bool) -> None:
    known = book.all()
    if json:
        say_json([_plain(backup) for backup in known])
        return
    if not known:
        say("Gatepost has changed nothing here yet.")
        return
    rows = [
        (
            backup.stamp,
            when(backup.manifest.time),
            backup.manifest.kind,
            ", ".join(backup.paths),
            _ended(backup),
        )
        for backup in known
    ]
    say_table(("state before", "time", "change", "files", "ended"), rows)


def _plain(backup: Backup) -> dict[str, Any]:
    files = [{"path": file.path, "reasons": list(file.reasons)} for file in backup.manifest.files]
    return {
        "stamp": backup.stamp,
        "time": backup.manifest.time,
        "kind": backup.manifest.kind,
        "files": files,
        "result": backup.outcome.result if backup.outcome else "under way, or killed",
        "why": backup.outcome.why if backup.outcome else "",
    }


def _ended(backup: Backup) -> str:
    if backup.outcome is None:
        return "under way, or killed"
    return f"{backup.outcome.result}{': ' if backup.outcome.why else ''}{backup.outcome.why}"
