"""Patterns that RE2 cannot do, brought as near to it as can be without a change of what they match. Pure.

- What must not follow at the very end (`…failed:(?! Connection lost)`) is said without look-around, when it
  is a choice of plain texts: next comes a character that begins none of them, or begins one and leaves it.
- Where only some ways of a choice need look-around, lines that hold none of the texts that those ways need
  are matched by the other ways alone: the result is the same, and RE2 can do it.
"""

from collections.abc import Iterable, Iterator

import msgspec

from gatepost.ban.fail2ban.needed import Texts, needed
from gatepost.ban.fail2ban.octets import ALL
from gatepost.ban.fail2ban.tree import (
    Alt,
    At,
    Atomic,
    Back,
    Group,
    If,
    Look,
    Node,
    Octets,
    Pattern,
    Repeat,
    Seq,
)

Text = tuple[frozenset[int], ...]
"""A text, as the octets that may stand in each place."""

MAX_TEXTS = 40
MAX_LENGTH = 64


class Core(msgspec.Struct, frozen=True):
    """The ways of a pattern that RE2 can do."""

    pattern: Pattern
    unless: Texts
    """A text that holds one of these, in whatever case, is a matter for the whole pattern."""


def without_end(pattern: Pattern) -> Pattern:
    """The pattern, with what must not follow at its end said in another way, when that can be done."""
    tree = pattern.tree
    if not isinstance(tree, Seq) or not tree.parts:
        return pattern
    last = tree.parts[-1]
    if not isinstance(last, Look) or last.behind or not last.negative:
        return pattern
    texts = _texts(last.what)
    other = None if texts is None else _none_of(texts)
    if other is None:
        return pattern
    return msgspec.structs.replace(pattern, tree=Seq((*tree.parts[:-1], Group(other))))


def _texts(node: Node) -> list[Text] | None:
    """The plain texts that a tree means; None when it means more than a few."""
    match node:
        case Group(what):
            return _texts(what)
        case Octets(octets):
            return [(octets,)]
        case Alt(ways):
            found = [_texts(way) for way in ways]
            texts = [text for some in found if some is not None for text in some]
            return texts if None not in found and len(texts) <= MAX_TEXTS else None
        case Seq(parts):
            return _in_order(_texts(part) for part in parts)
    return None


def _in_order(parts: Iterable[list[Text] | None]) -> list[Text] | None:
    texts: list[Text] = [()]
    for part in parts:
        if part is None or len(texts) * len(part) > MAX_TEXTS:
            return None
        texts = [before + after for before in texts for after in part]
        if max(map(len, texts), default=0) > MAX_LENGTH:
            return None
    return texts


def _none_of(texts: list[Text]) -> Node | None:
    """What comes next when none of the texts does; None when there is nothing such."""
    if not texts or not all(texts):
        return None
    began = frozenset[int]().union(*(text[0] for text in texts))
    ways: list[Node] = [Octets(ALL - began)] if began != ALL else []
    ways.append(At("Z"))
    for octets, going_on in _by_first(texts):
        after = _none_of(going_on)
        if after is not None:
            ways.append(Seq((Octets(octets), Group(after))))
    return Alt(tuple(ways))


def _by_first(texts: list[Text]) -> Iterator[tuple[frozenset[int], list[Text]]]:
    """Octets that go on with the same texts, and what is left of these."""
    found: dict[tuple[int, ...], set[int]] = {}
    for octet in sorted(frozenset[int]().union(*(text[0] for text in texts))):
        going_on = tuple(number for number, text in enumerate(texts) if octet in text[0])
        found.setdefault(going_on, set()).add(octet)
    for numbers, octets in found.items():
        yield frozenset(octets), [texts[number][1:] for number in numbers]


def core(pattern: Pattern) -> Core | None:
    """The ways that RE2 can do, and when they are all that there is; None when they never are."""
    unless: set[bytes] = set()
    tree = _pruned(pattern.tree, unless)
    if tree is None or not unless:
        return None
    return Core(Pattern(tree, tuple(_names(tree)), frozenset()), frozenset(unless))


def _pruned(node: Node, unless: set[bytes]) -> Node | None:
    """The tree without ways that need more than RE2; None when nothing is left of it."""
    match node:
        case Look() | Atomic() | Back() | If() | Repeat(kind="possessive"):
            return None
        case Group(what, name, number):
            inner = _pruned(what, unless)
            return None if inner is None else Group(inner, name, number)
        case Repeat(what, least, most, kind):
            inner = _pruned(what, unless)
            return None if inner is None else Repeat(inner, least, most, kind)
        case Seq(parts):
            kept = [_pruned(part, unless) for part in parts]
            return Seq(tuple(part for part in kept if part is not None)) if None not in kept else None
        case Alt(ways):
            return _pruned_ways(ways, unless)
    return node


def _pruned_ways(ways: Iterable[Node], unless: set[bytes]) -> Node | None:
    kept: list[Node] = []
    for way in ways:
        within: set[bytes] = set()
        left = _pruned(way, within)
        if left is not None:
            unless |= within
            kept.append(left)
            continue
        texts = needed(way)
        if texts is None:
            return None
        unless |= texts
    return Alt(tuple(kept)) if kept else None


def _names(node: Node) -> Iterator[str]:
    """Names of groups, in the order in which they open."""
    match node:
        case Group(what, name):
            if name:
                yield name
            yield from _names(what)
        case Repeat(what):
            yield from _names(what)
        case Seq(parts) | Alt(parts):
            for part in parts:
                yield from _names(part)
