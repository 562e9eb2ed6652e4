"""What is wrong in the own lists that `[access]` names: in its entries, and in its files by their lines.

A file that is missing when the configuration is read is an error, because its
name is probably mistyped. One that vanishes later is no reason to stop: what
it held still counts, and the daemon says so.
"""

import time
from collections.abc import Iterable

import msgspec

from gatepost.access.files import AccessFile, wanted_files
from gatepost.access.options import AccessOptions, InlineEntry
from gatepost.access.own import entry_error
from gatepost.access.table import inline_entries
from gatepost.config.problem import Problem
from gatepost.config.read import Reader

FILES = (
    "helo_access",
    "rbl_override",
    "client_override",
    "client_access",
    "sender_access",
    "recipient_access",
    "postgrey_clients",
    "postgrey_recipients",
)
ENTRIES = ("allow", "deny")
_NONE = AccessOptions()


def check_own_lists(reader: Reader, options: AccessOptions) -> None:
    """Note all that is wrong in them."""
    for option in FILES:
        for number, name in enumerate(getattr(options, option)):
            _check_file(reader, option, number, name)
    for option in ENTRIES:
        _check_entries(reader, option, getattr(options, option))


def _check_file(reader: Reader, option: str, number: int, name: str) -> None:
    (wanted,) = wanted_files(msgspec.structs.replace(_NONE, **{option: (name,)}))
    file = AccessFile(wanted, time.time)
    file.refresh(at_once=True)
    if file.missing:
        reader.wrong(("access", option, number), f"{wanted.path} {file.missing}")
    for trouble in file.errors:
        reader.problems.append(Problem(trouble.file, trouble.line, "", trouble.text))


def _check_entries(reader: Reader, option: str, entries: Iterable[str | InlineEntry]) -> None:
    for number, entry in enumerate(entries):
        (own,) = inline_entries(msgspec.structs.replace(_NONE, **{option: (entry,)}))
        if error := entry_error(own):
            reader.wrong(("access", option, number), error)
