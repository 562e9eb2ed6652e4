"""The work of `gatepost import fail2ban`."""

import glob
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gatepost.ban.fail2ban.files import laid_over, read_file
from gatepost.ban.fail2ban.jails import database_of, jails_of
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.cli.bandesk import BanDesk, fitting
from gatepost.cli.rewriting import Rewriting
from gatepost.cli.trouble import CommandError
from gatepost.config.edit import as_line
from gatepost.config.load import Overrides, Said
from gatepost.imports.fail2ban_bans import DatabaseError, Running, running
from gatepost.imports.fail2ban_settings import Machine, settings_of
from gatepost.imports.report import Report, Wish

MAX_FILES = 100
"""Of a pattern in logpath, and in a folder such as jail.d."""


class FromFail2ban:
    """All that is taken from one fail2ban."""

    def __init__(self, folder: Path, database: Path | None, config: Path | None, store: str | None) -> None:
        """Read our configuration; nothing is written.

        Raises:
            CommandError: it cannot be read.
        """
        overrides: Overrides = {("store", "url"): Said("--store", store)} if store else {}
        self.rewriting = Rewriting(config, overrides)
        self.report = Report("fail2ban")
        self.bans: Running = Running(())
        self.brought: dict[str, Any] = {"put": [], "refused": {}}
        self.notes: list[str] = []
        self._folder = folder.absolute()
        self._database = database

    # --- deciding ---

    def decide(self) -> None:
        """Find out what can be taken; nothing is written.

        Raises:
            CommandError: there are no jails to read.
        """
        if not (self._folder / "jail.conf").exists() and not (self._folder / "jail.local").exists():
            raise CommandError(
                [f"{self._folder}: there is no jail.conf; is fail2ban installed?", "Say --from DIR."]
            )
        machine = Machine(str(self._folder), _why_not, _expand)
        try:
            jails = jails_of(list(laid_over(self._folder, "jail")), read_file, str(self._folder))
        except FilterError as error:
            raise CommandError(f"fail2ban's jails: {error}") from None
        settings_of(jails, machine, self.report)
        outcomes = self.rewriting.say([wish.setting for wish in self.report.wishes])
        for wish, outcome in zip(self.report.wishes, outcomes, strict=True):
            if outcome.done:
                self._took(wish, outcome.text)
            else:
                self.report.leave(wish.what, outcome.text)
        self._read_bans()

    def _took(self, wish: Wish, text: str) -> None:
        self.report.take(wish.what, as_line(wish.setting) + (f" ({text})" if text != "written" else ""))
        if wish.setting.path == ("jail",):
            for log in wish.setting.value["logs"]:
                if log != "journal":
                    self.rewriting.follow(Path(log))

    def _read_bans(self) -> None:
        try:
            database = self._database or Path(
                database_of(list(laid_over(self._folder, "fail2ban")), read_file)
            )
            if database == Path():
                self.report.leave("running bans", "fail2ban keeps them in memory only")
                return
            self.bans = running(database, time.time())
        except FilterError as error:
            self.report.leave("running bans", str(error))
            return
        except DatabaseError as error:
            self.report.leave(f"running bans in {database}", str(error))
            return
        if self.bans.not_addresses:
            self.report.leave(f"{self.bans.not_addresses} running bans", "they are not of addresses")
        if self.bans.more:
            self.report.leave("more running bans", f"the first {len(self.bans.bans)} are taken")

    # --- changing ---

    def change(self) -> None:
        """Write the configuration, let the daemon read it, and bring the bans.

        Raises:
            CommandError: something could not be written; what was is told.
        """
        self.rewriting.write()
        self.rewriting.reload()
        desk = BanDesk(self.rewriting.config)
        try:
            for batch in fitting(self.bans.bans):
                answer = desk.put(batch, force=False)
                self.brought["put"] += answer["put"]
                self.brought["refused"] |= answer["refused"]
        except CommandError as error:
            raise CommandError([*self.rewriting.told, *error.lines], error.status) from None
        for network, why in self.brought["refused"].items():
            self.report.leave(f"the ban of {network}", why)

    def as_json(self) -> dict[str, Any]:
        """What became of it all."""
        taken = msgspec.to_builtins(self.report.taken)
        if self.bans.bans:
            put = len(self.brought["put"])
            became = f"{put} are banned here" if put else "bans of ours"
            taken.append({"what": f"{len(self.bans.bans)} running bans", "became": became})
        return {
            "options_from": str(self._folder),
            "taken": taken,
            "not_taken": msgspec.to_builtins(self.report.not_taken),
            "bans": {"read": len(self.bans.bans), "put": len(self.brought["put"])},
            "notes": self.notes if not self._jails() else [*self.notes, self._note()],
            **self.rewriting.as_json(),
        }

    def _jails(self) -> bool:
        return any(wish.setting.path == ("jail",) for wish in self.report.wishes)

    def _note(self) -> str:
        return (
            f"The filters stay in {self._folder}/filter.d and are read there: keep that folder. Switch "
            "fail2ban off when Gatepost bans (systemctl disable --now fail2ban), so that not both do."
        )


def _why_not(source: str) -> str:
    try:
        load(source)
    except FilterError as error:
        return str(error)
    return ""


def _expand(pattern: str) -> Sequence[str]:
    """The files that a pattern of paths means; nothing for a path that is not whole."""
    if not pattern.startswith("/"):
        return ()
    return sorted(found for found in glob.glob(pattern)[:MAX_FILES] if Path(found).is_file())  # noqa: PTH207
