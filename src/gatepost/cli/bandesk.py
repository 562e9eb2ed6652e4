"""Bans: through the daemon when one runs, else in the store itself."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from gatepost.ban.justice import Justice
from gatepost.ban.keeper import Keeper
from gatepost.ban.table import BanTable, is_wide
from gatepost.cli.desk import become_owner
from gatepost.cli.trouble import CommandError
from gatepost.clock import SystemClock
from gatepost.config.schema import Config
from gatepost.network import parse_address, parse_network
from gatepost.postfix.ours import machine_addresses, read_ours
from gatepost.server.control import MAX_LINE
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.store.base import Ban, Bans, StoreError
from gatepost.store.open import open_beside

Result = TypeVar("Result")

OCTETS = MAX_LINE - 4096
"""Octets of bans in one request to the daemon, which takes no more than MAX_LINE."""


class BanDesk:
    """Does with bans what the commands ask for."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clock = SystemClock()

    def list(self) -> dict[str, Any]:
        """Every ban in force, and how it is enforced."""

        async def directly(bans: Bans) -> dict[str, Any]:
            active = await bans.active(self._clock.now())
            return {"bans": [msgspec.to_builtins(ban) for ban in active], "observed": [], **self._nothing()}

        return self._ask("ban.list", {}, directly)

    def put(self, bans: Sequence[Ban], *, force: bool) -> dict[str, Any]:
        """Ban these; what was done, and whom not and why."""

        async def directly(store: Bans) -> dict[str, Any]:
            refused = await self._refused(store, bans, force=force)
            taken = [
                msgspec.structs.replace(ban, origin=ban.origin or f"somebody {_user()}")
                for ban in bans
                if ban.network not in refused
            ]
            await store.put(taken)
            return {"put": [ban.network for ban in taken], "refused": refused, "covers": {}}

        arguments = {"bans": msgspec.to_builtins(list(bans)), "force": force}
        return self._ask("ban.put", arguments, directly, change=True)

    async def _refused(self, store: Bans, bans: Sequence[Ban], *, force: bool) -> dict[str, str]:
        """Those that must not be banned, and why, as far as that can be told without the daemon."""
        terms, now = self._config.ban, self._clock.now()
        ours = await read_ours(self._config.ours, self._clock)
        justice = Justice(ours, terms.never, machine_addresses(), terms.trust)
        justice.recall(await store.trusted(now - terms.trust))
        refused = {}
        for ban in bans:
            network = parse_network(ban.network)
            why = "no address or network" if network is None else justice.forbids(network, now)
            if network is not None and not why and is_wide(network) and not force:
                why = "who in it delivered mail lately is not known without a daemon; --force bans it"
            if why:
                refused[ban.network] = why
        return refused

    def remove(self, networks: Sequence[str]) -> Sequence[str]:
        """End the bans of exactly these networks; of which there were some."""

        async def directly(bans: Bans) -> dict[str, Any]:
            return {"removed": [ban.network for ban in await bans.remove(networks)]}

        arguments = {"networks": list(networks)}
        removed: Sequence[str] = self._ask("ban.remove", arguments, directly, change=True)["removed"]
        return removed

    def why(self, what: str) -> dict[str, Any]:
        """What is known of a client or network."""

        async def directly(store: Bans) -> dict[str, Any]:
            keeper = Keeper(store, self._clock)
            await keeper.refresh()
            network, address = parse_network(what), parse_address(what)
            covering = keeper.covering(what) if address else None
            inside = keeper.table.within(network) if network else []
            bans = [covering] if covering else inside
            past = (await keeper.past([what])).get(what)
            return {
                "bans": [msgspec.to_builtins(ban) for ban in bans],
                "counted": {},
                "never": "",
                "spared": [],
                "past": msgspec.to_builtins(past),
                **self._nothing(),
            }

        return self._ask("ban.why", {"what": what}, directly)

    def stats(self) -> dict[str, Any]:
        """What was counted since the daemon started."""
        try:
            told: dict[str, Any] = call(self._config.control.socket, "ban.stats")  # type: ignore[assignment]
        except ControlError as error:
            raise CommandError(str(error), status=1) from None
        return told

    def covering(self, networks: Sequence[str]) -> dict[str, str]:
        """Of these, which are covered by the ban of a wider network, and of which."""
        table = BanTable(msgspec.convert(ban, Ban) for ban in self.list()["bans"])
        now = self._clock.now()
        parsed = [(text, address) for text in networks if (address := parse_address(text))]
        return {text: ban.network for text, address in parsed if (ban := table.covering(address, now))}

    def _nothing(self) -> dict[str, Any]:
        """What can be said of enforcement while no daemon runs."""
        return {
            "mode": self._config.ban.mode,
            "firewall": False,
            "asked_first": False,
            "ports": "",
            "trouble": ["no daemon is running: this is what its store holds"],
            "packets": {},
            "refused": {},
        }

    def _ask(
        self,
        command: str,
        arguments: dict[str, Any],
        directly: Callable[[Bans], Awaitable[dict[str, Any]]],
        *,
        change: bool = False,
    ) -> dict[str, Any]:
        try:
            told: dict[str, Any] = call(self._config.control.socket, command, **arguments)  # type: ignore[assignment]
        except NoDaemonError:
            return asyncio.run(self._with_store(directly, change=change))
        except ControlError as error:
            raise CommandError(str(error)) from None
        return told

    async def _with_store(self, directly: Callable[[Bans], Awaitable[Result]], *, change: bool) -> Result:
        try:
            become_owner(self._config.store)
            store = open_beside(self._config.store, self._clock, change_lists=change)
            await store.open()
            try:
                return await directly(store.bans)
            finally:
                await store.close()
        except StoreError as error:
            raise CommandError(str(error)) from None


def fitting(bans: Iterable[Ban]) -> Iterator[list[Ban]]:
    """Parts that fit into a request each."""
    batch: list[Ban] = []
    octets = 0
    for ban in bans:
        length = len(msgspec.json.encode(ban)) + 1
        if batch and octets + length > OCTETS:
            yield batch
            batch, octets = [], 0
        batch.append(ban)
        octets += length
    if batch:
        yield batch


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
