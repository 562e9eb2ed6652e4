"""Filters of fail2ban as jails use them: what they find becomes an offence when its address can be trusted.

Raises: FilterError, from loading.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from gatepost.ban.fail2ban.filter import Filter as Patterns
from gatepost.ban.fail2ban.filter import Match
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.ban.fail2ban.trust import NOBODY, trusted
from gatepost.ban.offence import MAX_EVIDENCE, Offence
from gatepost.ban.options import JailOptions
from gatepost.network import Address
from gatepost.wire.maillog import client_of, text
from gatepost.wire.syslog import Stamps


class LoadedFilter:
    """One filter, ready to look at lines."""

    def __init__(self, patterns: Patterns, own: frozenset[Address] = NOBODY) -> None:
        """`own`: addresses of this machine, which may stand in a line beside the client's."""
        self._patterns = patterns
        self._trusted = partial(trusted, client_of=client_of, own=own)
        self._stamps = Stamps(0.0)
        self.untrusted = 0
        """Lines whose address could be something that a stranger wrote."""

    def told(self) -> dict[str, object]:
        """How it does, for people."""
        patterns = self._patterns
        return {
            "engine": patterns.engine,
            "given_up": patterns.late,
            "too_long": patterns.passed_over,
            "not_trusted": self.untrusted,
        }

    def offences(self, lines: Sequence[bytes], now: float) -> Iterator[tuple[int, Offence]]:
        """What it finds in whole lines, with the number of the line, from 0; `now` in seconds since 1970."""
        self._stamps.now = now
        for number, match in self._patterns.scan(lines):
            if not match.address:
                continue
            if self._trusted(match):
                yield number, self._offence(match, now)
            else:
                self.untrusted += 1

    def _offence(self, match: Match, now: float) -> Offence:
        seconds = self._stamps.seconds(match.stamp) if match.stamp else None
        time = now if seconds is None else seconds
        return Offence(time, match.address, match.rule, 1.0, text(match.source[:MAX_EVIDENCE]))


def all_filters(
    jails: Iterable[JailOptions], mode: str = "", own: frozenset[Address] = NOBODY
) -> dict[str, LoadedFilter]:
    """The filters of those jails that have one, by the jails' names; `mode` as in `[mode=...]`."""
    return {jail.name: LoadedFilter(load(jail.filter, mode), own) for jail in jails if jail.filter}


def usable_filters(
    jails: Iterable[JailOptions], own: frozenset[Address]
) -> tuple[dict[str, LoadedFilter], list[str]]:
    """The filters that can be used, by their jails' names, and sentences about jails that are off without."""
    found: dict[str, LoadedFilter] = {}
    troubles: list[str] = []
    for jail in jails:
        try:
            found |= all_filters((jail,), own=own)
        except FilterError as error:
            troubles.append(f"the jail {jail.name} is off: {error}")
    return found, troubles
