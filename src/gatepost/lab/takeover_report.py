"""The act of taking over, for people and as JSON for programs."""

from collections.abc import Mapping, Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gatepost.lab.compare import NOT_REACHED, Difference, Kind, kinds
from gatepost.lab.switch import Window


class Flowed(msgspec.Struct, frozen=True, kw_only=True):
    """What a change meant for the mail that flowed meanwhile."""

    before: int
    """Connections that had ended when it began."""
    across: int
    """Connections that were open then."""
    later: int
    """Connections that ended after it began; those that were open then among them."""
    taken: int
    """Mails that were taken in all."""
    refusals: int
    """Different refusals that were seen in all; bots and relayers are among those who send."""
    dropped: tuple[str, ...]
    """Connections that were refused, went dead or were closed by the server."""
    new: tuple[str, ...]
    """Refusals after it with a code that the same sender did not get before."""


class TakeoverReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the act came to."""

    seed: int
    dialogues: int
    seconds: float
    imported: str
    """What `gatepost import postgrey` printed; the same for the next three."""
    plan: str
    applied: str
    rolled_back: str
    window: Window
    """The switch from postgrey to Gatepost."""
    window_back: Window
    flowed: Flowed
    flowed_back: Flowed
    waited: Mapping[str, int]
    """Dialogues that were told to wait at first and let in at the second try, at each turn."""
    differences: tuple[Difference, ...]
    """After the take-over against before."""
    differences_back: tuple[Difference, ...]
    """After the rollback against before."""
    touched: tuple[str, ...]
    """Files that `apply` changed."""
    changed: tuple[str, ...]
    """Files in Postfix's folder, and our configuration, that are not as they were after the rollback."""
    asked: Mapping[str, int]
    """Verdicts of Gatepost, by action."""
    asked_twice: int
    """How often Postfix found the policy port closed, and asked once more a second later."""
    problems: tuple[str, ...]
    """What else Postfix complained about."""

    @property
    def failures(self) -> list[str]:
        """What must not be, whatever was configured."""
        return [
            *(f"dropped: {one}" for flow in (self.flowed, self.flowed_back) for one in flow.dropped),
            *(f"a new refusal: {one}" for flow in (self.flowed, self.flowed_back) for one in flow.new),
            *(f"not as before after the rollback: {name}" for name in self.changed),
            *(
                f"another answer after the rollback: {one.dialogue} {one.what}"
                for one in self.differences_back
            ),
            *self.problems,
        ]


def to_json(report: TakeoverReport) -> str:
    """The report as one JSON object."""
    plain = msgspec.to_builtins(report)
    plain["kinds"] = msgspec.to_builtins(kinds(report.differences))
    plain["failures"] = report.failures
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()


def show(report: TakeoverReport, console: Console) -> None:
    """Print what was said and done, in the order in which it was."""
    for title, text in (
        ("gatepost import postgrey", report.imported),
        ("gatepost postfix plan --take-over", report.plan),
        ("gatepost postfix apply --take-over", report.applied),
        ("gatepost postfix rollback last", report.rolled_back),
    ):
        console.print(f"[bold]# {title}[/]")
        console.print(text.rstrip(), markup=False, soft_wrap=True)
        console.print()
    _show_flow(console, "taking over", report.flowed, report.window)
    _show_flow(console, "rolling back", report.flowed_back, report.window_back)
    answers = ", ".join(f"{action} {count}" for action, count in sorted(report.asked.items()))
    console.print(f"Gatepost was asked {sum(report.asked.values())} times: {answers}.")
    console.print(
        f"Files changed by apply: {', '.join(report.touched)}; not as before after the rollback: "
        f"{', '.join(report.changed) or 'none'}."
    )
    console.print(f"Postfix found the policy port closed {report.asked_twice} times, and asked again.")
    _show_dialogues(console, report)
    for failure in report.failures:
        console.print(f"[bold red]Wrong:[/] {escape(failure)}")


def _show_flow(console: Console, doing: str, flow: Flowed, window: Window) -> None:
    console.print(
        f"While {doing}: {flow.before + flow.later} SMTP sessions, {flow.across} of them open at the moment, "
        f"{flow.taken} mails taken, {len(flow.dropped)} sessions dropped, "
        f"{len(flow.new)} refusals that did not come before. The policy port was closed for "
        f"{window.closed * 1000:.0f} ms, and silent for {window.silent * 1000:.0f} ms."
    )


def _show_dialogues(console: Console, report: TakeoverReport) -> None:
    found = kinds(report.differences)
    waited = report.waited
    console.print(
        f"{report.dialogues} generated dialogues (seed {report.seed}): {_many(report.differences)} answered "
        f"differently after taking over, {_many(report.differences_back)} after rolling back. At first told "
        f"to wait and then let in: {waited['before']} before, {waited['after']} after, {waited['back']} "
        "after rolling back (known by then)."
    )
    if found:
        console.print(_table(found))


def _many(found: Sequence[Difference]) -> int:
    return len({one.dialogue for one in found})


def _table(found: Sequence[Kind]) -> Table:
    table = Table(title="Other reply codes", box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for heading in ("step", "before", "after", "times", "for example"):
        table.add_column(heading, overflow="fold")
    for kind in found:
        one = kind.example
        replies = f"{one.dialogue} ({one.story})\nbefore: {one.text_before}\nafter: {one.text_after}"
        row = (kind.step, _code(kind.before), _code(kind.after), str(kind.count), escape(replies))
        table.add_row(*row)
    return table


def _code(code: int) -> str:
    return {NOT_REACHED: "not reached", 0: "broken"}.get(code, str(code))
