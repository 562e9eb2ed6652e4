"""`gatepost allow`, `deny`, `expect` and `list`: what somebody has decided about a sender."""

import time
from typing import Annotated, Any, Literal

import msgspec
import typer

from gatepost.access.own import guess_looks_at
from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.desk import Desk
from gatepost.cli.show import say, say_json, say_table, when
from gatepost.cli.sources import entries_elsewhere
from gatepost.cli.trouble import CommandError
from gatepost.config.places import config_file
from gatepost.config.schema import Config
from gatepost.options import Duration, duration
from gatepost.store.base import ListEntry

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="An address, a network, a host name, a mail address, a domain, or a /pattern/.",
        show_default=False,
    ),
]
Mail = Annotated[str, typer.Argument(metavar="USER@DOMAIN", help="Who waits for a mail.", show_default=False)]
Client = Annotated[bool, typer.Option("--client", help="WHAT is about the client's address or host name.")]
Helo = Annotated[bool, typer.Option("--helo", help="WHAT is about the HELO name.")]
Sender = Annotated[bool, typer.Option("--sender", help="WHAT is about the sender.")]
Recipient = Annotated[bool, typer.Option("--recipient", help="WHAT is about the recipient.")]
Scope = Annotated[
    Literal["all", "helo", "lists", "client", "greylist"],
    typer.Option(
        "--scope",
        help="What is excused: everything, HELO rules, block lists, block lists and "
        "reverse names (client), or greylisting.",
    ),
]
For = Annotated[str, typer.Option("--for", metavar="TIME", help="How long it stays, e.g. 15m, 12h, 30d.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; for people.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take the entry off again.")]


def allow(
    what: What,
    *,
    client: Client = False,
    helo: Helo = False,
    sender: Sender = False,
    recipient: Recipient = False,
    scope: Scope = "all",
    for_: For = "",
    comment: Comment = "",
    remove: Remove = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Let in what would be refused or would have to wait.

    Unless you say what it is about, a mail address is a sender, and all else is a client.
    """
    chosen = _chosen(client=client, helo=helo, sender=sender, recipient=recipient)
    entry = _entry("allow", what, chosen, for_, comment, scope)
    _change(configured(config, alone=True), entry, remove=remove, json=json)


def deny(
    what: What,
    *,
    client: Client = False,
    helo: Helo = False,
    sender: Sender = False,
    recipient: Recipient = False,
    for_: For = "",
    comment: Comment = "",
    remove: Remove = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Refuse it, whatever else is known.

    Unless you say what it is about, a mail address is a sender, and all else is a client.
    """
    chosen = _chosen(client=client, helo=helo, sender=sender, recipient=recipient)
    _change(
        configured(config, alone=True), _entry("deny", what, chosen, for_, comment), remove=remove, json=json
    )


def expect(
    what: Mail,
    *,
    for_: For = "15m",
    comment: Comment = "",
    remove: Remove = False,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Let mail to somebody who waits for a code in without delay, for a while."""
    entry = _entry("expect", what, ["recipient"], for_, comment)
    _change(configured(config, alone=True), entry, remove=remove, json=json)


def list_(config: ConfigFile = None, json: Json = False) -> None:
    """Show what is on the own lists, and where each entry stands."""
    options = configured(config, alone=True)
    file = str(config_file(config) or "")
    entered = [_entered(entry) for entry in Desk(options).entries()]
    shown = [*entered, *entries_elsewhere(options.checks["access"], file)]
    if json:
        say_json(shown)
        return
    if not shown:
        say("The own lists are empty. See: gatepost allow --help")
        return
    columns = ("list", "what", "looks_at", "scope", "expires", "comment", "source")
    say_table(
        ("list", "what", "about", "scope", "until", "comment", "where it stands"),
        [[_cell(entry[column]) for column in columns] for entry in shown],
    )


def _entered(entry: ListEntry) -> dict[str, Any]:
    source = f"entered by {entry.added_by or 'somebody'}, {when(entry.added)}"
    return {**msgspec.to_builtins(entry), "source": source}


def _cell(value: Any) -> str:
    return when(value) if isinstance(value, float) else str(value or "")


def _chosen(**said: bool) -> list[str]:
    chosen = [name for name, given in said.items() if given]
    if len(chosen) > 1:
        raise CommandError(f"An entry is about one thing; --{' and --'.join(chosen)} do not go together.")
    return chosen


def _entry(
    list_name: str, what: str, chosen: list[str], for_: str, comment: str, scope: str = "all"
) -> ListEntry:
    what = what.strip()
    looks_at = chosen[0] if chosen else guess_looks_at(what, list_name)
    seconds = _seconds(for_)
    return ListEntry(
        list=list_name,
        what=what,
        looks_at=looks_at,
        scope=scope,
        comment=comment,
        expires=time.time() + seconds if seconds else None,
    )


def _seconds(text: str) -> Duration | None:
    if not text:
        return None
    try:
        seconds = duration(text)
    except ValueError as error:
        raise CommandError(f"--for: {error}") from None
    if not seconds:
        raise CommandError("--for: an entry for no time at all has no effect; use --remove to take one off")
    return seconds


def _change(config: Config, entry: ListEntry, *, remove: bool, json: bool) -> None:
    desk = Desk(config)
    if remove:
        _remove(desk, entry, json=json)
        return
    added = desk.add(entry)
    if json:
        say_json(added)
        return
    until = f" until {when(added.expires)}" if added.expires else ""
    scope = "" if added.scope == "all" else f", {_SCOPES[added.scope]} only"
    say(f"{added.looks_at} {added.what}: {_DONE[added.list]}{until}{scope}")


def _remove(desk: Desk, entry: ListEntry, *, json: bool) -> None:
    removed = desk.remove(entry.list, entry.what, entry.looks_at)
    if json:
        say_json({"removed": removed})
    if removed:
        if not json:
            say(f"{entry.looks_at} {entry.what}: taken off the list ({entry.list})")
        return
    raise CommandError(
        f"{entry.looks_at} {entry.what}: not on the list ({entry.list}); see: gatepost list", status=1
    )


_DONE = {"allow": "allowed", "deny": "denied", "expect": "their mail is let in without delay"}
_SCOPES = {
    "helo": "against HELO rules",
    "lists": "against block lists",
    "client": "against block lists and reverse name rules",
    "greylist": "against greylisting",
}
