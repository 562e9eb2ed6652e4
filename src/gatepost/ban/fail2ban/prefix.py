"""`prefregex`: what all failures begin with. It is asked first, and gives the rest to the others. Pure.

Raises: FilterError.
"""

import msgspec

from gatepost.ban.fail2ban.addresses import with_groups
from gatepost.ban.fail2ban.engine import Compiled, Groups, Late
from gatepost.ban.fail2ban.needed import Texts, needed
from gatepost.ban.fail2ban.octets import ALL, NEWLINE
from gatepost.ban.fail2ban.syntax import read
from gatepost.ban.fail2ban.tree import At, Group, Octets, Pattern, Repeat, Seq

CONTENT = "content"
_ANY = Octets(ALL - NEWLINE)


class Prefix:
    """One prefregex."""

    def __init__(self, text: str) -> None:
        """Raises FilterError."""
        pattern = read(with_groups(text))
        shorter = _without_content(pattern)
        self._compiled = Compiled(shorter or pattern)
        self._to_the_end = shorter is not None
        self.names = self._compiled.names
        self.needs: Texts | None = needed(pattern.tree)
        self.linear = self._compiled.linear

    def search(self, text: bytes, late: Late) -> tuple[Groups, bytes] | None:
        """Its groups, and the text that the other patterns look at; None when it does not match."""
        found = self._compiled.find(text, late)
        if found is None:
            return None
        groups, end = found
        if self._to_the_end:
            return groups, text[end - 1 :]
        content = groups.pop(CONTENT, None)
        return groups, content + b"\n" if content else text


def _without_content(pattern: Pattern) -> Pattern | None:
    """The pattern up to the first character of its content, where that is all the rest of the line.

    Where the content begins does not depend on the rest then, and what is shorter is found sooner.
    """
    tree = pattern.tree
    if not isinstance(tree, Seq):
        return None
    match tree.parts:
        case (*parts, Group(Repeat(what, 1, None, "greedy"), name), At("$")) if (
            name == CONTENT and what == _ANY
        ):
            names = tuple(one for one in pattern.names if one != CONTENT)
            return msgspec.structs.replace(pattern, tree=Seq((*parts, _ANY)), names=names)
    return None
