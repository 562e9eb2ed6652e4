"""Which texts a line must hold before a pattern can match it: one search for all of them comes first. Pure.

Case does not count; all texts are in lower case.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from gatepost.ban.fail2ban.tree import Alt, At, Group, If, Look, Node, Octets, Repeat, Seq

Texts = frozenset[bytes]

_SIGNS = re.compile(rb"[^a-z ]")
_TORN = re.compile(rb"(?<=[^0-9a-z_])(?=[^0-9a-z_])")

MAX_TEXTS = 24
"""Texts of which one must be there: more are too many to tell anything."""
MAX_LENGTH = 24
MIN_LENGTH = 3
MAX_CHOICE = 4
"""Characters that may stand in one place of a text."""


class Needs(msgspec.Struct, frozen=True):
    """What is known of all that a tree matches."""

    exact: Texts | None = None
    """It is one of these; None: it can be much else."""
    one_of: Texts | None = None
    """It holds one of these; None: it need not hold anything."""

    @property
    def best(self) -> Texts | None:
        """The better of the two."""
        return better(self.one_of, self.exact)


NOTHING = Needs()
NO_TEXT: Texts = frozenset((b"",))
EMPTY = Needs(exact=NO_TEXT)


def needed(node: Node) -> Texts | None:
    """Texts of which one stands in all that the tree matches; None when none can be told."""
    best = _needs(node).best
    return best if best is not None and _worth(best)[0] >= MIN_LENGTH else None


def whole(texts: Texts | None) -> Texts | None:
    """Of each text the longest part that no stamp can have torn in two.

    Where a stamp was cut out, what is left of it ends, and what is right of it begins, with no word.
    """
    if texts is None:
        return None
    parts = frozenset(max(_TORN.split(text), key=len) for text in texts)
    return parts if _worth(parts)[0] >= MIN_LENGTH else None


def better(one: Texts | None, other: Texts | None) -> Texts | None:
    """That which fewer lines hold, as well as that can be told: long texts, and few of them."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other, key=_worth)


def _worth(texts: Texts) -> tuple[int, int]:
    return (min(map(_weight, texts), default=0), -len(texts))


@lru_cache(maxsize=4096)
def _weight(text: bytes) -> int:
    """How rare a text is: signs and digits tell more than letters."""
    signs = len(_SIGNS.findall(text))
    return len(text.strip()) + signs if len(text.strip()) >= MIN_LENGTH else 0


def _needs(node: Node) -> Needs:
    match node:
        case Octets(octets):
            return _one(octets)
        case Group(what):
            return _needs(what)
        case Seq(parts):
            return _in_order(_needs(part) for part in parts)
        case Alt(ways):
            return _either([_needs(way) for way in ways])
        case If(_, yes, no):
            return _either([_needs(yes), _needs(no)])
        case Repeat():
            return _repeated(node)
        case Look(what, _, negative):
            return Needs(exact=NO_TEXT, one_of=None if negative else _needs(what).best)
        case At():
            return EMPTY
        case _:  # of references nothing is known
            return NOTHING


def _one(octets: frozenset[int]) -> Needs:
    lower = {bytes((octet,)).lower() for octet in octets} if len(octets) <= 2 * MAX_CHOICE else set()
    return Needs(exact=frozenset(lower)) if 0 < len(lower) <= MAX_CHOICE else NOTHING


def _repeated(node: Repeat) -> Needs:
    if node.most == 0:
        return EMPTY
    inner = _needs(node.what)
    if node.least == 0:
        if node.most == 1 and inner.exact is not None:
            return Needs(exact=inner.exact | {b""})
        return NOTHING
    if node.least == node.most and node.least <= MAX_CHOICE:
        return _in_order(inner for _ in range(node.least))
    return Needs(one_of=inner.best)


def _either(ways: list[Needs]) -> Needs:
    exact = [way.exact for way in ways if way.exact is not None]
    if len(exact) == len(ways):
        joined = frozenset().union(*exact)
        return Needs(exact=joined) if len(joined) <= MAX_TEXTS else NOTHING
    best = [way.best for way in ways]
    texts: set[bytes] = set()
    for one in best:
        if one is None or b"" in one:
            return NOTHING
        texts |= one
    return Needs(one_of=frozenset(texts)) if len(texts) <= MAX_TEXTS else NOTHING


def _in_order(parts: Iterable[Needs]) -> Needs:
    running: Texts | None = NO_TEXT
    found: Texts | None = None
    whole = True
    for part in parts:
        joined = _joined(running, part.exact)
        found = better(found, part.one_of)
        if joined is None:
            whole = False
            found = better(better(found, running), part.exact)
        running = joined if joined is not None else part.exact
        if running is None:
            running = NO_TEXT
    return Needs(running, found) if whole else Needs(one_of=better(found, running))


def _joined(before: Texts | None, after: Texts | None) -> Texts | None:
    if before is None or after is None or len(before) * len(after) > MAX_TEXTS:
        return None
    joined = frozenset(a + b for a in before for b in after)
    return joined if max(map(len, joined)) <= MAX_LENGTH else None
