"""What is known of public lists: the living ones with their codes and terms, the dead ones with the reason.

The knowledge is data, in `known.toml` beside this file. A fact that is not
known for certain is not in it. Test entries are those of RFC 5782, section 5,
unless a list says otherwise.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from gatepost.address import normal_domain

ERROR_ANSWERS = "127.255.255.[0..255]"
"""Answers by which lists say that they refuse to answer; for every list, beside its own."""

LISTED = {"ip4": ("127.0.0.2",), "ip6": ("::ffff:7f00:2",), "name": ("test",)}
UNLISTED = {"ip4": ("127.0.0.1",), "ip6": ("::ffff:7f00:1",), "name": ("invalid",)}
"""RFC 5782, section 5: entries that a list must hold, and must not hold, by what it is asked about."""


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one answer of a list, or several, mean."""

    name: str
    """Last part of the rule name (`xbl`); for allow lists the category before the trust."""
    says: str
    """One sentence: what is so when the list gives this answer."""
    answers: str = ""
    """Pattern of the answers; empty where `bit` tells."""
    bit: int = 0
    """For lists whose last octet is a sum: this bit of it."""
    trust: int | None = None
    """Allow lists: how far the list trusts the sender, 0 to 3; None: as the last octet of the answer says."""


class ErrorAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer by which a list says that it does not answer."""

    answers: str
    says: str


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One living list in one use of it."""

    zone: str
    purpose: str
    """The section it belongs into: `dnsbl`, `rhsbl` or `dnswl`."""
    name: str
    """Short, for rule names."""
    kinds: tuple[str, ...]
    """What it can be asked about: `ip4`, `ip6`, `name`."""
    operator: str
    site: str
    terms: str
    """One sentence: who may use it, and what must be done before."""
    delisting: str
    """Where somebody who is listed reads more and asks to be taken off."""
    key: bool = False
    """It answers only to a key, which stands in the name that is asked, before the zone."""
    answers: str = ""
    """Pattern of the answers that count; empty: those of `code`."""
    code: tuple[Code, ...] = ()
    error: tuple[ErrorAnswer, ...] = ()
    listed: tuple[str, ...] | None = None
    """Test entries it must hold; None: those of RFC 5782 for its kinds."""
    unlisted: tuple[str, ...] | None = None
    """Test entries it must not hold; None: those of RFC 5782 for its kinds."""
    note: str = ""
    """What else an administrator should know."""

    def must_list(self) -> tuple[str, ...]:
        """The entries that prove it alive."""
        return rfc5782(LISTED, self.kinds) if self.listed is None else self.listed

    def must_not_list(self) -> tuple[str, ...]:
        """The entries that prove it sane."""
        return rfc5782(UNLISTED, self.kinds) if self.unlisted is None else self.unlisted


class Dead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list that must not be asked any more."""

    zones: tuple[str, ...]
    """`list.example`; `*.list.example` is the domain and all below it."""
    reason: str

    def covers(self, zone: str) -> bool:
        """Whether `zone`, in lower case, is one of these."""
        return any(
            zone == pattern.removeprefix("*.") or (pattern.startswith("*.") and zone.endswith(pattern[1:]))
            for pattern in self.zones
        )


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    list: tuple[Definition, ...]
    dead: tuple[Dead, ...]


def rfc5782(entries: Mapping[str, tuple[str, ...]], kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The entries of RFC 5782 that belong to these kinds."""
    return tuple(entry for kind in kinds for entry in entries[kind])


@cache
def _known() -> _Known:
    text = resources.files(__package__).joinpath("known.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Known)


def living() -> tuple[Definition, ...]:
    """Every living list that is known."""
    return _known().list


def dead() -> tuple[Dead, ...]:
    """Every dead list that is known."""
    return _known().dead


def find(zone: str, purpose: str) -> Definition | None:
    """What is known of the list at `zone` in this use."""
    zone = normal_domain(zone)
    return next((d for d in living() if d.zone == zone and d.purpose == purpose), None)


def key_in_zone(zone: str) -> str:
    """The known zone before which a key stands (`KEY.zen.dq.spamhaus.net`); empty when none does."""
    zone = normal_domain(zone)
    return next((d.zone for d in living() if d.key and zone.endswith(f".{d.zone}")), "")


def why_dead(zone: str) -> str:
    """Why the list at `zone` must not be asked, a sentence; empty when nothing is known against it."""
    zone = normal_domain(zone)
    return next((entry.reason for entry in dead() if entry.covers(zone)), "")
