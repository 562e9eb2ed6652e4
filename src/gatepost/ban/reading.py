"""From log lines to offences: what each jail makes of them. Pure.

A line is parsed once for all jails that use our own rules; a jail with a filter
of its own looks at the lines itself. Whose logins were met is told as well.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Protocol

import msgspec

from gatepost.ban.offence import MAX_EVIDENCE, Offence
from gatepost.ban.rule import BanRule, Rulebook
from gatepost.wire.maillog import Event, Kind, Parser, text

MAILS = 10_000
"""Refused mails remembered, so that each counts once."""
_REFERENCE = re.compile(rb"\(ref ([A-Z2-9]{8})\); (?:from|to|proto)")


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Something met in a line."""

    number: int
    """Of the line, from 0, among those read together."""
    offence: Offence | None
    login: str = ""
    """An address from where somebody authenticated himself."""


class Filter(Protocol):
    """A filter of somebody else's: finds offences in lines by itself."""

    def offences(self, lines: Sequence[bytes], now: float) -> Iterator[tuple[int, Offence]]:
        """What it finds in whole lines, with the number of the line, from 0."""
        ...


class RuleReader:
    """Our own rules, asked about lines."""

    def __init__(
        self,
        book: Rulebook,
        now: float,
        gave: Callable[[str], bool] = lambda _: False,
        rules: Sequence[str] = ("*",),
    ) -> None:
        """Ask `book`.

        Args:
            book: the rules.
            now: seconds since 1970, see `wire.syslog.Stamps`.
            gave: whether a reference is one that we gave to a refusal, which is counted elsewhere then.
            rules: patterns over names of rules; others are left out.
        """
        self._book = book
        self._gave = gave
        self.parser = Parser(now)
        self._kinds = book.wanted
        self._mails: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._failed: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        """Sessions in which a password was wrong."""
        self._wanted = lru_cache(256)(lambda name: any(fnmatchcase(name, pattern) for pattern in rules))

    def read(self, block: bytes) -> Iterator[Seen]:
        """What a block of whole lines shows."""
        match = self._book.match
        for number, begin, end, event in self.parser.scan(block, self._kinds):
            if event.kind is Kind.LOGIN:
                yield Seen(number, None, event.address)
                continue
            rule = match(event)
            if rule is not None and self._wanted(rule.name) and self._is_new(rule, event):
                yield Seen(number, _offence(rule, event, block[begin : min(end, begin + MAX_EVIDENCE)]))

    def _is_new(self, rule: BanRule, event: Event) -> bool:
        """Whether it is to be counted here: not what we refused ourselves, and some things once a mail."""
        if event.kind is not Kind.REJECT:
            return self._is_new_try(event)
        given = _REFERENCE.search(event.reason)
        if given is not None and self._gave(given[1].decode("ascii")):
            return False
        if not rule.once_per_mail or not event.mail:
            return True
        key = (event.address, event.mail)
        if key in self._mails:
            return False
        _remember(self._mails, key)
        return True

    def _is_new_try(self, event: Event) -> bool:
        """Who hangs up after his password was wrong tried one password, not two."""
        key = (event.address, event.mail)
        if event.kind is Kind.AUTH_FAILED and event.mail:
            _remember(self._failed, key)
        elif event.kind is Kind.LOST and event.command == "AUTH":
            return self._failed.pop(key, False) is False
        return True


def _remember(known: OrderedDict[tuple[str, bytes], None], key: tuple[str, bytes]) -> None:
    known[key] = None
    if len(known) > MAILS:
        known.popitem(last=False)


def _offence(rule: BanRule, event: Event, line: bytes) -> Offence:
    return Offence(event.time, event.address, rule.name, rule.weight * event.count, text(line))
