"""Logs in files, followed beside the event loop, which never waits for a disk.

One thread reads all of them, a block of each in turn, and reads on when the
block was taken: what pours in waits on the disk, not in memory.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gatepost.ban.blocks import Lines
from gatepost.ban.breath import Breathe, at_once
from gatepost.ban.follow import Follower
from gatepost.ban.place import Lost, Place
from gatepost.clock import Clock

log = logging.getLogger("gatepost.ban")

PAUSE = 0.25
"""Seconds between two looks, while nothing comes."""

HandOver = Callable[[Path, Lines], Awaitable[None] | None]
"""Takes the next whole lines of a log; the next come when it is done."""


class LogFiles:
    """All logs that are files."""

    def __init__(
        self,
        paths: Iterable[Path],
        places: Mapping[Path, Place],
        clock: Clock,
        hand_over: HandOver,
        breathe: Breathe = at_once,
    ) -> None:
        """Read nothing yet.

        Args:
            paths: the logs, as their writers name them.
            places: where reading stood; a log without one is read from its end.
            clock: for what is waited for.
            hand_over: takes the lines, in the event loop.
            breathe: waited for before more is read.
        """
        self._followers = {path: Follower(path, places.get(path), clock) for path in paths}
        self._places = {path: place for path, place in places.items() if path in self._followers}
        self._troubles: dict[Path, str] = {}
        self._hand_over = hand_over
        self._breathe = breathe

    @property
    def places(self) -> dict[Path, Place]:
        """Where reading stands: after all lines that were taken, and before those that were not."""
        return dict(self._places)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What people should know about the logs now: sentences."""
        return tuple(self._troubles.values())

    @property
    def lost(self) -> dict[Path, Lost]:
        """What was not handed out, counted since the start."""
        return {path: follower.lost for path, follower in self._followers.items()}

    async def run(self) -> None:
        """Follow them until cancelled."""
        if not self._followers:
            return
        thread = ThreadPoolExecutor(1, thread_name_prefix="logs")
        try:
            while True:
                if not await self._round(thread):
                    await asyncio.sleep(PAUSE)
                await self._breathe()
        finally:
            thread.submit(self._close)
            thread.shutdown(wait=False)

    async def _round(self, thread: ThreadPoolExecutor) -> bool:
        """Hand over a block of each log that has one; False when none had."""
        found = await asyncio.get_running_loop().run_in_executor(thread, self._read)
        some = False
        for path, lines, place in found:
            self._tell(path)
            if lines:
                some = True
                waited = self._hand_over(path, lines)
                if waited is not None:
                    await waited
            if place is not None:
                self._places[path] = place
        return some

    def _read(self) -> list[tuple[Path, Lines, Place | None]]:
        """In the thread."""
        read = []
        for path, follower in self._followers.items():
            lines = follower.read()
            read.append((path, lines, follower.place))
        return read

    def _close(self) -> None:
        for follower in self._followers.values():
            follower.close()

    def _tell(self, path: Path) -> None:
        """Log a new trouble, and its end, once."""
        trouble = self._followers[path].trouble
        before = self._troubles.pop(path, "")
        if trouble:
            self._troubles[path] = trouble
        if trouble != before:
            log.warning("%s", trouble or f"{path}: is read again")
