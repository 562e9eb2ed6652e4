"""A filter of fail2ban as a jail uses it: what it finds becomes an offence when its address can be trusted.

Imported only where a jail has a filter: the engines take as long to import as much of the daemon.

Raises: FilterError, from loading.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from gatepost.ban.fail2ban.filter import Filter as Patterns
from gatepost.ban.fail2ban.filter import Match
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.trust import NOBODY, trusted
from gatepost.ban.offence import MAX_EVIDENCE, Offence
from gatepost.network import Address
from gatepost.wire.mail_event import text
from gatepost.wire.maillog import client_of
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


def load_filter(source: str, mode: str, own: frozenset[Address]) -> LoadedFilter:
    """The filter that `source` names, in a mode."""
    return LoadedFilter(load(source, mode), own)
