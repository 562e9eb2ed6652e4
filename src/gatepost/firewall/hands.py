"""Brings the kernel to what is wanted, and knows our own changes of it from those of others.

Raises KernelError.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from gatepost.clock import Clock
from gatepost.firewall.kernel import Kernel, KernelError, TooMuchError
from gatepost.firewall.listing import Listing
from gatepost.firewall.netlink import Listener
from gatepost.firewall.options import FirewallOptions
from gatepost.firewall.reconcile import Plan, Wanted, plan
from gatepost.firewall.ruleset import table_script
from gatepost.network import Network

log = logging.getLogger("gatepost.firewall")


class Hands:
    """What we do to the kernel."""

    def __init__(self, options: FirewallOptions) -> None:
        self._table = (options.table, options.ports)
        self._kernel = Kernel(options.table)
        self._listener: Listener | None = None
        self._disturb: Callable[[], None] = lambda: None
        self.made = table_script(options.table, options.ports, (), {})
        """How our table is made, without elements."""
        self._seen = 0
        """The generation of nftables at the last look and our changes since; -1 when others changed it."""
        self.shape = ""
        """What nft said of it when it was made; empty: not known."""

    def remember(self, made: str, shape: str) -> None:
        """Take over from an earlier run what nft said of a table that was made in the same way."""
        self.shape = shape if made == self.made else ""

    def listen(self, disturb: Callable[[], None]) -> None:
        """Call `disturb` whenever others changed our table.

        Raises:
            KernelError: we may not listen.
        """
        try:
            self._listener = Listener(self._table[0])
        except OSError as error:
            raise KernelError(
                f"changes of nftables cannot be heard of ({error.strerror}): it needs root, or CAP_NET_ADMIN"
            ) from None
        self._disturb = disturb
        asyncio.get_running_loop().add_reader(self._listener.socket, self._hear)

    def close(self) -> None:
        """Listen no more; the kernel stays as it is."""
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener.socket)
            self._listener.close()
            self._listener = None

    async def held(self, now: float) -> list[tuple[Network, float | None]]:
        """What the kernel holds, as bans."""
        found = await self._kernel.look()
        rows: list[tuple[Network, float | None]] = []
        for (version, first, last), held in (found.elements if found else {}).items():
            until = None if held.seconds is None else now + held.seconds
            kind = IPv4Address if version == 4 else IPv6Address
            rows += ((network, until) for network in summarize_address_range(kind(first), kind(last)))
        return rows

    def untouched(self) -> bool:
        """Whether nobody changed any table since the last look.

        Raises:
            KernelError: it cannot be known.
        """
        return self._kernel.generation() == self._seen

    async def mend(self, wanted: Wanted, clock: Clock) -> Listing | None:
        """Make the kernel hold what is wanted; how it was found.

        Raises:
            KernelError: it does not.
        """
        self._seen = self._kernel.generation()
        found = await self._kernel.look()
        what = plan(self._table, found, self.shape, wanted, clock.now())
        if what.remakes and found is not None and self.shape:
            log.warning("others changed our table %s; it is made anew", self._table[0])
        elif what.remakes and self.shape:
            log.warning("our table %s is gone; it is made anew", self._table[0])
        await self._do(what)
        return found

    async def _do(self, what: Plan) -> None:
        for number, attempt in enumerate(what.attempts, 1):
            last = number == len(what.attempts)
            try:
                await self._tell([attempt()], learn=what.remakes or last)
                return
            except TooMuchError:
                await self._tell(what.parts(), learn=True)
                return
            except KernelError as error:
                if last:
                    raise
                log.info("%s; all is told anew", error)

    async def _tell(self, scripts: Sequence[str], *, learn: bool) -> None:
        """Tell it to the kernel; with `learn`, look at what came of it."""
        loop = asyncio.get_running_loop()
        if self._listener:
            loop.remove_reader(self._listener.socket)
        try:
            nft = [await self._kernel.tell(script) for script in scripts]
            made = await self._kernel.look(elements=False) if learn else None
            # Counted from the look: what others did between it and us was not seen either.
            before, self._seen = self._seen, self._kernel.generation()
            alone = self._seen == _after(before, len(scripts))
            others = self._others(nft, alone=alone)
            if made and (alone or not others):
                self.shape = made.shape
            if others:
                self._seen = -1
                self._disturb()
        finally:
            if self._listener:
                loop.add_reader(self._listener.socket, self._hear)

    def _others(self, nft: Collection[int], *, alone: bool) -> bool:
        """Whether others than these processes may have changed our table; `alone`: none had a moment ago."""
        if alone and self._listener:
            self._listener.skip()
            return not self.untouched()
        return self._listener.heard(nft) if self._listener else not alone

    def _hear(self) -> None:
        if self._listener and self._listener.heard():
            self._disturb()


def _after(generation: int, changes: int) -> int:
    """The generation after so many changes; the kernel leaves out 0."""
    for _ in range(changes):
        generation = (generation + 1) & 0xFFFFFFFF or 1
    return generation
