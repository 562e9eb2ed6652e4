"""A pattern as a tree. Pure values."""

from typing import Literal as Kind

import msgspec


class Octets(msgspec.Struct, frozen=True, gc=False):
    """One octet out of a set."""

    octets: frozenset[int]


class Seq(msgspec.Struct, frozen=True):
    """One after the other."""

    parts: tuple["Node", ...]


class Alt(msgspec.Struct, frozen=True):
    """One of these, the first that leads to a match."""

    ways: tuple["Node", ...]


class Repeat(msgspec.Struct, frozen=True):
    """Again and again; `most` None: without end."""

    what: "Node"
    least: int
    most: int | None
    kind: Kind["greedy", "lazy", "possessive"] = "greedy"


class Group(msgspec.Struct, frozen=True):
    """A group; without name and number it only holds together."""

    what: "Node"
    name: str = ""
    number: int = 0


class Look(msgspec.Struct, frozen=True):
    """What must stand, or must not stand, before or behind."""

    what: "Node"
    behind: bool
    negative: bool


class Atomic(msgspec.Struct, frozen=True):
    """What was matched is not given back."""

    what: "Node"


class Back(msgspec.Struct, frozen=True, gc=False):
    """The same text as a group."""

    to: str


class If(msgspec.Struct, frozen=True):
    """One thing when a group took part, else another."""

    group: str
    yes: "Node"
    no: "Node"


class At(msgspec.Struct, frozen=True, gc=False):
    """A place: `^` `$` `A` `Z` `b` `B`; `m^` and `m$` at each line."""

    place: str


Node = Octets | Seq | Alt | Repeat | Group | Look | Atomic | Back | If | At


class Pattern(msgspec.Struct, frozen=True):
    """A whole pattern."""

    tree: Node
    names: tuple[str, ...]
    """Of its named groups, in order."""
    referred: frozenset[str]
    """Names and numbers of groups that something refers to."""


def written_out(node: Node) -> int:
    """How many single things `node` has when its repetitions are written out, as engines do."""
    match node:
        case Seq(parts) | Alt(parts):
            return 1 + sum(map(written_out, parts))
        case Repeat(what, least, most):
            return written_out(what) * max(1, least if most is None else most)
        case Group(what) | Look(what) | Atomic(what):
            return written_out(what)
        case If(_, yes, no):
            return written_out(yes) + written_out(no)
    return 1
