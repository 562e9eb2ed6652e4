"""Brings the kernel to what is wanted, and knows our own changes of it from those of others.

Raises KernelError.
"""

import asyncio
import logging
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, summarize_address_range

from gatepost.clock import Clock
from gatepost.firewall.kernel import Kernel, KernelError
from gatepost.firewall.listing import Listing
from gatepost.firewall.netlink import Listener
from gatepost.firewall.options import FirewallOptions
from gatepost.firewall.reconcile import Wanted, plan
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

    async def mend(self, wanted: Wanted, clock: Clock) -> Listing | None:
        """Make the kernel hold what is wanted; how it was found.

        Raises:
            KernelError: it does not.
        """
        found = await self._kernel.look()
        what = plan(self._table, found, self.shape, wanted, clock.now())
        if what.remakes and found is not None and self.shape:
            log.warning("others changed our table %s; it is made anew", self._table[0])
        elif what.remakes and self.shape:
            log.warning("our table %s is gone; it is made anew", self._table[0])
        for number, attempt in enumerate(what.attempts, 1):
            try:
                await self._tell(attempt(), learn=what.remakes or number == len(what.attempts))
                break
            except KernelError:
                if number == len(what.attempts):
                    raise
        return found

    async def _tell(self, script: str, *, learn: bool) -> None:
        """Tell it to the kernel; with `learn`, look at what came of it."""
        loop = asyncio.get_running_loop()
        if self._listener:
            loop.remove_reader(self._listener.socket)
        try:
            before = self._kernel.generation()
            nft = await self._kernel.tell(script)
            made = await self._kernel.look() if learn else None
            alone = self._kernel.generation() == _next(before)
            others = self._listener.heard(nft) if self._listener else not alone
            if made and (alone or not others):
                self.shape = made.shape
            if others and not alone:
                self._disturb()
        finally:
            if self._listener:
                loop.add_reader(self._listener.socket, self._hear)

    def _hear(self) -> None:
        if self._listener and self._listener.heard():
            self._disturb()


def _next(generation: int) -> int:
    """The kernel leaves out 0."""
    return (generation + 1) & 0xFFFFFFFF or 1
