"""Planned changes into a live Postfix: kept, written, checked, reloaded, probed; or all of it brought back.

Every step is told as it begins. Wherever this process is killed, the next call
undoes what was begun (`recovery`).

Raises: ApplyError.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gatepost.postfix.applying.backups import BACKUPS, BackupError, Backups
from gatepost.postfix.applying.live import Checked, Live, LiveError, new_lines, too_old
from gatepost.postfix.applying.manifest import Backup, Outcome
from gatepost.postfix.applying.observed import (
    Asked,
    FindVerdict,
    Observation,
    Probed,
    Result,
    Seen,
    judge,
    judge_before,
)
from gatepost.postfix.applying.probe import foreigners, observe
from gatepost.postfix.applying.program_now import RunNow, run_now
from gatepost.postfix.applying.recovery import Reread, Tell, nothing_to_reread, recover, take_back
from gatepost.postfix.applying.smtp import REPLY_SECONDS
from gatepost.postfix.applying.stopping import Stopped, stoppable
from gatepost.postfix.applying.stranger import Stranger, sweep
from gatepost.postfix.applying.targets import Target, target_at, targets
from gatepost.postfix.applying.transaction import ChangeError, carry_out, changes_of, refused
from gatepost.postfix.planning.change import FileChange

PATIENCE_AFTER = 20.0
"""Seconds that a reply may take after the change, besides what it took before. A server that is mute gets no
mail, so this should not last; and Postfix asks a Gatepost that is silent twice, for 6 seconds each."""
JOURNAL_SECONDS = 1.0
"""How long is waited for our probe to come into Gatepost's journal: it is written out when it is asked."""


class ApplyError(Exception):
    """Nothing was changed, or all was brought back; a line for each reason."""

    def __init__(self, lines: Sequence[str], *, undone: bool = False) -> None:
        """`undone`: files were written, and were brought back."""
        self.lines = tuple(lines)
        self.undone = undone
        super().__init__("\n".join(self.lines))


class Order(msgspec.Struct, frozen=True):
    """What is to be changed."""

    config_dir: str
    changes: tuple[FileChange, ...]
    backups: Path = BACKUPS
    probe_at: tuple[str, int] | None = None
    """Host and port to probe instead of what listens on port 25."""
    patience: float = REPLY_SECONDS
    """Seconds that a reply may take before the change."""


class Hands(msgspec.Struct, frozen=True):
    """What is done outside of this package."""

    answers: Callable[[], str]
    """Why Gatepost does not answer at the place that the new lines name; empty when it does."""
    find: FindVerdict
    """Looks into Gatepost's journal once."""
    tell: Tell
    """Shows a step or something noteworthy."""
    run: RunNow = run_now
    reread: Reread = nothing_to_reread


class Applied(msgspec.Struct, frozen=True):
    """What was done."""

    stamp: str
    """Name of the state before, for `rollback`; "" when there was nothing to do."""
    probes: tuple[Probed, ...] = ()
    warnings: tuple[str, ...] = ()


def apply(order: Order, hands: Hands) -> Applied:
    """Carry the changes out, or leave everything as it was."""
    live = Live(order.config_dir, hands.run)
    with as_apply_error(), stoppable(), Backups(order.backups, Path(order.config_dir)) as backups:
        sweep(hands.run)
        recover(backups, live, hands.tell, hands.reread)
        if not order.changes:
            return Applied("")
        return _Application(order, hands, live, backups).run()


def recover_first(
    config_dir: str, backups: Path, tell: Tell, reread: Reread = nothing_to_reread, run: RunNow = run_now
) -> bool:
    """Undo a change that was killed; to be called before anything is planned from the files.

    Whether there was one.
    """
    with as_apply_error(), stoppable(), Backups(backups, Path(config_dir)) as opened:
        sweep(run)
        return recover(opened, Live(config_dir, run), tell, reread) is not None


@contextmanager
def as_apply_error() -> Any:
    """Whatever the parts say as the one error."""
    try:
        yield
    except (BackupError, LiveError) as error:
        raise ApplyError([str(error)]) from None
    except ChangeError as error:
        raise ApplyError(error.lines) from None
    except Stopped as stopped:
        raise ApplyError([f"stopped by {stopped.name} before anything was changed"]) from None


class _Application:
    """One run of apply, after what an earlier one left was tidied up."""

    def __init__(self, order: Order, hands: Hands, live: Live, backups: Backups) -> None:
        self.order, self.hands, self.live, self.backups = order, hands, live, backups
        self.warnings: list[str] = []
        self.parameters: Mapping[str, str] = {}
        self.ran = False

    def run(self) -> Applied:
        self.hands.tell("Looking whether the files can be changed.")
        changes = changes_of(self.order.changes)
        if lines := refused(changes):
            raise ApplyError(lines)
        checked = self._look_first()
        doors = self._doors()
        with foreigners(doors, self.parameters["mynetworks"], self.hands.run) as callers:
            before = self._baseline(doors, callers)
            self.hands.tell("Keeping the files as they are.")
            backup = self.backups.create("apply", changes, time.time())
            try:
                probes = self._change(backup, checked, before, callers)
                self.backups.end(backup, Outcome("done"))
            except BaseException as error:
                self._take_back(backup, error)
                raise
        self.backups.drop_superfluous()
        return Applied(backup.stamp, tuple(probes), tuple(self.warnings))

    # --- before ---

    def _look_first(self) -> Checked:
        """Preconditions; what `postfix check` says before the change."""
        if os.geteuid() != 0:
            raise ApplyError(["be root: Postfix's own commands need it"])
        self.parameters = self.live.parameters()
        if why := too_old(dict(self.parameters)) or self.hands.answers():
            raise ApplyError([why])
        checked = self.live.check()
        if not checked.fine:
            raise ApplyError(["postfix check fails already, before any change:", *checked.said])
        self.ran = self.live.runs()
        return checked

    def _doors(self) -> list[Target]:
        if not self.ran:
            self._warn("Postfix does not run, so nothing is reloaded and nothing can be probed.")
            return []
        if self.order.probe_at:
            return [target_at(*self.order.probe_at, self.parameters)]
        found = targets(self.live.services(), self.parameters)
        if not found:
            self._warn("master.cf has no smtpd or postscreen on port 25, so nothing can be probed.")
        return found

    def _baseline(self, doors: Sequence[Target], callers: Mapping[Target, Stranger]) -> list[Observation]:
        seen = []
        for door in doors:
            self.hands.tell(f"Probing {door} before the change.")
            seen.append(observe(door, callers[door], self.order.patience))
        if lines := [line for one in seen for line in judge_before(one)]:
            raise ApplyError(lines)
        return seen

    # --- the change ---

    def _change(
        self,
        backup: Backup,
        checked: Checked,
        before: Sequence[Observation],
        callers: Mapping[Target, Stranger],
    ) -> list[Probed]:
        self.hands.tell(f"Writing {', '.join(backup.paths)}.")
        carry_out(self.backups, backup)
        self.hands.tell("Letting Postfix check its files.")
        after = self.live.check()
        new = new_lines(checked.said, after.said)
        if not after.fine:
            raise ChangeError(["postfix check refuses the new files:", *(new or after.said)])
        for line in new:
            self._warn(f"postfix check says now: {line}")
        if trouble := self.hands.reread(backup.paths):
            raise ChangeError([f"Gatepost does not take its new configuration: {trouble}"])
        if not self.ran:
            return []
        self.hands.tell("Reloading Postfix.")
        self.live.reload(self.parameters["queue_directory"])
        return [probed for one in before for probed in self._probe(one, callers[one.target])]

    def _probe(self, before: Observation, caller: Stranger) -> list[Probed]:
        self.hands.tell(f"Probing {before.target} after the change.")
        patience = min(self.order.patience, PATIENCE_AFTER + 3 * before.slowest)
        probes = judge(before, observe(before.target, caller, patience), self._patient())
        for probed in probes:
            if probed.result is Result.NOT_MADE:
                self._warn(f"not probed whether it {probed.name}: {probed.text}")
        if failed := [probed for probed in probes if probed.result is Result.FAILED]:
            raise ChangeError([f'the probe "{probed.name}" failed: {probed.text}' for probed in failed])
        return probes

    def _patient(self) -> FindVerdict:
        """Looks into the journal again until the probe has had time to come there."""
        deadline = time.monotonic() + JOURNAL_SECONDS

        def find(asked: Asked) -> Seen | None:
            while (seen := self.hands.find(asked)) is None and time.monotonic() < deadline:
                time.sleep(0.05)
            return seen

        return find

    def _take_back(self, backup: Backup, error: BaseException) -> None:
        """Undo, and say why; returns only for errors that nobody expected."""
        lines: Sequence[str] = [str(error)]
        match error:
            case Stopped():
                lines = [f"stopped by {error.name}"]
            case ChangeError() | ApplyError():
                lines = error.lines
        self.hands.tell("Bringing everything back.")
        why, tell, reread = "; ".join(lines), self.hands.tell, self.hands.reread
        try:
            take_back(self.backups, backup, self.live, why, tell, reread, ran=self.ran)
        except (ChangeError, BackupError) as trouble:
            raise ApplyError([*lines, *str(trouble).splitlines()]) from None
        if isinstance(error, (Stopped, ChangeError, ApplyError, LiveError, BackupError)):
            raise ApplyError(lines, undone=True) from None

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.hands.tell(f"Warning: {text}")
