"""Several files change together or not at all, wherever we are killed.

The way: a backup (from then on the change is under way), new files beside the
old ones, renames, an outcome. A change without an outcome is undone by whoever
comes next. Nothing here knows of Postfix.

Raises: ChangeError; and BackupError when the backups fail.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gatepost.postfix.applying.backups import BackupError, Backups, Change
from gatepost.postfix.applying.filestate import (
    FileError,
    FileState,
    new_state,
    put_in_place,
    read_state,
    remove,
    stage,
    sync_folder,
)
from gatepost.postfix.applying.manifest import Backup, SavedFile
from gatepost.postfix.applying.writable import why_not
from gatepost.postfix.planning.change import FileChange


class ChangeError(Exception):
    """Files cannot be changed, or not be brought back; a line for each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def changes_of(wanted: Sequence[FileChange]) -> list[Change]:
    """The changes with each file's whole state now.

    Raises:
        ChangeError: a file is not what it was when the change was planned.
    """
    found, wrong = [], []
    for change in wanted:
        try:
            found.append(_change_of(change))
        except FileError as error:
            wrong.append(str(error))
    if wrong:
        raise ChangeError(wrong)
    return found


def _change_of(change: FileChange) -> Change:
    target = Path(os.path.realpath(change.path))
    before = read_state(target)
    if (before.content if before else None) != change.before:
        reason = "somebody changed it since the plan was made; plan again"
        if before is None:
            reason = "it was there when the plan was made, and is gone; plan again"
        elif change.before is None:
            reason = "it was not there when the plan was made, and now is; plan again"
        raise FileError(change.path, reason)
    after = (
        FileState(change.after, before.mode, before.uid, before.gid, before.attributes) if before else None
    )
    return Change(change.path, target, before, after or new_state(change.after), change.reasons)


def refused(changes: Sequence[Change]) -> list[str]:
    """For each file that cannot be replaced safely, a line that says why."""
    lines = []
    for change in changes:
        if reason := why_not(change.target):
            led = "" if str(change.target) == change.path else f" (leads to {change.target})"
            lines.append(f"{change.path}{led}: {reason}")
    return lines


def carry_out(backups: Backups, backup: Backup) -> None:
    """Write all files of a change that is under way.

    Raises:
        ChangeError: at the first trouble; what was written by then is left for `undo`.
    """
    files = backup.manifest.files
    try:
        for folder in backup.manifest.folders:
            _make_folder(Path(folder))
        for file in files:
            if after := backups.state(backup, file.after):
                stage(after, _beside(backup, file))
        for file in files:
            _write(backups, backup, file)
        _sync(files)
        _remove_empty(backup.manifest.emptied)
    except FileError as error:
        raise ChangeError([str(error)]) from None


def _write(backups: Backups, backup: Backup, file: SavedFile) -> None:
    target = Path(file.target)
    if read_state(target) != backups.state(backup, file.before):
        raise FileError(target, "somebody else changed it just now")
    if file.after:
        put_in_place(_beside(backup, file), target)
    else:
        remove(target)


def _beside(backup: Backup, file: SavedFile) -> Path:
    """Where the new file is written first. Its name follows from the backup: it can be found again."""
    target = Path(file.target)
    return target.with_name(f".{target.name[:200]}.gatepost-{backup.stamp}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o755)
    except OSError as error:
        raise FileError(folder, error) from None
    sync_folder(folder.parent)


def _sync(files: Sequence[SavedFile]) -> None:
    for folder in dict.fromkeys(Path(file.target).parent for file in files):
        sync_folder(folder)


# --- undoing ------------------------------------------------------------------------------------------


def undo(backups: Backups, backup: Backup, tell: Callable[[str], None]) -> None:
    """Bring every file back as it was before a change; harmless when it already is.

    What somebody else wrote meanwhile is kept in the backup and told.

    Raises:
        ChangeError: with a line for each file that could not be brought back; the others are.
    """
    wrong = []
    for number, file in enumerate(backup.manifest.files):
        try:
            _bring_back(backups, backup, number, tell)
        except (FileError, BackupError) as error:
            wrong.append(f"{file.path} was not brought back: {error}")
    _remove_empty(backup.manifest.folders)
    if wrong:
        raise ChangeError([*wrong, f"copies of all files lie in {backups.folder / backup.stamp}"])


def _bring_back(backups: Backups, backup: Backup, number: int, tell: Callable[[str], None]) -> None:
    file = backup.manifest.files[number]
    target, beside = Path(file.target), _beside(backup, file)
    remove(beside)
    now, before = read_state(target), backups.state(backup, file.before)
    if now == before:
        sync_folder(target.parent)
        return
    if now is not None and (file.after is None or now.content != _content(backups, backup, file)):
        kept = backups.keep_found(backup, number, now)
        tell(f"{file.path}: somebody else changed it meanwhile; what it held lies in {kept}")
    if before is None:
        remove(target)
    else:
        for folder in reversed([place for place in target.parents if not place.exists()]):
            _make_folder(folder)
        stage(before, beside)
        put_in_place(beside, target)
    sync_folder(target.parent)


def _content(backups: Backups, backup: Backup, file: SavedFile) -> bytes | None:
    after = backups.state(backup, file.after)
    return after.content if after else None


def _remove_empty(folders: Sequence[str]) -> None:
    """Remove these where nothing is in them; outermost first they are given."""
    for folder in map(Path, reversed(folders)):
        with suppress(OSError):  # somebody put something there, or it was never made
            folder.rmdir()
            sync_folder(folder.parent)
