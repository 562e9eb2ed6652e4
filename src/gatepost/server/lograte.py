"""Log lines that a stranger can cause, at a bounded rate: the first few of each minute, then a count."""

import logging
from collections.abc import Callable


class Seldom:
    """Passes at most `per_minute` lines to a logger, and tells how many it kept back."""

    __slots__ = ("_log", "_now", "_per_minute", "_said", "_since", "_unsaid")

    def __init__(self, log: logging.Logger, now: Callable[[], float], per_minute: int = 20) -> None:
        self._log = log
        self._now = now
        self._per_minute = per_minute
        self._since = float("-inf")
        self._said = self._unsaid = 0

    def warning(self, text: str, *arguments: object, error: BaseException | None = None) -> None:
        """Log a warning, with the traceback of `error`, unless there were too many."""
        now = self._now()
        if now - self._since >= 60:
            if self._unsaid:
                self._log.warning("%d more lines like the last were not logged", self._unsaid)
            self._since, self._said, self._unsaid = now, 0, 0
        if self._said >= self._per_minute:
            self._unsaid += 1
            return
        self._said += 1
        self._log.warning(text, *arguments, exc_info=error)
