"""The daemon's DNS, put together from its options: cache, doctor, servers.

Raises nothing: options were judged when they were read, and a resolv.conf
that cannot be read means the server on this machine (resolv.conf(5)).
"""

from collections.abc import Callable
from pathlib import Path

from gatepost.clock import Clock
from gatepost.dns.cache import CachingResolver, Keep
from gatepost.dns.health import Doctor, Health
from gatepost.dns.live import LiveResolver, Terms
from gatepost.dns.options import DnsOptions
from gatepost.dns.resolvconf import Server, parse_resolv_conf, parse_server

RESOLV_CONF = Path("/etc/resolv.conf")


class Dns:
    """What `open_dns` made; `resolver` and `health` go into the Context."""

    def __init__(self, options: DnsOptions, clock: Clock, servers: tuple[Server, ...]) -> None:
        terms = Terms(
            timeout=options.timeout,
            attempts=options.attempts,
            deadline=options.deadline,
            in_flight=options.in_flight,
        )
        keep = Keep(
            entries=options.cache_entries,
            longest=options.longest,
            longest_absent=options.longest_absent,
            unknown=options.unknown_for,
        )
        self.changed: Callable[[], None] = lambda: None
        """Told when the resolver begins or ceases to lie: conclusions from its answers are worthless then."""
        self._live = LiveResolver(servers, clock, terms)
        self.health = Health(clock, suspicious_after=options.suspicious_after)
        self._doctor = Doctor(
            self._live,
            self.health,
            probe=options.probe,
            canaries=options.canaries,
            every=options.probe_every,
            changed=self._forget,
        )
        self.resolver = CachingResolver(self._doctor, clock, keep)
        self.fresh = self._doctor
        """Asks the servers every time: for tests of lists, which must see what is so now."""

    async def probe_once(self) -> str:
        """Examine the resolver now; why it is ill, or empty."""
        return await self._doctor.probe_once()

    async def run(self) -> None:
        """Look after the resolver's health, until cancelled; the first look is at once."""
        await self._doctor.run()

    def stats(self) -> dict[str, object]:
        """For `status`."""
        return {"ill": self.health.ill, "cache": self.resolver.stats(), "live": self._live.stats()}

    async def close(self) -> None:
        """Give up questions under way."""
        await self.resolver.close()

    def _forget(self) -> None:
        self.resolver.clear()
        self.changed()


def open_dns(options: DnsOptions, clock: Clock, resolv_conf: Path = RESOLV_CONF) -> Dns:
    """The DNS as configured; `resolv_conf` names the servers where `options` do not."""
    return Dns(options, clock, _servers(options, resolv_conf))


def _servers(options: DnsOptions, resolv_conf: Path) -> tuple[Server, ...]:
    if options.servers:
        return tuple(dict.fromkeys(parse_server(server) for server in options.servers))
    try:
        text = resolv_conf.read_text("utf-8", errors="replace")
    except OSError:
        text = ""
    return parse_resolv_conf(text)
