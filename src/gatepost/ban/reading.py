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
from gatepost.wire.mail_event import Event, Kind, text
from gatepost.wire.maillog import Parser

SAME_TRY = 60.0
"""Seconds after a failure in which hanging up belongs to it: a process serves one client after another."""
MAILS = 10_000
"""Refused mails remembered, so that each counts once; and references that were met."""
SAME_MAIL = 10.0
"""Seconds between two refusals of one mail at most: no line tells a mail of a sender from his next."""
MOST_REFUSED = 20
"""Refusals of one mail at most: after so many errors Postfix hangs up (smtpd_hard_error_limit)."""
_RECIPIENT = re.compile(rb" to=<([^>]{0,320})")
_REFERENCE = re.compile(rb"\(ref ([A-Z2-9]{8})\); (?:from|to|proto)")


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Something met in a line."""

    number: int
    """Of the line, from 0, among those read together."""
    offence: Offence | None
    login: str = ""
    """An address from where somebody authenticated himself."""


class _Mail(msgspec.Struct, gc=False):
    """A mail that was refused: when last, and for whom."""

    last: float
    recipients: list[bytes]


class Filter(Protocol):
    """A filter of somebody else's: finds offences in lines by itself."""

    def offences(self, lines: Sequence[bytes], now: float) -> Iterator[tuple[int, Offence]]:
        """What it finds in whole lines, with the number of the line, from 0."""
        ...

    def told(self) -> dict[str, object]:
        """How it does, for people."""
        ...


class RuleReader:
    """Our own rules, asked about lines."""

    def __init__(
        self,
        book: Rulebook,
        now: float,
        gave: Callable[[str, str], bool] = lambda _, __: False,
        rules: Sequence[str] = ("*",),
    ) -> None:
        """Ask `book`.

        Args:
            book: the rules.
            now: seconds since 1970, see `wire.syslog.Stamps`.
            gave: whether we gave this reference to a refusal of this client, which is counted elsewhere then.
            rules: patterns over names of rules; others are left out.
        """
        self._book = book
        self._gave = gave
        self.parser = Parser(now)
        self._kinds = book.wanted
        self._mails: OrderedDict[tuple[str, bytes], _Mail] = OrderedDict()
        self._failed: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._met: OrderedDict[str, None] = OrderedDict()
        self._wanted = lru_cache(256)(lambda name: any(fnmatchcase(name, pattern) for pattern in rules))

    def read(self, block: bytes) -> Iterator[Seen]:
        """What a block of whole lines shows."""
        match = self._book.match
        for number, begin, end, event in self.parser.scan(block, self._kinds):
            if event.kind is Kind.LOGIN:
                yield Seen(number, None, event.address)
                continue
            rule = match(event)
            if rule is not None and not rule.weight:
                continue
            if event.kind is Kind.AUTH_TROUBLE or (event.kind is Kind.AUTH_FAILED and rule):
                self._note(event)
            if rule is not None and self._wanted(rule.name) and self._is_new(rule, event):
                yield Seen(number, _offence(rule, event, block[begin : min(end, begin + MAX_EVIDENCE)]))

    def _is_new(self, rule: BanRule, event: Event) -> bool:
        """Whether it is to be counted here: not what we refused ourselves, and some things once a mail."""
        if event.kind is not Kind.REJECT:
            return not self._is_told(event)
        if self._is_ours(event):
            return False
        return not (rule.once_per_mail and event.mail) or self._is_another_mail(event)

    def _is_told(self, event: Event) -> bool:
        """Whether a client hung up in AUTH after a failure that was counted, or that was our own."""
        if event.kind is not Kind.LOST:
            return False
        address, time = self._failed.pop(event.mail, ("", 0.0))
        return address == event.address and 0 <= event.time - time <= SAME_TRY

    def _note(self, event: Event) -> None:
        if event.mail:
            self._failed[event.mail] = (event.address, event.time)
            if len(self._failed) > MAILS:
                self._failed.popitem(last=False)

    def _is_ours(self, event: Event) -> bool:
        """Whether we refused that ourselves.

        Each reference stands in one line. A client is told it, and might write it into others of its own.
        """
        given = _REFERENCE.search(event.reason)
        reference = given[1].decode("ascii") if given else ""
        if not given or reference in self._met or not self._gave(reference, event.address):
            return False
        self._met[reference] = None
        if len(self._met) > MAILS:
            self._met.popitem(last=False)
        return True

    def _is_another_mail(self, event: Event) -> bool:
        key = (event.address, event.mail)
        found = _RECIPIENT.search(event.reason)
        recipient = found[1] if found else b""
        known = self._mails.pop(key, None)
        if known is None or _is_over(known, event, recipient):
            self._mails[key] = _Mail(event.time, [recipient])
            if len(self._mails) > MAILS:
                self._mails.popitem(last=False)
            return True
        known.last = event.time
        known.recipients.append(recipient)
        self._mails[key] = known
        return False


def _is_over(mail: _Mail, event: Event, recipient: bytes) -> bool:
    """Whether that mail was another one: a client may use one sender, and a process many times."""
    return (
        event.command == "END-OF-MESSAGE"
        or not 0 <= event.time - mail.last <= SAME_MAIL
        or len(mail.recipients) >= MOST_REFUSED
        or recipient in mail.recipients
    )


def _offence(rule: BanRule, event: Event, line: bytes) -> Offence:
    return Offence(event.time, event.address, rule.name, rule.weight * event.count, text(line))
