"""The act about bans, for people and as JSON for programs."""

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one client."""

    story: str
    address: str
    tries: int
    answered: int
    """Tries that got a reply."""
    last: str
    """The last reply, or that there was none."""
    banned: tuple[str, ...]
    """Bans that cover it, each with its reason."""
    packets: int
    """Of its, that the kernel dropped."""
    spared: bool
    """Whether it must never be banned."""

    @property
    def failures(self) -> list[str]:
        """What must not be."""
        if self.spared:
            wrong = bool(self.banned) or self.packets > 0 or self.answered < self.tries
            return [f"{self.story}: was shut out"] if wrong else []
        if not self.banned:
            return [f"{self.story}: was not banned"]
        return [] if self.packets and self.last == "no answer" else [f"{self.story}: was not shut out"]


class Trial(msgspec.Struct, frozen=True):
    """Something that was tried with all of it."""

    name: str
    passed: bool
    seconds: float | None = None


class BansReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the act came to."""

    rows: tuple[Row, ...]
    trials: tuple[Trial, ...]
    seconds: float

    @property
    def failures(self) -> list[str]:
        """What must not be, whatever was configured."""
        failed = [f"not so: {trial.name}" for trial in self.trials if not trial.passed]
        return [*(failure for row in self.rows for failure in row.failures), *failed]


def to_json(report: BansReport) -> str:
    """The report as one JSON object."""
    plain = {**msgspec.to_builtins(report), "failures": report.failures}
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()


def show(report: BansReport, console: Console) -> None:
    """Print who was shut out, and what was tried then."""
    table = Table(
        box=SIMPLE_HEAD, title="Bans: a real Postfix with AUTH, nftables, and everybody over a cable"
    )
    for name in ("who", "tries", "answered", "the last one", "banned", "packets dropped"):
        table.add_column(name)
    for row in report.rows:
        colour = "green" if not row.failures else "bold red"
        table.add_row(
            f"[{colour}]{escape(row.story)}[/]\n[dim]{row.address}[/]",
            str(row.tries),
            str(row.answered),
            escape(row.last[:60]),
            escape("\n".join(row.banned)) or "-",
            str(row.packets),
        )
    console.print(table)
    for trial in report.trials:
        mark = "[green]yes[/]" if trial.passed else "[bold red]no[/] "
        took = f" ({trial.seconds:g} s)" if trial.seconds is not None else ""
        console.print(f"{mark}  {escape(trial.name)}{took}")
    for failure in report.failures:
        console.print(f"[bold red]Must not be:[/] {escape(failure)}")
    console.print(f"[dim]{report.seconds:g} s[/]")
