"""What is printed: harmless on a terminal whatever a stranger sent, and JSON for programs.

Nothing is interpreted as markup.
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from gatepost.config.expected import plain

PIPE_WIDTH = 200
"""Columns when the output is no terminal: rows are then read by programs and should not be folded."""


def harmless(text: str) -> str:
    r"""`text` as one printable line: control and direction characters, line ends and the like as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def when(seconds: float) -> str:
    """A time (seconds since 1970) as the clock on the wall has it; the number, where no calendar goes."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"


def say(text: str = "") -> None:
    """Print a line."""
    print(harmless(text))


def warn(text: str) -> None:
    """Print a line to standard error."""
    print(harmless(text), file=sys.stderr)


def say_json(value: Any) -> None:
    """Print `value` as one line of JSON, in ASCII."""
    print(json.dumps(plain(value)))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    from rich import box  # noqa: PLC0415 - rich takes as long to import as everything else together
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)
