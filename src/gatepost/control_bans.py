"""What commands and the firewall may ask of a running daemon about bans."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec

from gatepost.ban.keeper import Change
from gatepost.ban.table import client_network, is_wide, one_form
from gatepost.clock import Clock
from gatepost.guard import Guard, Heard
from gatepost.network import parse_address, parse_network
from gatepost.server.control import Command, CommandError, Peer
from gatepost.store.base import Ban, StoreError

MOST_TIMES, MOST_OFFENCES = 1000, 1_000_000_000
ALIVE_SECONDS = 5.0
"""How often a firewall that watches hears that we live."""


class Wanted(msgspec.Struct, frozen=True):
    """What `ban.put` takes; the length of a request bounds it."""

    bans: tuple[Ban, ...] = ()
    force: bool = False
    """Although the network is wide and senders in it delivered lately."""


class Networks(msgspec.Struct, frozen=True):
    """What `ban.remove` takes."""

    networks: tuple[str, ...] = ()


class BanCommands:
    """The commands, by name."""

    def __init__(self, guard: Callable[[], Guard], clock: Clock) -> None:
        """`guard` is asked for when a command comes: there is none before the daemon is up."""
        self._guard = guard
        self._clock = clock

    def table(self) -> Mapping[str, Command]:
        """For the control server."""
        return {
            "ban.list": self.list,
            "ban.put": self.put,
            "ban.remove": self.remove,
            "ban.why": self.why,
            "ban.stats": self.stats,
            "ban.watch": self.watch,
            "firewall.report": self.report,
        }

    async def list(self, _arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """Every ban in force, and how it is enforced."""
        guard = self._guard()
        await guard.keeper.refresh()
        heard = guard.heard
        bans = sorted(guard.keeper.table, key=lambda ban: (ban.since, ban.network))
        return {
            "bans": [msgspec.to_builtins(ban) for ban in bans],
            "observed": [msgspec.to_builtins(ban) for ban in guard.court.observed],
            **self._enforcement(guard),
            "packets": heard.networks if heard else {},
            "refused": heard.refused if heard else {},
        }

    def _enforcement(self, guard: Guard) -> dict[str, Any]:
        heard = guard.heard
        return {
            "mode": guard.mode,
            "firewall": guard.enforced(),
            "asked_first": guard.asked_first(),
            "ports": heard.ports if heard and guard.enforced() else "",
            "trouble": guard.notes(),
        }

    async def put(self, arguments: dict[str, object], peer: Peer) -> dict[str, Any]:
        """Ban networks; those that must not be banned are told, with the reason."""
        wanted = _read(arguments, Wanted)
        guard, now = self._guard(), self._clock.now()
        taken: list[Ban] = []
        refused: dict[str, str] = {}
        covers: dict[str, int] = {}
        for ban in map(_checked, wanted.bans):
            network = parse_network(ban.network)
            why = "no address or network" if network is None else guard.court.justice.forbids(network, now)
            if network is not None and not why and is_wide(network):
                covers[ban.network] = senders = await guard.senders(str(network))
                if senders and not wanted.force:
                    why = f"{senders} senders in it delivered mail lately; ban it all the same with --force"
            if why:
                refused[ban.network] = why
            else:
                origin = ban.origin or f"somebody {peer.name}"
                taken.append(msgspec.structs.replace(ban, network=one_form(ban.network), origin=origin))
        try:
            await guard.keeper.put(taken)
        except StoreError as error:
            raise CommandError(f"nobody was banned, since that could not be kept: {error}") from None
        return {"put": [ban.network for ban in taken], "refused": refused, "covers": covers}

    async def remove(self, arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """End bans: of exactly these networks, and of what covers a single address."""
        networks = _read(arguments, Networks).networks
        guard = self._guard()
        try:
            await guard.keeper.refresh()
            gone = await guard.keeper.remove([one_form(text) or text for text in networks])
        except StoreError as error:
            raise CommandError(f"nothing could be removed: {error}") from None
        for text in networks:
            for jail in guard.court.jails.values():
                jail.track.forgive(one_form(text))
        return {"removed": [ban.network for ban in gone]}

    async def why(self, arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """What is known of a client or network."""
        what = str(arguments.get("what", ""))
        network = parse_network(what)
        if network is None:
            raise CommandError(f'"{what}" is no address or network')
        guard, now = self._guard(), self._clock.now()
        await guard.keeper.refresh()
        address = parse_address(what)
        covering = guard.keeper.covering(what) if address else None
        bans = [covering] if covering else guard.keeper.table.within(network)
        court = guard.court
        counted = {
            name: {"points": points, "enough": jail.maxretry, "rules": dict(rules), "evidence": evidence}
            for name, jail in court.jails.items()
            if (found := jail.track.points(one_form(what))) and (points := found[0])
            for rules, evidence in [found[1:]]
        }
        return {
            "bans": [msgspec.to_builtins(ban) for ban in bans],
            "counted": counted,
            "never": court.justice.spares(address, now) if address else court.justice.forbids(network, now),
            "spared": [msgspec.to_builtins(s) for s in court.spared if s.address == one_form(what)][-5:],
            "past": await self._past(guard, client_network(network)),
            **self._enforcement(guard),
        }

    async def _past(self, guard: Guard, network: str) -> dict[str, Any] | None:
        try:
            found = (await guard.keeper.past([network])).get(network)
        except StoreError:
            return None
        return None if found is None else msgspec.to_builtins(found)

    async def stats(self, _arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """What was counted since the start, and by which jails."""
        guard = self._guard()
        court, heard = guard.court, guard.heard
        return {
            "in_force": len(guard.keeper.table),
            "banned": court.banned,
            "offences": dict(court.offences.most_common()),
            "not_counted": court.suspended,
            "too_old": court.late,
            "spared": len(court.spared),
            "observed": len(court.observed),
            "watched": {name: len(jail.track) for name, jail in court.jails.items()},
            "logs": guard.read_logs(),
            "filters": {name: one.told() for name, one in guard.filters.items()},
            "packets": heard.packets if heard else 0,
            "bytes": heard.bytes if heard else 0,
            "in_kernel": heard.in_kernel if heard else 0,
            **self._enforcement(guard),
        }

    async def watch(self, _arguments: dict[str, object], _peer: Peer) -> AsyncIterator[dict[str, Any]]:
        """All bans, then every change, for the firewall.

        Not while they cannot be read: it would take that for the end of all bans.
        """
        guard = self._guard()
        await guard.keeper.refresh()
        if not guard.keeper.is_known:
            raise CommandError(f"the bans cannot be read now: {guard.keeper.trouble}")
        return self._changes()

    async def _changes(self) -> AsyncIterator[dict[str, Any]]:
        guard = self._guard()
        watcher = guard.keeper.watch()
        try:
            bans = list(map(_short, guard.keeper.for_the_firewall))
            yield {"kind": "all", "bans": bans, "never": list(guard.keeper.never)}
            while not watcher.lost:
                change = await watcher.next(ALIVE_SECONDS)
                yield {"kind": "alive"} if change is None else _told(change)
        finally:
            guard.keeper.unwatch(watcher)

    async def report(self, arguments: dict[str, object], _peer: Peer) -> dict[str, Any]:
        """The firewall says how it is."""
        self._guard().heard = _read({**arguments, "at": self._clock.monotonic()}, Heard)
        return {}


def _read(arguments: dict[str, object], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        raise CommandError(f"cannot be understood: {error}") from None


def _checked(ban: Ban) -> Ban:
    """With numbers that can be counted on: it comes from anybody who may give commands."""
    return msgspec.structs.replace(
        ban, times=min(max(ban.times, 1), MOST_TIMES), offences=min(max(ban.offences, 0), MOST_OFFENCES)
    )


def _short(ban: Ban) -> dict[str, Any]:
    return {"network": ban.network, "until": ban.until}


def _told(change: Change) -> dict[str, Any]:
    told = {"kind": "change", "put": list(map(_short, change.put)), "removed": list(change.removed)}
    return told if change.never is None else {**told, "never": list(change.never)}
