"""`gatepost status`: how the daemon is, now."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import typer

from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.show import say, say_json, say_table, warn
from gatepost.options import Duration
from gatepost.server.control_client import ControlError, NoDaemonError, call


def status(config: ConfigFile = None, json: Json = False) -> None:
    """Tell how the daemon is: verdicts, lists, resolver, store.

    Exit status 1 when no daemon answers.
    """
    try:
        told = call(configured(config, alone=True).control.socket, "status")
    except ControlError as error:
        if json:
            say_json({"running": False, "error": str(error)})
        else:
            warn(f"{error}" + ("; start it with: gatepost run" if isinstance(error, NoDaemonError) else ""))
        raise typer.Exit(1) from None
    if json:
        say_json({"running": True, **_table(told)})
    else:
        _say(_table(told))


def _say(told: Mapping[str, Any]) -> None:
    up = Duration(int(told.get("uptime", 0)))
    head = (
        f"gatepost {told.get('version', '')}  mode {told.get('mode', '')}  profile {told.get('profile', '')}"
    )
    say(f"{head}  up {up}")
    for title in ("verdicts", "decided_by", "bans", "connections", "store", "dns"):
        if counts := _table(told.get(title)):
            say()
            say_table((title.replace("_", " "), ""), _rows(counts))
    if lists := told.get("lists"):
        say()
        _say_lists(lists)
    for note in told.get("notes") or ():
        say(f"! {note}")


def _say_lists(lists: Iterable[Mapping[str, Any]]) -> None:
    rows = [
        (_text(one.get("zone")), _text(one.get("state")), _since(one), _again(one), _text(one.get("reason")))
        for one in lists
    ]
    say_table(("list", "state", "since", "tested again in", "why"), rows)


def _since(one: Mapping[str, Any]) -> str:
    since = one.get("since")
    return datetime.fromtimestamp(since).astimezone().strftime("%d %b %H:%M") if since else "-"


def _again(one: Mapping[str, Any]) -> str:
    return str(Duration(round(one.get("retry_in") or 0)))


def _rows(counts: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    for name, value in counts.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{before}{name} ")
        else:
            yield f"{before}{name}".replace("_", " "), _text(value)


def _text(value: Any) -> str:
    match value:
        case None | "":
            return "-"
        case float():
            return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
        case Mapping():
            return ", ".join(f"{key} {_text(one)}" for key, one in value.items()) or "-"
        case list() | tuple():
            return " ".join(map(_text, value)) or "-"
    return str(value)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
