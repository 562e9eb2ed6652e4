"""The log of mail servers from the systemd journal, followed by means of journalctl(1).

journalctl knows the format of its files, their rotation, and who may read them.
It is started again when it ends, and goes on where it was.

Whoever may log in may write to the journal under any name (`logger -t
postfix/smtpd`). So only entries of root and of the mail servers' own users are
believed; not of all system users, since web servers are among those.

Raises nothing, except when cancelled: what is wrong is told in `trouble`.
"""

import asyncio
import logging
import os
import pwd
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gatepost.ban.blocks import BLOCK, Lines, cut
from gatepost.ban.breath import Breathe, at_once
from gatepost.ban.entry import FIELDS, line, parse
from gatepost.ban.place import Lost

log = logging.getLogger("gatepost.ban")

MAIL = ("SYSLOG_FACILITY=2",)
"""What mail servers write (syslog(3): LOG_MAIL)."""
USERS = ("root", "postfix", "dovecot", "dovenull", "courier", "Debian-exim", "exim", "cyrus")
"""Whose entries are believed, where they exist."""
AGAIN, AGAIN_AT_MOST = 1.0, 60.0
"""Seconds until journalctl is started again, doubled each time that it ends without having said anything."""

_NOT_ALLOWED = ("not seeing messages from other users", "insufficient permissions")
_NO_CURSOR = "to cursor"

HandOver = Callable[[Lines], Awaitable[None] | None]
"""Takes the next lines, in the form of mail.log; the next come when it is done."""


class JournalLog:
    """One selection of the journal's entries."""

    def __init__(
        self,
        hand_over: HandOver,
        cursor: str = "",
        *,
        breathe: Breathe = at_once,
        matches: Sequence[str] = MAIL,
        users: Sequence[str] = USERS,
        folder: Path | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            hand_over: takes the lines, in the event loop.
            breathe: waited for before more is read.
            cursor: where reading stood; without one it begins with what comes now.
            matches: `FIELD=value`, as journalctl takes them: one of each field has to fit.
            users: names or numbers of those whose entries are believed; empty: everybody's.
            folder: where the journal's files are, if not in their usual place.
        """
        self.cursor = cursor
        """Where reading stands: after all lines that were taken."""
        self.trouble = ""
        """What people should know about it now: a sentence, or empty."""
        self.lost = Lost()
        self._hand_over = hand_over
        self._breathe = breathe
        self._matches = [match for match in matches if "=" in match[1:]]
        self._users = frozenset(_numbers(users))
        self._folder = folder
        self._came = False

    async def run(self) -> None:
        """Follow it until cancelled."""
        wait = AGAIN
        while True:
            self._came = False
            said = await self._follow()
            self._ended(said)
            wait = AGAIN if self._came else min(2 * wait, AGAIN_AT_MOST)
            await asyncio.sleep(wait)

    async def _follow(self) -> str:
        """Start journalctl and read until it ends; the last that it complained of."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, ValueError) as error:
            return f"journalctl cannot be started: {getattr(error, 'strerror', None) or error}"
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            complaints = asyncio.create_task(self._complaints(process.stderr))
            await self._read(process.stdout)
            return await complaints
        finally:
            complaints.cancel()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

    def _command(self) -> list[str]:
        # `--follow` alone shows the newest boot only; `--merge` lifts that, and shows other machines as well.
        command = [
            "journalctl",
            "--follow",
            "--merge",
            "--output=json",
            f"--output-fields={','.join(FIELDS)}",
        ]
        command += (
            ["--no-pager", "--no-tail", f"--after-cursor={self.cursor}"] if self.cursor else ["--lines=0"]
        )
        if self._folder is not None:
            command.append(f"--directory={self._folder}")
        elif machine := _machine():
            command.append(f"_MACHINE_ID={machine}")
        return command + self._matches + [f"_UID={user}" for user in sorted(self._users)]

    async def _read(self, stream: asyncio.StreamReader) -> None:
        rest, skipping = b"", False
        while data := await stream.read(BLOCK):
            rest += data
            found = cut(rest, skipping=skipping)
            while found.lines or found.used:
                rest, skipping = rest[found.used :], found.skipping
                await self._take(found.lines)
                found = cut(rest, skipping=skipping)

    async def _take(self, entries: Sequence[bytes]) -> None:
        """Hand over some entries, and remember the last of them."""
        cursor = self.cursor
        lines = []
        for entry in map(parse, filter(None, entries)):
            if entry is None:
                continue
            cursor = entry.cursor
            text = line(entry, self._users)
            if text is not None:
                lines.append(text)
            elif entry.message is None:
                self.lost.too_long += 1
        if lines:
            self._came = True
            self._tell("")
            waited = self._hand_over(Lines.of(lines))
            if waited is not None:
                await waited
        self.cursor = cursor
        await self._breathe()

    async def _complaints(self, stream: asyncio.StreamReader) -> str:
        """Read what journalctl complains of; the last of it."""
        said = ""
        while data := await stream.read(4096):
            text = data.decode(errors="backslashreplace").strip()
            said = text.rpartition("\n")[2][-200:] or said
            if any(reason in text for reason in _NOT_ALLOWED):
                said = _MAY_READ
            self._tell(said)
        return said

    def _ended(self, said: str) -> None:
        if _NO_CURSOR in said:
            self.cursor = ""
            self.lost.gone += 1
        self._tell(said or "journalctl ended")

    def _tell(self, said: str) -> None:
        """Log a new trouble, and its end, once."""
        trouble = f"the journal: {said}" if said else ""
        if trouble != self.trouble:
            log.warning("%s", trouble or "the journal is read again")
        self.trouble = trouble


_MAY_READ = "its entries may not be read; make the daemon's user a member of systemd-journal, and restart it"


def _machine() -> str:
    """Number of this machine (machine-id(5)); empty where it has none."""
    with suppress(OSError):
        return Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
    return ""


def _numbers(users: Sequence[str]) -> Iterator[str]:
    """The numbers of these users, of those that exist."""
    for user in users:
        with suppress(KeyError):
            yield user if user.isdecimal() else str(pwd.getpwnam(user).pw_uid)
