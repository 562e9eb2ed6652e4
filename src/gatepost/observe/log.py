"""Log lines: one for each verdict, `key=value`, harmless whatever a stranger sent.

Lines of verdicts are written by a thread of their own, so that a log that
blocks (a full pipe, a slow journal) never holds up an answer; what does not
fit into the bounded queue is counted and said.
"""

import logging
import sys
import threading
from collections import deque
from typing import Literal, TextIO

from gatepost.model import Request, Verdict
from gatepost.options import Options

MAX_VALUE = 320
"""Characters of one value in a line."""


class LogOptions(Options, frozen=True):
    """What is logged. Lines go to standard error, where systemd's journal takes them."""

    verdicts: Literal["all", "refusals", "none"] = "all"
    """`all`: a line for each verdict; `refusals`: only for mail that was refused or must wait; `none`."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug`, `info`, `warning` or `error`, for everything that is not a verdict."""


def harmless(text: str) -> str:
    """`text` as one word of printable ASCII: what could break a line or a terminal is escaped."""
    if text.isascii() and text.isprintable() and " " not in text and len(text) <= MAX_VALUE:
        return text or "-"
    cut = text[:MAX_VALUE].encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() and c != " " else f"\\x{ord(c):02x}" for c in cut)


def line(request: Request, verdict: Verdict) -> str:
    """The log line of one verdict."""
    rules = ",".join(f"({j.rule})" if j.excused_by else j.rule for j in verdict.findings)
    observed = " observed=1" if verdict.observed else ""
    return (
        f"verdict stage={request.stage} client={harmless(request.client_address)}"
        f" name={harmless(request.client_name)} helo={harmless(request.helo_name)}"
        f" sender=<{harmless(request.sender) if request.sender else ''}>"
        f" recipient=<{harmless(request.recipient) if request.recipient else ''}>"
        f" action={verdict.action} by={verdict.decided_by or '-'} score={verdict.score:g}"
        f" rules={rules or '-'} ref={verdict.reference} ms={verdict.ms:.1f}{observed}"
    )


class LineWriter:
    """Writes lines in the background, in order; bounded."""

    def __init__(self, stream: TextIO, *, most: int = 50_000, interval: float = 0.1) -> None:
        """Write to `stream` each `interval` seconds; hold at most `most` lines."""
        self._stream = stream
        self._lines: deque[str] = deque()
        self._most = most
        self._interval = interval
        self._stop = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="gatepost-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, text: str) -> None:
        """Take a line; never waits."""
        if len(self._lines) >= self._most:
            self.dropped += 1
            return
        self._lines.append(text)

    def stop(self) -> None:
        """Write what is owed, for at most two seconds."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        taken = [self._lines.popleft() for _ in range(len(self._lines))]
        if not taken:
            return
        try:
            self._stream.write("\n".join(taken) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.dropped += len(taken)


def set_up(options: LogOptions, stream: TextIO | None = None) -> None:
    """Send everything but verdicts to standard error, one line each, without dates: the journal has them."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("gatepost")
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(options.level.upper())
