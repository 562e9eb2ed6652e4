"""`gatepost lab`: a private Internet with a real Postfix, and a day in it, a take-over, or bans.

Without root, or where programs are missing, it says so and plays the day
against the real daemon with a simulated Postfix and name server.
"""

import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Annotated, Any, Literal

import typer

from gatepost.cli.trouble import CommandError
from gatepost.lab.processes import LabError
from gatepost.lab.report import Report


def lab(
    act: Annotated[
        Literal["day", "takeover", "bans"],
        typer.Option(
            "--act",
            help="A day at the door, a mail server of the usual guide taken over, or bans.",
        ),
    ] = "day",
    profile: Annotated[
        Literal["balanced", "strict"], typer.Option("--profile", help="What each rule is worth.")
    ] = "balanced",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A line of configuration; may be given again."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up for trying things by hand, until Ctrl-C.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Without root: no Postfix, no NSD, no namespace.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Try Gatepost on a private Internet: who gets in, who waits, who is refused, and why."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ended)
    try:
        if act != "day":
            if keep or simulate or set_ or profile != "balanced":
                raise CommandError(f"--act {act} goes with --json alone.")
            _whole({"takeover": _takeover, "bans": _bans}[act], json=json)
            return
        report = _day(profile, tuple(set_ or ()), keep=keep, simulate=simulate, json=json)
    except (LabError, ValueError) as error:
        raise CommandError(str(error).splitlines()) from None
    if report.problems:
        raise typer.Exit(1)


Shown = tuple[str, Callable[[Any], None], list[str]]
"""What came of an act: as JSON, how to show it on a console, and what must not be."""


def _whole(act: Callable[[], Shown], *, json: bool) -> None:
    """Play an act that needs the whole lab; ends with status 1 when something came of it that must not be."""
    from gatepost.lab.internet import missing  # noqa: PLC0415

    if lacks := missing():
        raise CommandError(["This act needs the whole lab.", *lacks])
    text, show, failures = act()
    if json:
        print(text, flush=True)
    else:
        show(_console())
    if failures:
        raise typer.Exit(1)


def _takeover() -> Shown:
    from gatepost.lab.takeover import takeover  # noqa: PLC0415
    from gatepost.lab.takeover_report import show, to_json  # noqa: PLC0415

    report = takeover()
    return to_json(report), partial(show, report), report.failures


def _bans() -> Shown:
    from gatepost.lab.bans import play  # noqa: PLC0415
    from gatepost.lab.bans_report import show, to_json  # noqa: PLC0415

    report = play()
    return to_json(report), partial(show, report), report.failures


def _ended(number: int, frame: FrameType | None) -> None:
    """Take everything away and end; further signals do not disturb that."""
    if _in_destructor(frame):  # where Python swallows what is raised
        signal.signal(signal.SIGALRM, lambda _, later: _ended(number, later))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        return
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _in_destructor(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _day(profile: str, overrides: tuple[str, ...], *, keep: bool, simulate: bool, json: bool) -> Report:
    from gatepost.lab.internet import missing  # noqa: PLC0415 - both worlds are not needed at once

    lacks = missing()
    if simulate or lacks:
        if keep:
            raise CommandError(["--keep needs the whole lab.", *lacks])
        return _simulated(profile, overrides, lacks, json=json)
    from gatepost.lab.day import by_hand, day  # noqa: PLC0415
    from gatepost.lab.day import lab as whole_lab  # noqa: PLC0415

    with whole_lab(profile, overrides) as up:
        report = day(up, profile)
        _print(report, json=json)
        if keep:
            print(by_hand(up), file=sys.stderr, flush=True)
            threading.Event().wait()
    return report


def _simulated(profile: str, overrides: tuple[str, ...], lacks: list[str], *, json: bool) -> Report:
    from gatepost.lab.simulation import simulated_day  # noqa: PLC0415

    for sentence in lacks:
        print(sentence, file=sys.stderr)
    print(
        "The real daemon is asked by a simulated Postfix, and a small name server of the lab answers it:\n"
        "no mail is delivered, and nothing is seen of Postfix's own log, SMTP dialogue and DNS look-ups.",
        file=sys.stderr,
    )
    report = simulated_day(profile, overrides)
    _print(report, json=json)
    return report


def _print(report: Report, *, json: bool) -> None:
    from gatepost.lab.report import show, to_json  # noqa: PLC0415

    if json:
        print(to_json(report), flush=True)
        return
    show(report, _console())


def _console() -> Any:
    from rich.console import Console  # noqa: PLC0415 - costs every command's start

    return Console(width=None if sys.stdout.isatty() else 180, highlight=False, emoji=False)
