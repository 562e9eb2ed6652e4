r"""Python's regular expressions, read into a tree (docs.python.org, "re"). Pure.

Reading them ourselves lets each pattern be written for the engine that can do it, and tells
which texts a line must hold before a pattern need be asked at all.

Flags hold to the end of the group in which they stand, and where case does not count the tree has
both cases of each letter.

Raises: FilterError.
"""

from typing import NoReturn

from gatepost.ban.fail2ban.octets import ALL, CLASSES, NEWLINE
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
    written_out,
)
from gatepost.ban.fail2ban.trouble import FilterError

MAX_PATTERN = 32 * 1024
MAX_NESTING = 60
MAX_COUNT = 1000
"""Of a repetition in braces."""
MAX_WRITTEN_OUT = 1_000_000
"""Of all repetitions written out: each takes memory of the engine."""

_ESCAPES = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7, "0": 0}
_FLAGS = frozenset("aiLmsux-")


def read(text: str) -> Pattern:
    """The tree of a pattern."""
    pattern = _Reading(text).pattern()
    if written_out(pattern.tree) > MAX_WRITTEN_OUT:
        raise FilterError(f"repetitions of repetitions, more than {MAX_WRITTEN_OUT} things in all")
    return pattern


class _Reading:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.flags: set[str] = set()
        self.outer_flags: set[str] = set()
        self.names: list[str] = []
        self.numbers = 0
        self.referred: set[str] = set()
        self.nesting = 0
        if len(text) > MAX_PATTERN:
            self._fail(f"longer than {MAX_PATTERN} characters")

    def pattern(self) -> Pattern:
        tree = self._ways()
        if self.at < len(self.text):
            self._fail("a ) without (")
        unknown = self.referred - set(self.names) - {str(n) for n in range(1, self.numbers + 1)}
        if unknown:
            self._fail(f"a reference to the group {min(unknown)}, which is not there")
        return Pattern(tree, tuple(self.names), frozenset(self.referred))

    # --- what follows what ---

    def _ways(self) -> Node:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            self._fail(f"groups more than {MAX_NESTING} deep")
        ways = [self._sequence()]
        while self._take("|"):
            ways.append(self._sequence())
        self.nesting -= 1
        return ways[0] if len(ways) == 1 else Alt(tuple(ways))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if "x" in self.flags and self._remark():
                continue
            atom = self._atom()
            if atom is not None:
                parts.append(self._repeated(atom))
        return parts[0] if len(parts) == 1 else Seq(tuple(parts))

    def _remark(self) -> bool:
        """White space or a remark, where the flag `x` says that they are nothing."""
        if self.text[self.at].isspace():
            self.at += 1
            return True
        if self.text[self.at] == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
            return True
        return False

    def _repeated(self, atom: Node) -> Node:
        counts = self._counts()
        if counts is None:
            return atom
        if isinstance(atom, At):
            self._fail("a repetition of nothing")
        kind = "lazy" if self._take("?") else "possessive" if self._take("+") else "greedy"
        if self._counts() is not None:
            self._fail("a repetition of a repetition")
        return Repeat(atom, counts[0], counts[1], kind)  # type: ignore[arg-type]

    def _counts(self) -> tuple[int, int | None] | None:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        return self._braces() if self._peek("{") else None

    def _braces(self) -> tuple[int, int | None] | None:
        """`{2}` `{2,}` `{,2}` `{2,3}`; anything else in braces is only text."""
        end = self.text.find("}", self.at, self.at + 16)
        least, comma, most = self.text[self.at + 1 : end].partition(",") if end > 0 else ("", "", "")
        if not all(not n or (n.isascii() and n.isdigit()) for n in (least, most)) or not (least or comma):
            return None
        self.at = end + 1
        low = int(least or 0)
        high = int(most) if most else None if comma else low
        if low > MAX_COUNT or (high or 0) > MAX_COUNT or (high is not None and high < low):
            self._fail(f"a repetition of more than {MAX_COUNT}, or the wrong way round")
        return low, high

    # --- single things ---

    def _atom(self) -> Node | None:
        character = self.text[self.at]
        self.at += 1
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return Octets(ALL if "s" in self.flags else ALL - NEWLINE)
            case "^":
                return At("m^" if "m" in self.flags else "^")
            case "$":
                return At("m$" if "m" in self.flags else "$")
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                self._fail(f"a {character} with nothing before it")
        return self._literal(character)

    def _escape(self) -> Node:
        if self.at >= len(self.text):
            self._fail("a \\ at the end")
        character = self.text[self.at]
        if character in CLASSES:
            self.at += 1
            return Octets(CLASSES[character])
        if character in "AZbB":
            self.at += 1
            return At(character)
        if character in "123456789":
            return self._reference()
        return self._literal(self._escaped())

    def _reference(self) -> Back:
        start = self.at
        while self.at < len(self.text) and self.at < start + 2 and self.text[self.at] in "0123456789":
            self.at += 1
        number = self.text[start : self.at]
        self.referred.add(number)
        return Back(number)

    def _escaped(self) -> str:
        """The character that an escape stands for, in a class or outside of one."""
        character = self.text[self.at]
        self.at += 1
        if character in _ESCAPES:
            return chr(_ESCAPES[character])
        digits = {"x": 2, "u": 4, "U": 8}.get(character)
        if digits:
            return self._hexadecimal(digits)
        if character.isascii() and character.isalpha():
            self._fail(f"\\{character}, which means nothing")
        return character

    def _hexadecimal(self, digits: int) -> str:
        number = self.text[self.at : self.at + digits]
        self.at += digits
        if len(number) != digits or not all(c in "0123456789abcdefABCDEF" for c in number):
            self._fail("an escape that is no character")
        code = int(number, 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else self._fail("no character")

    # --- classes of characters ---

    def _class(self) -> Octets:
        negative = self._take("^")
        found: set[int] = set()
        first = True
        while first or not self._peek("]"):
            first = False
            if self.at >= len(self.text):
                self._fail("a [ without ]")
            found |= self._items()
        self.at += 1
        octets = self._cased(frozenset(found))  # before it is turned round
        octets = ALL - octets if negative else octets
        if not octets:
            self._fail("a class of no characters")
        return Octets(octets)

    def _cased(self, octets: frozenset[int]) -> frozenset[int]:
        """With both cases of letters, where case does not count."""
        if "i" not in self.flags:
            return octets
        return octets | {ord(chr(one).swapcase()) for one in octets if one < 128}

    def _items(self) -> set[int]:
        """One character, one range, or one class inside of a class."""
        low = self._item()
        if isinstance(low, frozenset):
            return set(low)
        if not self._peek("-") or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return set(low.encode("utf-8", "replace"))
        self.at += 1
        high = self._item()
        if isinstance(high, frozenset) or ord(high) < ord(low):
            self._fail("a range of characters the wrong way round")
        if ord(high) > 255:
            return set(range(ord(low), 256)) if ord(low) < 128 else set(range(128, 256))
        return set(range(ord(low), ord(high) + 1))

    def _item(self) -> str | frozenset[int]:
        character = self.text[self.at : self.at + 1]
        self.at += 1
        if character != "\\":
            return character or self._fail("a [ without ]")
        after = self.text[self.at : self.at + 1]
        if after in CLASSES:
            self.at += 1
            return CLASSES[after]
        if after == "b":
            self.at += 1
            return "\b"
        return self._escaped() if after else self._fail("a [ without ]")

    # --- groups ---

    def _group(self) -> Node | None:
        self.outer_flags = set(self.flags)
        before = self.outer_flags
        node = self._opened()
        self.flags = before if node is not None else self.outer_flags
        return node

    def _opened(self) -> Node | None:
        if not self._take("?"):
            self.numbers += 1
            number = self.numbers
            return Group(self._inside(), number=number)
        for sign, (behind, negative) in _LOOKS.items():
            if self._take(sign):
                return Look(self._inside(), behind, negative)
        if self._take(">"):
            return Atomic(self._inside())
        if self._take("#"):
            return self._comment()
        if self._take("("):
            return self._condition()
        return self._named() if self._take("P") else self._flagged()

    def _inside(self) -> Node:
        what = self._ways()
        if not self._take(")"):
            self._fail("a ( without )")
        return what

    def _comment(self) -> Node | None:
        end = self.text.find(")", self.at)
        if end < 0:
            self._fail("a ( without )")
        self.at = end + 1
        return None

    def _named(self) -> Node | None:
        if self._take("="):
            name = self._until(")")
            self.referred.add(name)
            return Back(name)
        if not self._take("<"):
            self._fail("(?P without a name")
        name = self._until(">")
        if not name.isidentifier() or not name.isascii():
            self._fail(f"a group named {name[:40]!r}")
        if name in self.names:
            self._fail(f"the group {name!r} twice (is there more than one address in it?)")
        self.names.append(name)
        self.numbers += 1
        number = self.numbers
        return Group(self._inside(), name, number)

    def _condition(self) -> Node:
        group = self._until(")")
        self.referred.add(group)
        what = self._inside()
        if isinstance(what, Alt):
            if len(what.ways) > 2:
                self._fail("a condition with more than two ways")
            return If(group, *what.ways)
        return If(group, what, Seq(()))

    def _flagged(self) -> Node | None:
        """`(?:…)`, `(?i:…)`, and `(?i)`, which holds to the end of the group around it."""
        start = self.at
        while self.text[self.at : self.at + 1] in _FLAGS and self.at < len(self.text):
            self.at += 1
        on, _, off = self.text[start : self.at].partition("-")
        flags = (self.flags | set(on)) - set(off)
        if self._take(":"):
            self.flags = flags
            return Group(self._inside())
        if not on or off or not self._take(")"):
            self._fail("(? of a kind that is not known")
        self.outer_flags = flags
        return None

    # --- characters ---

    def _literal(self, character: str) -> Node:
        octets = character.encode("utf-8", "replace")
        if len(octets) == 1:
            return Octets(self._cased(frozenset(octets)))
        return Seq(tuple(Octets(frozenset((one,))) for one in octets))

    def _until(self, end: str) -> str:
        found = self.text.find(end, self.at)
        if found < 0:
            self._fail(f"a group without {end}")
        name = self.text[self.at : found]
        self.at = found + 1
        return name

    def _peek(self, sign: str) -> bool:
        return self.text.startswith(sign, self.at)

    def _take(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def _fail(self, reason: str) -> NoReturn:
        near = self.text[max(0, self.at - 20) : self.at + 20]
        raise FilterError(f"a pattern that cannot be read: {reason}, near {near!r}")


_LOOKS = {"=": (False, False), "!": (False, True), "<=": (True, False), "<!": (True, True)}
