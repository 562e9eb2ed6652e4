"""The work of `gatepost import postgrey`."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from gatepost.access.files import MAX_BYTES, Wanted
from gatepost.checks.greylist import Greylist, GreylistOptions
from gatepost.cli.bringing import EVERY, One, bring
from gatepost.cli.import_ import outcome_text
from gatepost.cli.rewriting import Rewriting
from gatepost.cli.show import warn
from gatepost.cli.trouble import CommandError
from gatepost.config.load import Overrides, Said
from gatepost.imports.berkeley import PACKAGE, BerkeleyError, Copy, copy_of, find_tools
from gatepost.imports.dump import Dump
from gatepost.imports.lists import content_of
from gatepost.imports.machine import said
from gatepost.imports.options import OptionsError
from gatepost.imports.postgrey import settings_of, terms_of
from gatepost.imports.report import Report
from gatepost.imports.triplets import WHY, Found, Place, take_client, take_triplet

DATABASE = Path("/var/lib/postgrey")
Take = Callable[[Found, Place, bytes, bytes], None]


class FromPostgrey:
    """All that is taken from one postgrey."""

    def __init__(
        self, options: str | None, folder: Path, database: Path | None, config: Path | None, store: str | None
    ) -> None:
        """Read the options and our configuration; nothing is written.

        Raises:
            CommandError: one of them cannot be read.
        """
        try:
            self._said = said(options)
        except OptionsError as error:
            raise CommandError(f"postgrey's options: {error}") from None
        self._options = self._said.options
        self._folder = folder
        self._database = database or Path(self._options.value("dbdir") or DATABASE)
        self._store = store
        overrides: Overrides = {("store", "url"): Said("--store", store)} if store else {}
        self.rewriting = Rewriting(config, overrides)
        self.report = Report()
        self.found = Found()
        self.notes: list[str] = [self._said.doubt] if self._said.doubt else []
        self.brought: dict[str, int] = {}

    # --- deciding ---

    def decide(self) -> None:
        """Find out what can be taken; nothing is written."""
        settings_of(self._options, self.report)
        self._take_lists("clients", "client")
        self._take_lists("recipients", "recipient")
        outcomes = self.rewriting.say([wish.setting for wish in self.report.wishes])
        for wish, outcome in zip(self.report.wishes, outcomes, strict=True):
            if outcome.done:
                text = outcome_text(wish.setting.path, wish.setting.value, outcome.text)
                self.report.take(wish.what, text)
            else:
                self.report.leave(wish.what, f"{outcome.text}: {'.'.join(wish.setting.path)}")
        self._read_databases()

    def _take_lists(self, which: str, looks_at: str) -> None:
        given = self._options.values(f"whitelist-{which}")
        files = given or [str(self._folder / f"whitelist_{which}{end}") for end in ("", ".local")]
        for name in files:
            path = Path(name).absolute()
            if not name.endswith(".local") or _is_there(path):
                self._take_list(path, which, looks_at)

    def _take_list(self, path: Path, which: str, looks_at: str) -> None:
        try:
            with path.open("rb") as opened:
                data = opened.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            self.report.leave(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return
        content = content_of(
            msgspec.convert(
                {"path": str(path), "kind": "postgrey", "looks_at": looks_at, "scope": "greylist"}, Wanted
            ),
            data,
        )
        for line in content.left:
            where = f"{path}:{line.number}" if line.number else str(path)
            self.report.leave(f"{where}: {line.text}" if line.text else where, line.says)
        what = f"{path}, {content.taken} entries"
        follow = content.copy if content.copy is not None else data if content.whole else None
        if follow is not None:  # a copy, since the lists go when the package postgrey is purged
            copy = self.rewriting.copy(str(path), follow)
            self.report.wish(what, "access", f"postgrey_{which}", value=str(copy), append=True)
            self.notes.append(f"{copy} is a copy of {path} and takes its place: change it from now on")

    # --- triplets ---

    def _read_databases(self) -> None:
        missing = not _is_there(self._database / "postgrey.db")
        tools = None if missing else find_tools()
        if tools is None:
            why = f"there is no {self._database / 'postgrey.db'} that we may read"
            if not missing:
                why = f"needs a program to read Berkeley DB: install {PACKAGE} and import again"
            self.report.leave("triplets and known clients", why)
            return
        try:
            with copy_of(self._database, tools, self.notes) as copy:
                self._read_copy(copy)
        except BerkeleyError as error:
            self.report.leave("triplets and known clients", str(error))

    def _read_copy(self, copy: Copy) -> None:
        terms = terms_of(self._options)
        config = self.rewriting.config
        ours: GreylistOptions = config.checks["greylist"]
        place = Place(terms, ours, time.time(), config.store.triplets)
        self._read(copy, "postgrey.db", place, take_triplet)
        if terms.clients_after and copy.has("postgrey_clients.db"):
            self._read(copy, "postgrey_clients.db", place, take_client)

    def _read(self, copy: Copy, name: str, place: Place, take: Take) -> None:
        dump, before = Dump(), self.found.left.copy()
        for number, (key, value) in enumerate(dump.records(copy.lines(name)), 1):
            if number > copy.most_records(name):  # a damaged tree can lead round in a circle
                break
            take(self.found, place, key, value)
            if number % EVERY == 0:
                warn(f"{self._database / name}: {number} records read")
        self.found.left["broken"] += dump.broken
        if not dump.complete:
            self.notes.append(
                f"{self._database / name}: the dump breaks off; what was read until then is taken"
            )
        for why, count in (self.found.left - before).items():
            self.report.leave(f"{count} records of {self._database / name}", WHY[why])

    # --- changing ---

    def change(self, *, quiet: bool) -> None:
        """Write the configuration, let the daemon read it, and bring the triplets.

        Raises:
            CommandError: something could not be written; what was is told.
        """
        self.rewriting.write()
        self.rewriting.reload()
        things: list[One] = [*self.found.triplets, *self.found.clients.values()]
        config = self.rewriting.config
        terms = Greylist(config.checks["greylist"]).terms
        if things:
            progress = partial(_progress, len(things), quiet=quiet)
            try:
                self.brought = bring(config, terms, things, progress, directly=self._store is not None)
            except CommandError as error:
                raise CommandError([*self.rewriting.told, *error.lines], error.status) from None
        for why in ("over", "crowded"):
            if count := self.brought.get(why, 0):
                self.report.leave(f"{count} triplets", WHY[why])

    def as_json(self) -> dict[str, Any]:
        """What became of it all."""
        return {
            "options_from": self._said.where,
            "taken": [*msgspec.to_builtins(self.report.taken), *self._triplets_taken()],
            "not_taken": msgspec.to_builtins(self.report.not_taken),
            "triplets": {
                "read": {name: self.found.read[name] for name in ("passed", "waiting", "clients")},
                "left": {why: count for why, count in self.found.left.items() if count},
                "broken": self.found.samples,
                "stored": self.brought,
            },
            "notes": self.notes,
            **self.rewriting.as_json(),
        }

    def _triplets_taken(self) -> list[dict[str, str]]:
        read, brought = self.found.read, self.brought
        news = f"{brought['taken']} new to the store, {brought['known']} known already" if brought else ""
        rows = (
            (f"{read['passed']} triplets that passed, {read['waiting']} that wait", news),
            (f"{read['clients']} clients that proved themselves", self._clients_text()),
        )
        shown = (read["passed"] + read["waiting"], read["clients"])
        return [{"what": what, "became": became} for (what, became), n in zip(rows, shown, strict=True) if n]

    def _clients_text(self) -> str:
        networks = f"{len(self.found.clients)} networks"
        return f"{networks}, {self.brought['clients']} new to the store" if self.brought else networks


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a folder that we may not look into
        return False


def _progress(total: int, done: int, *, quiet: bool) -> None:
    if not quiet:
        warn(f"{done} of {total} stored")
