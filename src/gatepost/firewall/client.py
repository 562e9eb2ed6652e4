"""The firewall's side of the daemon's control socket: follows the bans, and reports.

Raises nothing but ReportError. While the daemon is away it is tried again and again; what it told last stays.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import msgspec

from gatepost.firewall.told import (
    MAX_LINE,
    WATCH,
    Alive,
    All,
    Change,
    Report,
    ToldError,
    parse_line,
    report_line,
)

log = logging.getLogger("gatepost.firewall")

SILENCE = 30.0
"""Seconds without a word after which the daemon counts as gone; it says something each 10."""
PATIENCE = 10.0
"""Seconds for a report to be taken."""
FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
"""Seconds between two tries, doubled each time."""


class ReportError(Exception):
    """The report did not reach the daemon, or it wants none; the text is a sentence."""


class Client:
    """Speaks with the daemon at one control socket."""

    def __init__(
        self, path: str, take: Callable[[All | Change | Alive], None], silence: float = SILENCE
    ) -> None:
        """Remember where it is, who is given what it tells, and after how many seconds it counts as gone."""
        self._path = path
        self._silence = silence
        self._take = take
        self.away = "it was not asked yet"
        """Why the daemon is not followed now; empty while it is."""

    async def follow(self) -> None:
        """Follow the daemon until cancelled."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._follow_once()
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                why = _why(error)
            except ToldError as error:
                why = str(error)
            pause = FIRST_PAUSE if not self.away else min(2 * pause, LAST_PAUSE)
            if why != self.away:
                log.warning(
                    "the daemon at %s: %s; the bans stay as they are, and it is tried again", self._path, why
                )
            self.away = why
            await asyncio.sleep(pause)

    async def _follow_once(self) -> None:
        """Follow until something goes wrong."""
        reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_LINE)
        try:
            writer.write(WATCH)
            while True:
                async with asyncio.timeout(self._silence):
                    line = await reader.readuntil()
                told = parse_line(line)
                if self.away and isinstance(told, All):
                    log.info("the daemon at %s is followed: bans=%d", self._path, len(told.bans))
                    self.away = ""
                self._take(told)
        finally:
            await _close(writer)

    async def report(self, report: Report) -> None:
        """Tell the daemon how we are.

        Raises:
            ReportError: it did not take it.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(report_line(report))
                    answer = msgspec.json.decode(await reader.readuntil(), type=dict[str, object])
                finally:
                    await _close(writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ReportError(_why(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ReportError(f"the daemon answered what is no answer: {error}") from None
        if "error" in answer:
            raise ReportError(f"the daemon refuses: {answer['error']}")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _why(error: Exception) -> str:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return "nobody answers"
        case PermissionError():
            return "we may not talk to it: be in the group of its socket"
        case TimeoutError():
            return "it is silent"
        case asyncio.IncompleteReadError():
            return "it closed the connection"
        case asyncio.LimitOverrunError():
            return f"it sent a line of more than {MAX_LINE} octets"
        case OSError():
            return error.strerror or str(error)
    return str(error)
