"""`gatepost ban test`: what the jails would have made of an old log. Nobody is banned."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gatepost.ban.filters import all_filters
from gatepost.ban.jail import Jail, all_jails
from gatepost.ban.justice import Justice
from gatepost.ban.oldlog import OldLogError, read_old
from gatepost.ban.options import JailOptions
from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.ban.trial import Met, Trial
from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.show import say, say_json, say_table, warn, when
from gatepost.cli.trouble import CommandError
from gatepost.clock import SystemClock
from gatepost.config.schema import Config
from gatepost.postfix.ours import interface_addresses, read_ours

_encode = msgspec.json.Encoder().encode  # there may be many

SHOWN = 50
"""Bans shown to people; programs get all."""

Logs = Annotated[
    list[str],
    typer.Argument(metavar="LOG...", help="Mail logs, packed or not, the oldest first; - is standard input."),
]
FilterFile = Annotated[
    str,
    typer.Option(
        "--filter",
        metavar="FILE",
        help="Use this filter of fail2ban, or a regular expression with <HOST>, instead of our rules.",
    ),
]
Mode = Annotated[str, typer.Option("--mode", metavar="NAME", help="The filter's mode.")]


def try_log(
    logs: Logs,
    *,
    filter_: FilterFile = "",
    mode: Mode = "",
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show which offences old logs hold, and which bans would have followed. Changes nothing."""
    if mode and not filter_:
        raise CommandError("--mode goes with --filter")
    options = configured(config)
    trial = _trial(options, filter_, mode)
    counted: Counter[str] = Counter()
    several = len(logs) > 1
    for log, met in _met(trial, logs):
        if json:
            print(_encode(_offence(met, log if several else "")).decode())
        counted[f"{met.offence.rule}{' (not counted)' if met.spared else ''}"] += 1
    if json:
        for ban in trial.bans:
            say_json(
                {
                    "ban": ban.network,
                    "from": _time(ban.since),
                    "until": _time(ban.until),
                    "offences": ban.offences,
                    "why": ban.reason,
                }
            )
        return
    _say(trial, counted)


def _trial(config: Config, filter_: str, mode: str) -> Trial:
    jails: Sequence[Jail] = all_jails(config.ban, config.jail)
    if filter_:
        jails = (Jail(JailOptions(name="test", filter=filter_), config.ban),)
    try:
        filters = all_filters([jail.options for jail in jails], mode=mode)
    except ValueError as error:
        raise CommandError(str(error)) from None
    ours = asyncio.run(read_ours(config.ours, SystemClock()))
    justice = Justice(ours, config.ban.never, interface_addresses(), config.ban.trust)
    return Trial(jails, Rulebook(find(), config.ban.weights), filters, justice, config.ban)


def _met(trial: Trial, logs: Sequence[str]) -> Iterator[tuple[str, Met]]:
    progress = _Progress()
    for log in logs:
        trial.begin(_written(log))
        try:
            for block in read_old(log):
                for met in trial.read(block.first, block.lines):
                    yield log, met
                progress.tell(log, block.first + len(block.lines) - 1)
        except OldLogError as error:
            raise CommandError(str(error)) from None
    progress.end()


class _Progress:
    """Says how far we are, to people who wait at a terminal."""

    def __init__(self) -> None:
        self._next = time.monotonic() + 1.0
        self._said = False

    def tell(self, log: str, lines: int) -> None:
        if time.monotonic() >= self._next and sys.stderr.isatty():
            self._next, self._said = time.monotonic() + 0.5, True
            print(f"\r{Path(log).name}: {lines:,} lines", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._said:
            print(file=sys.stderr)


def _written(log: str) -> float:
    """When a log was written to last: it says what year its stamps mean."""
    try:
        return Path(log).stat().st_mtime if log != "-" else time.time()
    except OSError:
        return time.time()  # reading it will say what is wrong


def _offence(met: Met, log: str) -> dict[str, Any]:
    told: dict[str, Any] = {"line": met.line}
    if log:
        told["file"] = log
    offence = met.offence
    told |= {"address": offence.address, "rule": offence.rule, "time": _time(offence.time), "jail": met.jail}
    return told | ({"not_counted": met.spared} if met.spared else {})


def _time(seconds: float | None) -> str | None:
    """RFC 3339; None for what no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _say(trial: Trial, counted: Mapping[str, int]) -> None:
    if not counted:
        say("No offence was found.")
        return
    say_table(("rule", "offences"), [(rule, str(count)) for rule, count in counted.items()])
    if not trial.bans:
        say("Nobody would have been banned.")
        return
    rows = [
        (ban.network, when(ban.since), when(ban.until or 0), str(ban.offences), ban.reason)
        for ban in trial.bans[:SHOWN]
    ]
    say_table(("would be banned", "from", "until", "offences", "why"), rows)
    if len(trial.bans) > SHOWN:
        warn(f"... and {len(trial.bans) - SHOWN} more; --json prints all")
