"""`gatepost import`: move over from postgrey, Postfix access maps and fail2ban, and lose nothing unsaid."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gatepost.cli.arguments import Json, Store
from gatepost.cli.main import new_app
from gatepost.cli.rewriting import Rewriting
from gatepost.cli.show import say, say_json, say_table, warn

app = new_app(no_args_is_help=True, help="Move over from postgrey, Postfix access maps and fail2ban.")

ConfigToWrite = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file to write to; without it /etc/gatepost/gatepost.toml.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; only say what would be taken.")]


@app.command()
def postgrey(
    options: Annotated[
        str | None,
        typer.Option(
            "--options",
            metavar="FILE|TEXT",
            help="postgrey's options, or the file with POSTGREY_OPTS; "
            "without it /etc/default/postgrey, or the process that runs.",
            show_default=False,
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where postgrey's whitelists are.")
    ] = Path("/etc/postgrey"),
    database: Annotated[
        Path | None,
        typer.Option(
            "--database",
            metavar="DIR",
            help="Where its databases are; without it what the options say, or /var/lib/postgrey.",
            show_default=False,
        ),
    ] = None,
    config: ConfigToWrite = None,
    store: Store = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take over postgrey's options, whitelists, triplets and known clients.

    postgrey may run meanwhile. Importing again changes nothing that was taken before.
    """
    from gatepost.cli.from_postgrey import FromPostgrey  # noqa: PLC0415 - keeps `--help` quick

    job = FromPostgrey(options, folder, database, config, store)
    job.decide()
    if not dry_run:
        job.change(quiet=json)
    if json:
        say_json(job.as_json())
        return
    show(job.as_json())
    _say_next(job.rewriting, dry_run=dry_run)


@app.command("postfix-map")
def postfix_map(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="As in main.cf: hash:/etc/postfix/helo_access, cidr:..., or a path alone."
        ),
    ],
    about: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="OPTION",
            help="helo_access, rbl_override, client_override, client_access, sender_access or "
            "recipient_access; without it as the file is called.",
            show_default=False,
        ),
    ] = "",
    config: ConfigToWrite = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Follow a Postfix access map in [access], and say what each entry of it means there.

    Exit status 1 when nothing of it could be taken.
    """
    from gatepost.cli.from_map import FromMap  # noqa: PLC0415 - keeps `--help` quick

    job = FromMap(file, about, config)
    if not dry_run:
        job.change()
    if json:
        say_json(job.as_json())
    else:
        rows = [
            (f"{job.wanted.path}:{line.number}", line.text, "yes" if line.taken else "no", line.says)
            for line in job.content.lines
        ]
        say_table(("where it stands", "entry", "taken", "what it means, or why not"), rows)
        say()
        say(job.sentence)
        _say_next(job.rewriting, dry_run=dry_run)
    if not job.content.taken:
        raise typer.Exit(1)


@app.command()
def fail2ban(
    folder: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Where fail2ban's configuration is.")
    ] = Path("/etc/fail2ban"),
    database: Annotated[
        Path | None,
        typer.Option(
            "--db",
            metavar="FILE",
            help="Its database of bans; without it what fail2ban.conf says.",
            show_default=False,
        ),
    ] = None,
    config: ConfigToWrite = None,
    store: Store = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take over fail2ban's jails, ignoreip and running bans.

    fail2ban may run meanwhile, and is not changed. Importing again changes nothing that was taken before.
    """
    from gatepost.cli.from_fail2ban import FromFail2ban  # noqa: PLC0415 - keeps `--help` quick

    job = FromFail2ban(folder, database, config, store)
    job.decide()
    if not dry_run:
        job.change()
    if json:
        say_json(job.as_json())
        return
    show(job.as_json(), "fail2ban")
    _say_next(job.rewriting, dry_run=dry_run)


def show(told: dict[str, Any], source: str = "postgrey") -> None:
    """What was taken and what not, as tables."""
    say(f"Options: {told['options_from']}")
    rows = [(one["what"], "yes", one["became"]) for one in told["taken"]]
    rows += [(one["what"], "no", one["why"]) for one in told["not_taken"]]
    say()
    say_table((source, "taken", "what it is now, or why not"), rows)
    for note in told["notes"]:
        warn(note)


def _say_next(rewriting: Rewriting, *, dry_run: bool) -> None:
    say()
    if dry_run:
        say("Nothing was changed.")
        return
    for sentence in rewriting.told:
        say(sentence)


def outcome_text(path: tuple[str, ...], value: object, text: str) -> str:
    """A setting and what became of it, for people."""
    from gatepost.config.toml import toml_value  # noqa: PLC0415 - keeps `--help` quick

    shown = f"[{path[0]}] {path[1]} = {toml_value(msgspec.to_builtins(value))}"
    return shown if text == "written" else f"{shown} ({text})"
