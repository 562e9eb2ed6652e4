"""What is done with a change that was killed, or that failed: its files come back, and Postfix reads them.

Raises: ChangeError, where a file could not be brought back; the change then
stays under way, and the next call tries again.
"""

from collections.abc import Callable, Sequence

from gatepost.postfix.applying.backups import Backups
from gatepost.postfix.applying.live import Live, LiveError
from gatepost.postfix.applying.manifest import Backup, Outcome
from gatepost.postfix.applying.stopping import unstoppable
from gatepost.postfix.applying.transaction import undo

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
        _let_it_read(live, tell)
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
        if ran:
            _let_it_read(live, tell, start=True)
        backups.end(backup, Outcome("undone", why))


def _reread(reread: Reread, backup: Backup, tell: Tell) -> None:
    if trouble := reread(backup.paths):
        tell(f"Gatepost did not read its configuration anew: {trouble}")


def _let_it_read(live: Live, tell: Tell, *, start: bool = False) -> None:
    """Reload Postfix; where it does not run, start it if wanted. The files are back in any case."""
    try:
        if live.runs():
            live.reload(live.parameters()["queue_directory"])
        elif start:
            live.start()
            tell("Postfix had ended; it was started again.")
        else:
            tell("Postfix does not run, so nothing was reloaded.")
    except LiveError as error:
        tell(f"Postfix did not read the files that were brought back: {error}")
