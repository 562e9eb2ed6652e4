"""Tables read from top to bottom, with `if`, `endif` and `!` (cidr_table(5), regexp_table(5)). Pure."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from gatepost.access.entry import Entry
from gatepost.access.trouble import Reading

P = TypeVar("P")


class Rule(msgspec.Struct, Generic[P]):
    """One step: a rule with an entry, or an `if` with the step at which its block ends."""

    pattern: P
    positive: bool
    entry: Entry | None
    end: int = 0


class Rules(Generic[P]):
    """The steps of a table, and the walk through them."""

    def __init__(self) -> None:
        self.steps: list[Rule[P]] = []
        self._open: list[tuple[int, int]] = []

    def rule(self, pattern: P, entry: Entry, *, positive: bool) -> None:
        """Take a rule."""
        self.steps.append(Rule(pattern, positive, entry))

    def begin(self, line: int, pattern: P, *, positive: bool) -> None:
        """Take an `if`."""
        self._open.append((line, len(self.steps)))
        self.steps.append(Rule(pattern, positive, None))

    def end(self, line: int, reading: Reading) -> None:
        """Take an `endif`."""
        if not self._open:
            reading.error(line, "endif without if")
            return
        self.steps[self._open.pop()[1]].end = len(self.steps)

    def close(self, reading: Reading) -> None:
        """All lines are in."""
        for line, _ in self._open:
            reading.error(line, "if without endif")

    @property
    def plain(self) -> bool:
        """Whether there are only positive rules, whose order alone decides."""
        return all(step.positive and step.entry is not None for step in self.steps)

    def first(self, test: Callable[[P], Any]) -> tuple[Entry, Any] | None:
        """The first rule that holds, and what `test` said of its pattern.

        `test` says None of a pattern that has nothing to do with the key: then
        it holds neither as it stands nor negated.
        """
        at, steps = 0, self.steps
        while at < len(steps):
            step = steps[at]
            hit = test(step.pattern)
            holds = hit is not None and bool(hit) == step.positive
            if holds and step.entry is not None:
                return step.entry, hit
            at = at + 1 if holds or step.entry is not None else step.end
        return None
