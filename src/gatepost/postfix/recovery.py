"""What is done with a change that was killed, or that failed: its files come back, and Postfix reads them.

Raises: ChangeError, where a file could not be brought back; the change then
stays under way, and the next call tries again.
"""

from collections.abc import Callable, Sequence

from gatepost.postfix.backups import Backups
from gatepost.postfix.live import Live, LiveError
from gatepost.postfix.manifest import Backup, Outcome
from gatepost.postfix.stopping import unstoppable
from gatepost.postfix.transaction import undo

Tell = Callable[[str], None]
Reread = Callable[[Sequence[str]], str]
"""Lets Gatepost read its configuration anew where that is among these files; why it did not, or empty."""


def nothing_to_reread(_paths: Sequence[str]) -> str:
    """For changes that never hold Gatepost's configuration."""
    return ""


def recover(backups: Backups, live: Live, tell: Tell, reread: Reread = nothing_to_reread) -> Backup | None:
    """Undo the change that was killed; None when there is none."""
    backup = backups.pending()
    if backup is None:
        return None
    tell(f"A change begun at {backup.stamp} ({backup.manifest.kind}) was killed before its end; undoing it.")
    with unstoppable():
        undo(backups, backup, tell)
        _reread(reread, backup, tell)
        if live.runs():
            _reload(live, tell)
        else:
            tell("Postfix does not run, so nothing was reloaded.")
        backups.end(backup, Outcome("undone", "it was killed"))
    return backup


def take_back(
    backups: Backups,
    backup: Backup,
    live: Live,
    why: str,
    tell: Tell,
    reread: Reread = nothing_to_reread,
    *,
    ran: bool,
) -> None:
    """Undo a change of ours that failed; where Postfix ran before it, let it run again."""
    with unstoppable():
        undo(backups, backup, tell)
        _reread(reread, backup, tell)
        if ran and live.runs():
            _reload(live, tell)
        elif ran:
            _start(live, tell)
        backups.end(backup, Outcome("undone", why))


def _reread(reread: Reread, backup: Backup, tell: Tell) -> None:
    if trouble := reread(backup.paths):
        tell(f"Gatepost did not read its configuration anew: {trouble}")


def _reload(live: Live, tell: Tell) -> None:
    try:
        live.reload(live.parameters()["queue_directory"])
    except LiveError as error:
        tell(f"Postfix could not be reloaded: {error}")


def _start(live: Live, tell: Tell) -> None:
    try:
        live.start()
        tell("Postfix had ended; it was started again.")
    except LiveError as error:
        tell(f"Postfix has ended and could not be started again: {error}")
