"""Entries of the own lists that nobody entered by command: those in the configuration and in files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gatepost.access.files import Wanted, wanted_files
from gatepost.access.lines import logical_lines
from gatepost.access.options import AccessOptions
from gatepost.access.result import ResultError, parse_result
from gatepost.access.table import inline_entries
from gatepost.access.trouble import Reading


def entries_elsewhere(options: AccessOptions, config_file: str) -> Iterator[dict[str, Any]]:
    """Every entry, with where it stands."""
    for entry in inline_entries(options):
        yield _row(entry.list, entry.what, entry.looks_at, entry.scope, entry.comment, config_file)
    for wanted in wanted_files(options):
        yield from _of_file(wanted)


def _of_file(wanted: Wanted) -> Iterator[dict[str, Any]]:
    try:
        data = Path(wanted.path).read_bytes()
    except OSError as error:
        comment = f"cannot be read: {error.strerror}"
        yield _row("", "", wanted.looks_at, wanted.scope, comment, wanted.path)
        return
    for number, text in _lines(wanted, data):
        yield _of_line(wanted, number, text)


def _lines(wanted: Wanted, data: bytes) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is no comment."""
    if wanted.kind != "postgrey":
        return logical_lines(data, Reading(wanted.path))
    lines = (line.partition("#")[0].strip() for line in data.decode("utf-8", "replace").splitlines())
    return ((number, text) for number, text in enumerate(lines, 1) if text)


def _of_line(wanted: Wanted, number: int, text: str) -> dict[str, Any]:
    place = f"{wanted.path}:{number}"
    if wanted.kind == "postgrey":
        return _row("allow", text, wanted.looks_at, wanted.scope, "", place)
    what, *rest = text.split(None, 1)
    value = " ".join(rest).strip()
    kind = _kind(wanted, value)
    return _row(kind, what, wanted.looks_at, wanted.scope if kind == "allow" else "all", value, place)


def _kind(wanted: Wanted, value: str) -> str:
    try:
        return parse_result(value, wanted.looks_at).kind
    except ResultError:
        return ""


def _row(list_name: str, what: str, looks_at: str, scope: str, comment: str, source: str) -> dict[str, Any]:
    return {
        "list": list_name,
        "what": what,
        "looks_at": looks_at,
        "scope": scope,
        "comment": comment,
        "added": None,
        "added_by": "",
        "expires": None,
        "source": source,
    }
