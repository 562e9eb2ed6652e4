"""What can be set about public lists.

What cannot be meant is refused when options are read (ValueError, a sentence
for people). What can be seen only later, a key file or two lists of one name,
is told by `dnslist.resolve`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gatepost.address import MAX_NAME, name_fault, normal_domain
from gatepost.dnslist import definition
from gatepost.dnslist.lists import TRUST
from gatepost.dnslist.notation import parse
from gatepost.options import Duration, Options

_NAME = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_MAX_ZONE = MAX_NAME - 2 * 64
"""Leaves room for an IPv6 address in nibbles and a key."""


def _check_zone(text: str) -> None:
    zone = normal_domain(text.strip())
    if len(zone) > _MAX_ZONE or "." not in zone or name_fault(zone):
        raise ValueError(f'zone: "{text}" is no zone of a list; write for example "zen.spamhaus.org"')
    if keyed := definition.key_in_zone(zone):
        raise ValueError(f'zone: give "{keyed}", and the key by key_file or key_env, so that it never shows')
    if reason := definition.why_dead(zone):
        raise ValueError(f"zone: {zone} is dead and must not be asked: {reason}")


def one_of(option: str, given: Iterable[str], possible: Sequence[str]) -> None:
    """Raise ValueError for the first value that is not possible."""
    for value in given:
        if value not in possible:
            allowed = ", ".join(f'"{p}"' for p in possible)
            raise ValueError(f'{option}: "{value}" is not possible here; possible: {allowed}')


def rule_part(text: str) -> str:
    """`text`, where it can be a part of a rule name; else ValueError."""
    if not _NAME.fullmatch(text):
        raise ValueError(f'name: "{text}" must be small letters, digits and "_", at most 32')
    return text


class ListOptions(Options, frozen=True):
    """One public list."""

    zone: str
    """The list's domain, for example `zen.spamhaus.org`. Codes, test entries and error answers of the
    lists in docs/lists.md are known; one that is dead is refused with the reason."""
    name: str = ""
    """Short name for rule names (`dnsbl.NAME.code`): small letters, digits and `_`. Empty: the known
    list's own, else the first part of the zone."""
    like: str = ""
    """Treat the zone as a copy of this known list, for example a mirror on an own name server."""
    answers: str = ""
    """Which answers count, in Postfix's notation: `127.0.0.[2..11]`. Empty: those of the known list; for
    one that is not known those in `codes`, else 127.0.0.2 alone, because what another answer means nobody
    said."""
    codes: dict[str, str] = msgspec.field(default_factory=dict)
    """Own names for answers, before those that are known: `"127.0.0.[4..7]" = "xbl"` makes the rule
    `dnsbl.NAME.xbl`. In an allow list with the trust: `"127.0.5.1" = "partner.low"`."""
    kinds: tuple[str, ...] = ()
    """What a list that is not known by name is asked about: `ip4`, `ip6`. Empty: both."""
    looks_at: tuple[str, ...] = ()
    """What is looked up: in `rhsbl` any of `helo`, `reverse` (the reverse name, even if it is not
    verified) and `sender` (all three by default); in `dnswl` `client` (default) and `sender`. A sender
    domain is only a claim: whoever forges one that is listed is excused like its owner."""
    key_file: str = ""
    """File that holds the key, for lists that need one: one line, readable by Gatepost, best by nobody
    else."""
    key_env: str = ""
    """Environment variable that holds the key, instead of a file."""
    test: bool = True
    """Whether the list holds the test entries of RFC 5782, section 5. With `false` only the opposite is
    tested: that it does not list everything."""
    min_trust: int = 1
    """Allow lists: the trust (1 low, 2 medium, 3 high) from which a listing excuses block lists and
    greylisting."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: says what is wrong, and what would be right.
        """
        _check_zone(self.zone)
        for pattern in (self.answers, *self.codes):
            if pattern:
                parse(pattern)
        if self.name:
            rule_part(self.name)
        one_of("kinds", self.kinds, ("ip4", "ip6", "name"))
        one_of("looks_at", self.looks_at, ("client", "helo", "reverse", "sender"))
        if not 1 <= self.min_trust < len(TRUST):
            raise ValueError("min_trust: expected 1, 2 or 3")
        if self.key_file and self.key_env:
            raise ValueError("key_file and key_env: give one of them")


class WatchOptions(Options, frozen=True):
    """How public lists are watched: by their test entries and by what they answer."""

    interval: Duration = Duration(1800)
    """Time between two tests of a list that is well: often enough to notice a list that dies, seldom
    enough to be no burden to it."""
    retry: Duration = Duration(60)
    """Time until a list that was put aside is tested again; doubles with each failure."""
    retry_most: Duration = Duration(3600)
    """The longest time between two tests of a list that is put aside."""
    window: Duration = Duration(300)
    """Questions without an answer are counted over about this time."""
    unanswered_share: float = 0.5
    """A list is put aside when at least this share of its questions got no answer."""
    unanswered_least: int = 20
    """So many questions must have got no answer before the share is looked at."""
    start_wait: Duration = Duration(3)
    """The daemon waits at most so long for the first tests before it listens. A list that has not
    answered by then is believed meanwhile: its error answers never count, tested or not."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: an option has no meaning.
        """
        for name in ("interval", "retry", "retry_most", "window"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected more than no time at all")
        if not 0 < self.unanswered_share <= 1:
            raise ValueError("unanswered_share: expected a number above 0, at most 1")
        if self.unanswered_least < 1:
            raise ValueError("unanswered_least: expected at least 1")


DEFAULTS: Mapping[str, tuple[ListOptions, ...]] = {
    "dnsbl": (ListOptions(zone="zen.spamhaus.org"),),
    "rhsbl": (ListOptions(zone="dbl.spamhaus.org"),),
    "dnswl": (ListOptions(zone="list.dnswl.org"),),
}
"""The lists in use where a section does not stand in the configuration."""
