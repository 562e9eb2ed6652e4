"""A tree written again as a pattern: for RE2, or for the library regex. Pure.

Groups without a name are only counted where something refers to them: a match costs
less with fewer of them.

Raises: NotLinearError.
"""

from gatepost.ban.fail2ban.octets import octet, written
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


class NotLinearError(ValueError):
    """RE2 cannot do this; the text says what."""


def for_re2(pattern: Pattern) -> str:
    """For RE2, where time is linear in the text. Raises NotLinearError."""
    return _Writer(frozenset(), linear=True).write(pattern.tree)


def roughly_for_re2(pattern: Pattern) -> str:
    """For RE2, with all left out that it cannot do: finds what the pattern finds, and more."""
    return _Rough(frozenset(), linear=True).write(pattern.tree)


def for_regex(pattern: Pattern) -> str:
    """For regex, which can do all of it."""
    return _Writer(pattern.referred, linear=False).write(pattern.tree)


# What is looked at ends with its one newline: there "at the end" is "at the end of a line", which RE2 has.
_PLACES = {
    "^": r"\A",
    "A": r"\A",
    "m^": "(?m:^)",
    "$": "$",
    "m$": "(?m:$)",
    "Z": r"\Z",
    "b": r"\b",
    "B": r"\B",
}
_PLACES_RE2 = _PLACES | {"$": "(?m:$)", "Z": r"\z"}
_KINDS = {"greedy": "", "lazy": "?", "possessive": "+"}


class _Writer:
    def __init__(self, referred: frozenset[str], *, linear: bool) -> None:
        self._referred = referred
        self._linear = linear
        self._places = _PLACES_RE2 if linear else _PLACES

    def write(self, node: Node) -> str:
        match node:
            case Octets(octets):
                return octet(next(iter(octets))) if len(octets) == 1 else written(octets)
            case Seq(parts):
                return "".join(f"(?:{self.write(p)})" if isinstance(p, Alt) else self.write(p) for p in parts)
            case Alt(ways):
                return "|".join(self.write(way) for way in ways)
            case Repeat():
                return self._repeat(node)
            case Group(what, name, number):
                return f"({self._naming(name, number)}{self.write(what)})"
            case At(place):
                return self._places[place]
            case _:
                return self._not_linear(node)

    def _naming(self, name: str, number: int) -> str:
        if name:
            return f"?P<{name}>"
        return f"?P<_{number}>" if str(number) in self._referred else "?:"

    def _repeat(self, node: Repeat) -> str:
        if node.kind == "possessive" and self._linear:
            raise NotLinearError("a possessive repetition")
        what = self.write(node.what)
        counts = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((node.least, node.most))
        if counts is None:
            counts = f"{{{node.least},{'' if node.most is None else node.most}}}"
        one = isinstance(node.what, Octets | Group)
        return f"{what if one else f'(?:{what})'}{counts}{_KINDS[node.kind]}"

    def _not_linear(self, node: Node) -> str:
        match node:
            case Look(what, behind, negative):
                self._refuse("look-around")
                return f"(?{'<' if behind else ''}{'!' if negative else '='}{self.write(what)})"
            case Atomic(what):
                self._refuse("an atomic group")
                return f"(?>{self.write(what)})"
            case Back(to):
                self._refuse("a reference to a group")
                return f"(?P={_group_name(to)})"
            case If(group, yes, no):
                self._refuse("a condition")
                return f"(?({_group_name(group)}){self._way(yes)}|{self._way(no)})"
        raise TypeError(node)

    def _way(self, node: Node) -> str:
        return f"(?:{self.write(node)})" if isinstance(node, Alt) else self.write(node)

    def _refuse(self, what: str) -> None:
        if self._linear:
            raise NotLinearError(what)


def _group_name(to: str) -> str:
    return f"_{to}" if to.isdigit() else to


class _Rough(_Writer):
    def _repeat(self, node: Repeat) -> str:
        return super()._repeat(Repeat(node.what, node.least, node.most))

    def _not_linear(self, node: Node) -> str:
        match node:
            case Atomic(what):
                return f"(?:{self.write(what)})"
            case Back():
                return r"[\x00-\xff]*"
            case If(_, yes, no):
                return f"(?:{self.write(yes)}|{self.write(no)})"
        return "(?:)"  # what must stand around takes no characters
