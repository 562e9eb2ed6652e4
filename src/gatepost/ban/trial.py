"""What jails would have made of an old log: the same rules, windows and lengths, and nobody is banned. Pure.

While a ban would have lasted its network would not have come through, so what
stands in the log of that time is no further offence.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gatepost.ban.blocks import Lines
from gatepost.ban.jail import Jail
from gatepost.ban.justice import Justice
from gatepost.ban.offence import Offence
from gatepost.ban.options import BanOptions
from gatepost.ban.reading import Filter, RuleReader
from gatepost.ban.rule import Rulebook
from gatepost.ban.table import BanTable, one_form
from gatepost.ban.track import Sentence, reason
from gatepost.network import known_address, parse_network
from gatepost.store.base import Ban


class Met(msgspec.Struct, frozen=True, gc=False):
    """An offence in the log."""

    line: int
    """From 1, in its file."""
    jail: str
    offence: Offence
    spared: str = ""
    """Why it would not have counted; empty when it would."""


class Trial:
    """Judges the lines of old logs, one block after the other."""

    def __init__(
        self,
        jails: Sequence[Jail],
        book: Rulebook,
        filters: Mapping[str, Filter],
        justice: Justice,
        terms: BanOptions,
    ) -> None:
        """Judge by `jails`: those without an entry in `filters` by the rules in `book`."""
        self.bans: list[Ban] = []
        self.logins = 0
        self._jails = jails
        self._book = book
        self._filters = filters
        self._justice = justice
        self._terms = terms
        self._table = BanTable()
        self._reader = RuleReader(book, 0.0)
        self._times: dict[str, Ban] = {}

    def begin(self, now: float) -> None:
        """A file begins that was written to last at `now`, in seconds since 1970."""
        self._reader = RuleReader(self._book, now)
        self._now = now

    def read(self, first: int, lines: Lines) -> Iterator[Met]:
        """What some whole lines show, the first of which has that number; `bans` grows."""
        found = [*self._by_rules(lines), *self._by_filters(lines)]
        if len(self._jails) > 1:
            found.sort(key=lambda one: one[0])
        for number, jail, offence in found:
            yield Met(first + number, jail.name, offence, self._judge(jail, offence))

    def _by_rules(self, lines: Lines) -> Iterator[tuple[int, Jail, Offence]]:
        jails = [jail for jail in self._jails if jail.name not in self._filters]
        if not jails:
            return
        for seen in self._reader.read(lines.block):
            if seen.offence is None:
                self.logins += 1
                self._justice.trust(seen.login, "login", self._now)
                for jail in jails:
                    jail.track.forgive(seen.login)
                continue
            for jail in jails:
                if jail.wants(seen.offence.rule):
                    yield seen.number, jail, seen.offence

    def _by_filters(self, lines: Lines) -> Iterator[tuple[int, Jail, Offence]]:
        for jail in self._jails:
            if (found := self._filters.get(jail.name)) is not None:
                for number, offence in found.offences(lines, self._now):
                    yield number, jail, offence

    def _judge(self, jail: Jail, offence: Offence) -> str:
        address = known_address(offence.address)
        if address is None:
            return "no address"
        if self._table.covering(address, offence.time) is not None:
            return "banned already"
        if why := self._justice.spares(address, self._now):
            return why
        if jail.ignores(address):
            return "excepted by its jail"
        for sentence in jail.track.offend(offence):
            self._ban(jail, sentence)
        return ""

    def _ban(self, jail: Jail, sentence: Sentence) -> None:
        network = parse_network(sentence.network)
        if network is None or self._justice.forbids(network, self._now):
            return
        name = one_form(sentence.network)
        before = self._times.get(name)
        again = before is not None and sentence.time - (before.until or 0) <= self._terms.forget
        times = before.times + 1 if before is not None and again else 1
        ban = Ban(
            network=name,
            since=sentence.time,
            until=sentence.time + jail.length(times),
            reason=reason(sentence, jail.findtime),
            origin=f"jail {jail.name}",
            offences=sentence.offences,
            times=times,
            evidence=sentence.evidence,
        )
        self._times[name] = ban
        self._table.put(ban)
        self.bans.append(ban)
