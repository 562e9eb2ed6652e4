"""Back to an earlier state: which files, what was changed by hand since, and the change itself.

A rollback is a change like another: kept first, undone when it is killed or
Postfix does not greet afterwards, and in the list, so that it can be rolled back.

Raises: ApplyError; NoSuchStateError for a name that is none.
"""

import difflib
import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gatepost.postfix.applying.apply import ApplyError, as_apply_error
from gatepost.postfix.applying.backups import BackupError, Backups, Change
from gatepost.postfix.applying.filestate import FileError, FileState, read_state
from gatepost.postfix.applying.live import Live, LiveError
from gatepost.postfix.applying.manifest import Backup, Earlier, Outcome, last_written, state_before
from gatepost.postfix.applying.recovery import Reread, Tell, nothing_to_reread, recover, take_back
from gatepost.postfix.applying.smtp import SmtpClient, SmtpError
from gatepost.postfix.applying.stopping import Stopped, stoppable
from gatepost.postfix.applying.targets import Target, targets
from gatepost.postfix.applying.transaction import ChangeError, carry_out, refused


class Way(msgspec.Struct, frozen=True):
    """How to get back to a state."""

    stamp: str
    changes: tuple[Change, ...]
    """Empty: it is the state now."""
    by_hand: tuple[str, ...] = ()
    """Of these, the files that somebody changed since Gatepost wrote them last."""
    emptied: tuple[str, ...] = ()


def way_back(backups: Backups, stamp: str) -> Way:
    """What has to change for everything to be as it was before the change `stamp`."""
    known = backups.all()
    changes, by_hand = [], []
    with as_apply_error():
        for earlier in state_before(stamp, known):
            change = _change_back(backups, earlier)
            if change.before == change.after:
                continue
            changes.append(change)
            if not _is_what_we_left(change, known):
                by_hand.append(change.path)
    made = {folder: None for b in known if b.stamp >= stamp and b.done for folder in b.manifest.folders}
    return Way(stamp, tuple(changes), tuple(by_hand), tuple(made))


def _change_back(backups: Backups, earlier: Earlier) -> Change:
    path, target = earlier.file.path, Path(os.path.realpath(earlier.file.path))
    if str(target) != earlier.file.target:
        raise ChangeError(
            [f"{path} led to {earlier.file.target} then and leads to {target} now; lead it back"]
        )
    try:
        now = read_state(target)
    except FileError as error:
        raise ChangeError([str(error)]) from None
    then = backups.state(earlier.backup, earlier.file.before)
    return Change(path, target, now, then, (f"as it was before {earlier.backup.stamp}",))


def _is_what_we_left(change: Change, known: Sequence[Backup]) -> bool:
    left = last_written(change.path, known)
    if left is None or change.before is None:
        return left is None and change.before is None
    digest = hashlib.sha256(change.before.content).hexdigest()
    now = (digest, change.before.mode, change.before.uid, change.before.gid, change.before.attributes)
    return now == (left.sha256, left.mode, left.uid, left.gid, left.attributes)


def diff(change: Change) -> list[str]:
    """What a change does to a file's lines, and to its owner, mode and attributes."""
    old, new = _lines(change.before), _lines(change.after)
    name_of = ("/dev/null", change.path)
    names = name_of[change.before is not None], name_of[change.after is not None]
    lines = [line.rstrip("\n") for line in difflib.unified_diff(old, new, *names)]
    if change.before and change.after:
        lines += [
            f"{change.path}: {what} {was} becomes {becomes}"
            for what, was, becomes in _besides(change.before, change.after)
            if was != becomes
        ]
    return lines


def _besides(old: FileState, new: FileState) -> list[tuple[str, str, str]]:
    return [
        ("owner", f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"),
        ("mode", f"{old.mode:04o}", f"{new.mode:04o}"),
        ("attributes", _named(old.attributes), _named(new.attributes)),
    ]


def _named(attributes: dict[str, bytes]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in sorted(attributes.items())) or "none"


def _lines(state: FileState | None) -> list[str]:
    return state.content.decode(errors="backslashreplace").splitlines(keepends=True) if state else []


# --- going -------------------------------------------------------------------------------------------


def roll_back(backups: Backups, way: Way, live: Live, tell: Tell, reread: Reread = nothing_to_reread) -> str:
    """Go this way, with the lock held and nothing under way; the stamp of the state left behind."""
    with as_apply_error(), stoppable():
        if lines := refused(way.changes):
            raise ApplyError(lines)
        ran = live.runs()
        greeted = _greeting(live) if ran else []
        tell("Keeping the files as they are.")
        backup = backups.create("rollback", way.changes, time.time(), way.emptied)
        try:
            tell(f"Writing {', '.join(backup.paths)}.")
            carry_out(backups, backup)
            if trouble := reread(backup.paths):
                tell(f"Warning: Gatepost did not read its configuration anew: {trouble}")
            if ran:
                _let_it_read(live, greeted, tell)
            backups.end(backup, Outcome("done"))
        except (ChangeError, LiveError, BackupError, Stopped) as error:
            lines = [f"stopped by {error.name}" if isinstance(error, Stopped) else str(error)]
            tell("Bringing everything back.")
            take_back(backups, backup, live, "; ".join(lines), tell, reread, ran=ran)
            raise ApplyError(lines, undone=True) from None
        backups.drop_superfluous()
        return backup.stamp


def _let_it_read(live: Live, greeted: Sequence[Target], tell: Tell) -> None:
    """Reload, and see that doors that greeted still do, unless the older master.cf has none there."""
    checked = live.check()
    if not checked.fine:
        raise ChangeError(["postfix check refuses the older files:", *checked.said])
    tell("Reloading Postfix.")
    live.reload(live.parameters()["queue_directory"])
    still = _doors(live)
    for door in greeted:
        if any((door.host, door.port) == (one.host, one.port) for one in still) and (why := _mute(door)):
            raise ChangeError([f"{door} greeted before and does not now: {why}"])


def _greeting(live: Live) -> list[Target]:
    return [door for door in _doors(live) if not _mute(door)]


def _doors(live: Live) -> list[Target]:
    return targets(live.services(), live.parameters())


def _mute(door: Target) -> str:
    """Why it does not greet; empty when it does."""
    try:
        with SmtpClient(door) as client:
            reply = client.reply()
    except SmtpError as error:
        return str(error)
    return "" if reply.code == 220 else str(reply)


def recovered(backups: Backups, live: Live, tell: Tell, reread: Reread = nothing_to_reread) -> Backup | None:
    """Undo a change that was killed: then that is the rollback. None when there was none."""
    with as_apply_error(), stoppable():
        return recover(backups, live, tell, reread)
