"""SIGTERM, SIGHUP and Ctrl-C as an exception, so that what was begun is undone at once.

Only in the main thread; elsewhere nothing is changed, since Python has no say there.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """Somebody wants us to stop."""

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        super().__init__(self.name)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within the block, a signal raises Stopped."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handled_by(stop):
        yield


@contextmanager
def unstoppable() -> Iterator[None]:
    """Within the block, these signals do nothing: what is being undone has to be finished."""
    # A handler and not SIG_IGN, which the programs we start would inherit.
    with _handled_by(lambda _number, _frame: None):
        yield


@contextmanager
def _handled_by(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old if old is not None else signal.SIG_DFL)
