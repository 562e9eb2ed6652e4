"""`gatepost explain`: why a mail was refused or delayed, and what can be done about it."""

import re
from typing import Annotated

import msgspec
import typer

from gatepost.cli.advice import advice
from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.desk import Desk
from gatepost.cli.findings import say_findings
from gatepost.cli.show import say, say_json, when
from gatepost.cli.trouble import CommandError
from gatepost.store.base import JournalEntry

_REFERENCE = re.compile(r"[A-Za-z2-9]{8}")
What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="A reply's reference, a queue id, a client address or network, a mail address, or @domain.",
        show_default=False,
    ),
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=10_000, help="Verdicts shown at most, newest first.")
]


def explain(what: What, limit: Limit = 5, config: ConfigFile = None, json: Json = False) -> None:
    """Tell why a mail was refused, delayed or let in.

    Exit status 1 when nothing is known about it.
    """
    found = _find(Desk(configured(config, alone=True)), what.strip(), limit)
    if json:
        say_json([{**msgspec.to_builtins(entry), "advice": advice(entry)} for entry in found])
        if not found:
            raise typer.Exit(1)
        return
    if not found:
        raise CommandError(
            f"Nothing is known about {what}. How long verdicts are kept says journal_keep in [store].",
            status=1,
        )
    for number, entry in enumerate(found):
        if number:
            say()
        _say(entry)


def _find(desk: Desk, what: str, limit: int) -> list[JournalEntry]:
    """Verdicts about `what`; a reference may come in small letters, as people copy it by hand."""
    found = desk.find(what, limit)
    return found or (desk.find(what.upper(), limit) if _REFERENCE.fullmatch(what) else [])


def _say(entry: JournalEntry) -> None:
    say(f"{when(entry.time)}  {_DONE.get(entry.action, entry.action)}  (reference {entry.reference})")
    names = entry.client_name or entry.reverse_client_name
    say(f"  client     {entry.client_address} {f'({names})' if names else ''}".rstrip())
    say(f"  HELO       {entry.helo_name or '-'}")
    say(
        f"  sender     <{entry.sender}>"
        + (f"  authenticated as {entry.sasl_username}" if entry.sasl_username else "")
    )
    say(f"  recipient  <{entry.recipient}>")
    if entry.queue_id:
        say(f"  queue id   {entry.queue_id}")
    say(f"  asked at   {entry.stage}, answered in {entry.ms:.0f} ms: {entry.reply}")
    if entry.observed:
        say(f'  observed   without mode = "observe" this would have been: {entry.observed}')
    by = f", decided by {entry.decided_by}" if entry.decided_by else ""
    say(f"  score      {entry.score:g}{by}")
    for note in entry.notes:
        say(f"  note       {note}")
    if entry.findings:
        say()
        say_findings(entry.findings)
    for line in advice(entry):
        say(f"  > {line}")


_DONE = {"pass": "let in", "defer": "told to come back later", "reject": "refused"}
