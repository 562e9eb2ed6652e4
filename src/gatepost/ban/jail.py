"""A jail: what counts in it, how much is enough, and how long a ban lasts. Pure."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

from gatepost.ban.options import BanOptions, JailOptions
from gatepost.ban.track import IPV4, IPV4_WIDER, IPV6, IPV6_WIDER, Track
from gatepost.network import Address, NetworkSet

MAIL = "mail"
"""The jail that `[ban]` itself describes: our own rules, and our own verdicts."""


class Jail:
    """One jail, with what is counted in it."""

    def __init__(self, options: JailOptions, terms: BanOptions) -> None:
        """`terms`: what holds where the jail's own options say nothing."""
        self.options = options
        self.name = options.name
        self.findtime = float(terms.findtime if options.findtime is None else options.findtime)
        self.maxretry = terms.maxretry if options.maxretry is None else options.maxretry
        self.bantime = float(terms.bantime if options.bantime is None else options.bantime)
        networks, self.impossible = options.ignored
        self._ignored = NetworkSet(networks)
        self._terms = terms
        self.track = Track(
            self.findtime,
            self.maxretry,
            ipv4=IPV4_WIDER if terms.ipv4_wider else IPV4,
            ipv6=IPV6_WIDER if terms.ipv6_wider else IPV6,
            most=terms.tracked,
        )
        self.wants = lru_cache(1024)(self._wants)

    def _wants(self, rule: str) -> bool:
        return bool(self.options.filter) or any(fnmatchcase(rule, pattern) for pattern in self.options.rules)

    def ignores(self, address: Address) -> bool:
        """Whether this jail never bans that client."""
        return bool(self._ignored) and address in self._ignored

    def length(self, times: int) -> float:
        """Seconds that the ban lasts which is the network's `times`th."""
        grown = self.bantime * self._terms.grow ** min(times - 1, 100)
        return min(grown, max(float(self._terms.longest), self.bantime))

    def take_over(self, old: "Jail") -> None:
        """Go on with what another one counted, where it counted alike."""
        if (old.findtime, old.maxretry, old.options) == (self.findtime, self.maxretry, self.options):
            self.track = old.track


def all_jails(terms: BanOptions, own: Iterable[JailOptions]) -> tuple[Jail, ...]:
    """The jail that `[ban]` describes, and those of the administrator."""
    return (Jail(JailOptions(name=MAIL), terms), *(Jail(options, terms) for options in own))
