"""What went wrong, for the person at the terminal: no command ends in a traceback."""

from collections.abc import Iterable


class CommandError(Exception):
    """A command cannot do what was asked."""

    def __init__(self, lines: str | Iterable[str], status: int = 2) -> None:
        """What was wrong, where, and what to do; `status`: 1 for no, 2 for wrong usage."""
        self.lines = (lines,) if isinstance(lines, str) else tuple(lines)
        self.status = status
        super().__init__("\n".join(self.lines))
