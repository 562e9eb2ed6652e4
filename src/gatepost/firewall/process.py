"""`gatepost firewall`: keeps the kernel's sets equal to the daemon's bans, for as long as it runs.

Start: the bans kept from last time, before the daemon is up. Then a round whenever the daemon tells of a
change, whenever others change our table (the kernel says so at once), and now and then: look, compare, mend.
On stop the kernel keeps the bans.
"""

import asyncio
import logging
import signal
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from gatepost.ban.intervals import disjoint
from gatepost.clock import Clock, SystemClock
from gatepost.firewall import netlink
from gatepost.firewall.client import Client, ReportError
from gatepost.firewall.hands import Hands
from gatepost.firewall.judge import Judged, Spared, judge, spared
from gatepost.firewall.kernel import KernelError
from gatepost.firewall.listing import Listing
from gatepost.firewall.options import FirewallOptions, ports_text
from gatepost.firewall.reconcile import Wanted, by_network
from gatepost.firewall.ruleset import Count
from gatepost.firewall.state import Kept, State, StateError
from gatepost.firewall.told import MAX_REFUSED, Alive, All, Bans, Change, Report, Row
from gatepost.network import Address, Network
from gatepost.server.notify import Notifier

log = logging.getLogger("gatepost.firewall")

PAUSE = 0.2
"""Seconds between two rounds, in which changes gather; at least twice as long as the last one took."""
PAUSE_OTHERS = 1.0
"""After a round that others caused, so that somebody who changes our table all the time costs little."""
PAUSE_TROUBLE = 3.0
TICK = 9.0
"""Seconds between two reports at most."""
REST = 50.0
"""Times as long as the last look took, it is not looked again while nothing has changed."""


def run(options: FirewallOptions, control: str, never: Iterable[Network]) -> int:
    """Run the firewall in the foreground; its exit status.

    Args:
        options: `[firewall]`.
        control: path of the daemon's control socket.
        never: networks that the configuration spares.
    """
    state = State(options.state)
    try:
        state.open()
        return asyncio.run(Firewall(options, control, tuple(never), state, SystemClock()).run())
    except (StateError, KernelError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence for people, not a traceback
        return 2
    finally:
        state.close()


class Firewall:
    """One running firewall."""

    def __init__(
        self, options: FirewallOptions, control: str, never: tuple[Network, ...], state: State, clock: Clock
    ) -> None:
        self._options = options
        self._never = never
        self._state = state
        self._clock = clock
        self._bans = Bans()
        self._hands = Hands(options)
        self._client = Client(control, self._take)
        self._notifier = Notifier()
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._disturbed = False
        self._own: list[Address] = []
        self._trouble: dict[str, str] = {}
        """What is wrong now, by the part that says so."""
        self._refused: dict[str, str] = {}
        self._reporting: asyncio.Task[None] | None = None
        self._last: Report
        self._done = -1
        """Which version of the bans the kernel has."""
        self._kept: object = None
        """Which bans and which table were kept last."""
        self._look_after = 0.0
        """On the monotonic clock: when to look though nothing changed, for what was counted."""
        self._ahead = 0.0
        """Seconds by which the clock on the wall was ahead of the other at the last look."""

    async def run(self) -> int:
        """Do it until a signal comes.

        Raises:
            KernelError: it cannot be done at all.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._wake.set)
        await self._restore()
        self._hands.listen(self._disturb)
        report = await self._round()
        log.info("ready: bans=%d ports=%s", report.in_kernel, report.ports.replace(" ", ""))
        self._notifier.ready(_status(report))
        background = [
            asyncio.ensure_future(work)
            for work in (self._client.follow(), self._rounds(), self._notifier.watch())
        ]
        stopped = asyncio.ensure_future(self._stop.wait())
        # One that ends has a fault: it is raised, and the service manager starts us anew.
        done, _ = await asyncio.wait([stopped, *background[:2]], return_when=asyncio.FIRST_COMPLETED)
        self._notifier.stopping()
        for task in [stopped, *background, *filter(None, [self._reporting])]:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        self._hands.close()
        for task in done:
            task.result()
        log.info("stopping; the kernel keeps the bans")
        return 0

    # --- what is wanted -----------------------------------------------------------------------------------

    async def _restore(self) -> None:
        """Begin with what was kept; where that is lost, with what the kernel still has."""
        now = self._clock.now()
        try:
            kept = self._state.read()
        except StateError as error:
            log.warning("%s; what the kernel holds stays until the daemon tells its bans", error)
            kept = Kept()
        self._bans.take(All(kept.bans, kept.never))
        self._hands.remember(kept.made, kept.shape)
        if kept == Kept():
            for network, until in await self._hands.held(now):
                self._bans.until[network] = until

    def _take(self, told: All | Change | Alive) -> None:
        if self._bans.take(told):
            self._wake.set()

    def _disturb(self) -> None:
        """Others changed our table."""
        self._disturbed = True
        self._wake.set()

    # --- rounds -------------------------------------------------------------------------------------------

    async def _rounds(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._options.look, TICK)):
                    await self._wake.wait()
            self._wake.clear()
            disturbed, self._disturbed = self._disturbed, False
            began = self._clock.monotonic()
            pause = PAUSE_OTHERS if disturbed else PAUSE
            try:
                report = self._last if self._is_quiet() else await self._round()
                self._say("kernel", "")
            except KernelError as error:
                self._say("kernel", str(error))
                pause = PAUSE_TROUBLE
                self._wake.set()
                report = msgspec.structs.replace(self._last, trouble=self._troubles())
            self._send(report)
            await asyncio.sleep(max(pause, 2 * (self._clock.monotonic() - began)))

    def _is_quiet(self) -> bool:
        """Whether a look would tell nothing new: with many bans, one costs half a second of a core."""
        return (
            not any(self._trouble.values())
            and self._clock.monotonic() < self._look_after
            and abs(self._clock.now() - self._clock.monotonic() - self._ahead) < 1
            and self._bans.version == self._done
            and self._hands.untouched()
        )

    async def _round(self) -> Report:
        """Look, compare, mend, and remember.

        Raises:
            KernelError: the kernel is not right.
        """
        now, began = self._clock.now(), self._clock.monotonic()
        self._ahead = now - began
        self._bans.forget(now)
        version = self._bans.version  # while we work, the daemon may tell more
        judged = judge(self._bans.until.items(), self._spared(), self._options)
        self._tell_refused(judged)
        wanted = Wanted(disjoint(judged.taken, now))
        found = await self._hands.mend(wanted, self._clock)
        await self._keep()
        self._last = self._report(found, wanted, len(judged.taken))
        self._notifier.status(_status(self._last))
        self._done = version
        self._look_after = began + max(self._options.look - 1, REST * (self._clock.monotonic() - began))
        return self._last

    def _spared(self) -> Spared:
        try:
            self._own = netlink.own_addresses()
            self._say("own", "")
        except OSError as error:
            self._say("own", f"our own addresses cannot be read anew: {error.strerror or error}")
            if not self._own:
                raise KernelError(self._trouble["own"]) from None
        return spared(self._own, (*self._never, *self._bans.never))

    async def _keep(self) -> None:
        now = (self._bans.version, self._hands.made, self._hands.shape)
        if now == self._kept:
            return
        rows = [Row(str(network), until) for network, until in self._bans.until.items()]
        never = [str(network) for network in self._bans.never]
        kept = Kept(bans=rows, never=never, made=self._hands.made, shape=self._hands.shape)
        try:
            await asyncio.to_thread(self._state.write, kept)
            self._kept = now
            self._say("state", "")
        except StateError as error:
            self._say("state", str(error))

    # --- what is told -------------------------------------------------------------------------------------

    def _report(self, found: Listing | None, wanted: Wanted, bans: int) -> Report:
        dropped = sum(found.dropped.values(), Count()) if found else Count()
        return Report(
            in_kernel=bans,
            packets=dropped.packets,
            bytes=dropped.bytes,
            ports=ports_text(self._options.ports),
            trouble=self._troubles(),
            networks={name: count.packets for name, count in by_network(found, wanted).items()}
            if found
            else {},
            refused=self._refused,
        )

    def _troubles(self) -> str:
        return "; ".join(filter(None, [*self._trouble.values(), self._bans.trouble]))

    def _send(self, report: Report) -> None:
        """Send it in the background; while one is under way, the next has to wait."""
        if not self._client.away and (self._reporting is None or self._reporting.done()):
            self._reporting = asyncio.ensure_future(self._send_now(report))

    async def _send_now(self, report: Report) -> None:
        try:
            await self._client.report(report)
            self._say("report", "")
        except ReportError as error:
            self._say("report", f"the daemon does not take our reports: {error}")

    def _tell_refused(self, judged: Judged) -> None:
        new = [item for item in judged.refused.items() if item[0] not in self._refused]
        for network, why in new[:MAX_REFUSED]:
            log.warning("not shut out: %s: %s", network, why)
        if len(new) > MAX_REFUSED:
            log.warning("not shut out: %d more", len(new) - MAX_REFUSED)
        self._refused = judged.refused

    def _say(self, part: str, trouble: str) -> None:
        """Note what is wrong with a part, or that nothing is; logged when it is new."""
        if trouble and trouble != self._trouble.get(part):
            log.warning("%s", trouble)
        elif not trouble and self._trouble.get(part):
            log.info("mended: %s", self._trouble[part])
        self._trouble[part] = trouble


def _status(report: Report) -> str:
    return f"{report.in_kernel} bans in force on ports {report.ports}, {report.packets} packets dropped"
