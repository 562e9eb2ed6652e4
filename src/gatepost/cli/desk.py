"""Own lists and journal: through the daemon when one runs, else in the store itself.

The daemon answers `list.add`, `list.remove`, `list.entries` and `journal.find`
on its control socket; the same is done here without one.
"""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from gatepost.access.own import entry_error
from gatepost.cli.trouble import CommandError
from gatepost.clock import SystemClock
from gatepost.config.schema import Config
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.store.base import JournalEntry, ListEntry, Store, StoreError
from gatepost.store.open import open_beside, sqlite_path
from gatepost.store.options import StoreOptions

Result = TypeVar("Result")

_CHANGES = ("list.add", "list.remove")


class Desk:
    """Does with lists and journal what the commands ask for."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clock = SystemClock()

    def add(self, entry: ListEntry) -> ListEntry:
        """Put `entry` on its list."""
        if wrong := entry_error(entry):
            raise CommandError(wrong)
        entry = msgspec.structs.replace(entry, added=self._clock.now(), added_by=_user())
        return self._ask(
            "list.add", {"entry": msgspec.to_builtins(entry)}, lambda store: store.lists.add(entry), ListEntry
        )

    def remove(self, list_name: str, what: str, looks_at: str) -> int:
        """Take an entry off its list; how many there were."""

        async def directly(store: Store) -> dict[str, int]:
            return {"removed": await store.lists.remove(list_name, what, looks_at)}

        arguments = {"list": list_name, "what": what, "looks_at": looks_at}
        return self._ask("list.remove", arguments, directly, dict[str, int])["removed"]

    def entries(self) -> list[ListEntry]:
        """All entries that are not over, oldest first."""
        now = self._clock.now()
        return self._ask("list.entries", {}, lambda store: store.lists.entries(now), list[ListEntry])

    def find(self, what: str, limit: int) -> list[JournalEntry]:
        """Verdicts about `what`, newest first."""
        return self._ask(
            "journal.find",
            {"what": what, "limit": limit},
            lambda store: store.journal.find(what, limit),
            list[JournalEntry],
        )

    def _ask(
        self,
        command: str,
        arguments: dict[str, Any],
        directly: Callable[[Store], Awaitable[Result]],
        kind: type[Result],
    ) -> Result:
        try:
            return msgspec.convert(call(self._config.control.socket, command, **arguments), kind)
        except NoDaemonError:
            return asyncio.run(self._with_store(directly, change=command in _CHANGES))
        except ControlError as error:
            raise CommandError(str(error)) from None
        except msgspec.ValidationError as error:
            raise CommandError(f"the daemon is of another version, restart it: {error}") from None

    async def _with_store(self, directly: Callable[[Store], Awaitable[Result]], *, change: bool) -> Result:
        try:
            become_owner(self._config.store)
            store = open_beside(self._config.store, self._clock, change_lists=change)
            await store.open()
        except StoreError as error:
            raise CommandError(str(error)) from None
        try:
            return await directly(store)
        except StoreError as error:
            raise CommandError(str(error)) from None
        finally:
            await store.close()


def become_owner(options: StoreOptions) -> None:
    """As root, go on as the owner of the store's directory: the daemon must be able to write what we make."""
    if os.geteuid() != 0 or options.url == "memory:":
        return
    directory = sqlite_path(options.url).parent
    if directory.is_dir() and (owner := directory.stat()).st_uid != 0:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)


def _user() -> str:
    """Who gives the command, for people: the name before sudo, when it is known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
