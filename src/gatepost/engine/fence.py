"""The fence round everything that a check does: its trouble becomes a finding, and the mail goes on.

Nothing that a check, the store or the clock does wrong may cost a mail. What
is no fault (a task that is cancelled, the end of the program) goes through.
"""

import logging
from collections.abc import Callable
from types import TracebackType

from gatepost.checks.base import Check
from gatepost.model import Finding
from gatepost.store.base import StoreError

log = logging.getLogger("gatepost.pipeline")


class Fence:
    """`with Fence(check, report): ...`: what fails inside is reported as `error.*`, and goes no further."""

    __slots__ = ("_check", "_report")

    def __init__(self, check: Check, report: Callable[[Finding], None]) -> None:
        self._check = check
        self._report = report

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._report(_trouble(self._check, error))
        return True


def _trouble(check: Check, error: Exception) -> Finding:
    if isinstance(error, StoreError):
        return Finding("error.store", "", str(error))
    if isinstance(error, TimeoutError):
        return Finding("error.timeout", "", f"{check.name} did not finish in time")
    log.error("check %s failed", check.name, exc_info=error)
    return Finding("error.check", "", f"{check.name}: {type(error).__name__}")
