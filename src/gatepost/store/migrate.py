"""Schemas grow by numbered files, `migrations/<schema>_0001_start.sql` and so on, in one transaction.

The number reached stands in the file itself (PRAGMA user_version).

Raises: StoreError for a file written by a newer version; sqlite3.Error.
"""

import sqlite3
from functools import cache
from importlib.resources import files
from pathlib import Path

from gatepost.store.base import StoreError


@cache
def steps(schema: str) -> tuple[str, ...]:
    """The statements of each step, in order."""
    folder = files("gatepost.store") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(f"{schema}_"))
    return tuple((folder / name).read_text("utf-8") for name in names)


def refuse_newer(connection: sqlite3.Connection, schema: str, path: Path) -> None:
    """Look at the file's number before anything is changed.

    Raises:
        StoreError: a newer version wrote it.
    """
    version, known = version_of(connection), len(steps(schema))
    if version > known:
        raise StoreError(
            f"{path} was written by a newer Gatepost (its schema is {version}, this one knows {known}): "
            "install that version again, or give this one another store"
        )


def migrate(connection: sqlite3.Connection, schema: str) -> None:
    """Bring the file up to date."""
    if version_of(connection) == len(steps(schema)):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, step in enumerate(steps(schema)[version_of(connection) :], version_of(connection) + 1):
            for statement in _statements(step):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.rollback()
        raise


def _statements(script: str) -> list[str]:
    """The statements of a script (executescript would commit behind our back)."""
    found: list[str] = []
    rest = ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps the file has seen."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number
