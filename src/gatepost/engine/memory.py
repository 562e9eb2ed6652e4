"""What was found out about a client lately, so that the second recipient of a mail costs almost nothing."""

from itertools import islice

from gatepost.clock import Clock
from gatepost.model import Finding

MAX_ENTRIES = 50_000


class Memory:
    """Findings by what they are about; bounded in number and time, the oldest go first."""

    __slots__ = ("_clock", "_found", "hits", "misses")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[tuple[object, ...], tuple[float, list[Finding]]] = {}
        self.hits = 0
        self.misses = 0

    def recall(self, key: tuple[object, ...]) -> list[Finding] | None:
        """What was found, or None when it must be looked for."""
        entry = self._found.get(key)
        if entry is None or entry[0] <= self._clock.monotonic():
            self.misses += 1
            return None
        self.hits += 1
        return entry[1]

    def keep(self, key: tuple[object, ...], findings: tuple[Finding, ...], seconds: float) -> None:
        """Remember for `seconds`."""
        now = self._clock.monotonic()
        self._found.pop(key, None)
        self._found[key] = (now + seconds, list(findings))
        for oldest in tuple(islice(self._found, 2)):  # one comes, two may go: soon none is left that is over
            if len(self._found) > MAX_ENTRIES or self._found[oldest][0] <= now:
                del self._found[oldest]

    def clear(self) -> None:
        """Forget everything."""
        self._found.clear()

    def __len__(self) -> int:
        return len(self._found)
