"""The second half of `gatepost postfix apply`: the planned changes are carried out, and shown as it goes."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from gatepost.cli.postfix_gate import Gate
from gatepost.cli.show import say, say_json, warn
from gatepost.cli.trouble import CommandError
from gatepost.postfix.applying.apply import Applied, ApplyError, Hands, Order, apply, recover_first
from gatepost.postfix.applying.backups import BACKUPS, BackupError, Backups
from gatepost.postfix.applying.transaction import ChangeError, changes_of, refused
from gatepost.postfix.planning.change import FileChange


def tidy_up(config_dir: str, gate: Gate, *, backups: Path = BACKUPS, dry_run: bool = False) -> None:
    """Undo a change that was killed. To be called before anything is planned from the files.

    With `dry_run` nothing is undone: it is only told.
    """
    try:
        if not dry_run:
            recover_first(config_dir, backups, warn, gate.reread)
        elif pending := Backups(backups, Path(config_dir)).pending():
            warn(
                f"A change begun at {pending.stamp} was killed before its end; it will be undone first, "
                "and what is planned then may differ."
            )
    except BackupError as error:
        raise CommandError(str(error)) from None
    except ApplyError as error:
        raise CommandError(error.lines) from None


def carry_out(
    changes: Sequence[FileChange],
    config_dir: str,
    gate: Gate,
    *,
    backups: Path = BACKUPS,
    probe_at: tuple[str, int] | None = None,
    yes: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Carry planned changes out, or leave everything as it was.

    Exit status 1 when it was left or brought back.
    """
    if dry_run:
        _rehearse(changes, json=json)
        return
    if changes and not yes:
        confirm(f"Change {', '.join(change.path for change in changes)}?", json=json)
    tell = warn if json else say
    hands = Hands(gate.answers, gate.find, tell, reread=gate.reread)
    try:
        done = apply(Order(config_dir, tuple(changes), backups, probe_at), hands)
    except ApplyError as error:
        _say_failed(error, json=json)
        raise typer.Exit(1) from None
    if json:
        say_json({"done": True, **_plain(done)})
    else:
        _say_done(done)


def confirm(question: str, *, json: bool) -> None:
    """Ask; without a terminal nobody can answer.

    Raises:
        CommandError: no was said, or nothing can be.
    """
    if json or not sys.stdin.isatty():
        raise CommandError("Nobody can be asked here; say --yes.")
    if not typer.confirm(question):
        raise CommandError("Nothing was changed.", status=1)


def _rehearse(changes: Sequence[FileChange], *, json: bool) -> None:
    try:
        lines = refused(changes_of(changes))
    except ChangeError as error:
        lines = list(error.lines)
    if json:
        say_json({"done": False, "dry_run": True, "files": [c.path for c in changes], "errors": lines})
    else:
        for change in changes:
            say(f"Would write {change.path}")
        for line in lines:
            warn(line)
        say("Nothing was written.")
    if lines:
        raise typer.Exit(1)


def _plain(done: Applied) -> dict[str, object]:
    probes = [{"name": one.name, "result": str(one.result), "text": one.text} for one in done.probes]
    return {"state_before": done.stamp or None, "probes": probes, "warnings": list(done.warnings)}


def _say_done(done: Applied) -> None:
    if not done.stamp:
        say("There is nothing to change.")
        return
    for probed in done.probes:
        say(f"  {probed.result:<9} {probed.name}: {probed.text}")
    say(f"Done. To go back: gatepost postfix rollback {done.stamp}")


def _say_failed(error: ApplyError, *, json: bool) -> None:
    if json:
        say_json({"done": False, "undone": error.undone, "errors": list(error.lines)})
        return
    for line in error.lines:
        warn(line)
    warn("Everything was brought back." if error.undone else "It was not applied.")
