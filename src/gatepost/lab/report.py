"""The day as a table for people, and as JSON for programs; made of evidence only."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatepost.lab.evidence import Recipient, Row


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a day came to."""

    profile: str
    delay: str
    """Greylisting's, shortened for the lab."""
    simulated: bool
    seconds: float
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What the daemon noted: lists that it does not believe, parts that are off."""
    problems: tuple[str, ...]
    """Contradictions between what clients, Postfix, mailboxes and journal saw; empty on a good day."""


_COLOURS = {"in": "green", "waited": "cyan", "refused": "red", "deferred": "yellow"}


def to_json(report: Report) -> str:
    """The report as one JSON object."""
    plain = msgspec.to_builtins(report)
    for row, made in zip(plain["rows"], report.rows, strict=True):
        row["outcome"] = made.outcome
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()


def show(report: Report, console: Console) -> None:
    """Print the table, what it does not say by itself, and the problems."""
    table = Table(title=_title(report), box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for heading in ("who", "said", "outcome", "because", "reference"):
        table.add_column(heading, overflow="fold")
    for row in report.rows:
        table.add_row(*cells(row))
    console.print(table)
    counts = Counter(one.outcome for row in report.rows for one in row.recipients)
    console.print(
        f"{sum(counts.values())} recipients in {report.seconds:.1f} s: {counts['in']} in at once, "
        f"{counts['waited']} after a wait, {counts['deferred']} told to wait and not in, "
        f"{counts['refused']} refused."
    )
    console.print(
        f"Greylisting's delay is {report.delay} here, so that the day takes seconds; "
        "without a configuration it is 1m."
    )
    for note in report.notes:
        console.print(f"Gatepost noted: {escape(note)}")
    for problem in report.problems:
        console.print(f"[bold red]Contradiction:[/] {escape(problem)}")


def _title(report: Report) -> str:
    place = "simulated Postfix" if report.simulated else "real Postfix, NSD and SMTP"
    return f"A day at the door: profile {report.profile}, {place}"


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table; `who` is the address and the name Postfix found for it."""
    unnamed = " (unknown)" if row.seen_as == "unknown" else ""
    helo = "(no HELO)" if row.helo is None else f"HELO {row.helo}"
    recipients = ", ".join(one.recipient.partition("@")[0] for one in row.recipients)
    return (
        f"{escape(row.story)}\n[dim]{escape(row.address)}{unnamed}[/]",
        escape(f"{helo}\n{row.sender or '<>'} to {recipients}"),
        _outcomes(row.recipients),
        _because(row),
        "\n".join(row.references),
    )


def _outcomes(recipients: Sequence[Recipient]) -> str:
    said = dict.fromkeys(_outcome(one) for one in recipients)
    return "\n".join(said)


def _outcome(one: Recipient) -> str:
    text = {
        "in": "in",
        "waited": f"in after {one.waited:g} s",
        "refused": f"refused {one.code}",
        "deferred": f"told to wait {one.code}, never came back"
        if one.tries == 1
        else f"deferred {one.code}, {one.tries} tries",
    }.get(one.outcome, one.outcome)
    colour = _COLOURS.get(one.outcome, "bold magenta")
    return f"[{colour}]{text}[/]"


def _because(row: Row) -> str:
    told = [f"[bold]{escape(rule)}[/]" for rule in row.decided_by]
    for finding in row.findings:
        rule, worth, excused = finding["rule"], finding["worth"], finding["excused_by"]
        if rule in row.decided_by:
            continue
        if excused:
            told.append(f"{rule} (excused: {excused})")
        elif isinstance(worth, str):
            told.append(f"{rule}")
        else:
            told.append(
                f"{rule} {worth:+g}" if isinstance(worth, float | int) and worth else f"[dim]{rule}[/]"
            )
    return ", ".join(told)
