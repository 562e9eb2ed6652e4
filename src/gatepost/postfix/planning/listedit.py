"""Changing a list of restrictions in the file where it stands, and nothing else there.

The list is seen as pieces: its items, each with the words that it was written
with. A word may be a `$name` that stands for several items; when something has
to change among these, the name is replaced by what it stands for.

Pure. Raises ConfError where that cannot be done safely.
"""

from collections.abc import Sequence

import msgspec

from gatepost.postfix.conf.expand import Lookup, expand, whole_reference
from gatepost.postfix.conf.lines import ConfError, Splice
from gatepost.postfix.conf.restrictions import Item, split_items
from gatepost.postfix.conf.words import split_words

INDENT = "    "


class Piece(msgspec.Struct, frozen=True):
    """An item, and the first and last of the words that make it."""

    item: Item
    first: int
    last: int


class RawWord(msgspec.Struct, frozen=True):
    """A word as it was written, and where it lies in the list's text."""

    text: str
    start: int
    end: int


class Written(msgspec.Struct, frozen=True):
    """A list as it is written."""

    parameter: str
    words: tuple[RawWord, ...]
    pieces: tuple[Piece, ...]

    @property
    def items(self) -> list[Item]:
        """What the list comes to."""
        return [piece.item for piece in self.pieces]

    def shared(self, word: int) -> bool:
        """Whether several items stand behind this word, or none."""
        return sum(piece.first <= word <= piece.last for piece in self.pieces) != 1


def read_list(raw: str, parameter: str, lookup: Lookup) -> Written:
    """The list in `raw`, which is not expanded.

    Raises:
        ConfError: it cannot be read.
    """
    words = tuple(RawWord(w.text, w.start, w.end) for w in split_words(raw))
    flat = [(part.text, n) for n, w in enumerate(words) for part in split_words(expand(w.text, lookup))]
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    at = 0
    for number, (text, _) in enumerate(flat):
        starts[at] = number
        ends[at + len(text)] = number
        at += len(text) + 1
    items = split_items(" ".join(text for text, _ in flat), parameter)
    pieces = tuple(Piece(item, flat[starts[item.start]][1], flat[ends[item.end]][1]) for item in items)
    return Written(parameter, words, pieces)


class Target(msgspec.Struct, frozen=True):
    """One item of the list as it is to be: an old one, by its number, or the text of a new one."""

    old: int | None = None
    text: str = ""


class Edit(msgspec.Struct, frozen=True):
    """What is to be done to the words of a list."""

    before: dict[int, list[str]]
    """New items before a word; the number after the last word stands for the end."""
    removed: frozenset[int]
    """Words that go."""
    instead: dict[int, list[str]]
    """Names that are written out, with what is to stand there."""


def edit(written: Written, targets: Sequence[Target]) -> Edit | None:
    """How the list becomes what it is to be; None when it is that already.

    Raises:
        ConfError: the change falls within an expression that is no plain `$name`.
    """
    count = len(written.pieces)
    kept = {target.old for target in targets if target.old is not None}
    if [target.old for target in targets] == list(range(count)):
        return None
    new = dict(_insertions(targets, count))
    removed = {
        word
        for number in set(range(count)) - kept
        for word in range(written.pieces[number].first, written.pieces[number].last + 1)
    }
    inside = {word for word in removed if written.shared(word)}
    inside |= {word for number in new if (word := _amid(written, number)) is not None}
    before = {
        _word_of(written, number): texts for number, texts in new.items() if _amid(written, number) is None
    }
    instead = {word: _written_out(written, word, kept, new) for word in sorted(inside)}
    return Edit(before, frozenset(removed - inside), instead)


def _word_of(written: Written, number: int) -> int:
    """The word that an item begins with; for the end, the number after the last word."""
    return written.pieces[number].first if number < len(written.pieces) else len(written.words)


def _amid(written: Written, number: int) -> int | None:
    """The word within whose items the place before an item lies, if it does."""
    if not 0 < number < len(written.pieces):
        return None
    word = written.pieces[number].first
    return word if written.pieces[number - 1].last == word else None


def _insertions(targets: Sequence[Target], count: int) -> list[tuple[int, list[str]]]:
    """Old items before which something new stands, and the new; `count`: at the end."""
    found: list[tuple[int, list[str]]] = []
    waiting: list[str] = []
    for target in (*targets, Target(old=count)):
        if target.old is None:
            waiting.append(target.text)
        elif waiting:
            found.append((target.old, waiting))
            waiting = []
    return found


def _written_out(written: Written, word: int, kept: set[int], new: dict[int, list[str]]) -> list[str]:
    """What is to stand instead of a `$name`."""
    text = written.words[word].text
    if not whole_reference(text):
        raise ConfError(
            f'{written.parameter}: something has to change within "{text[:60]}", which is more than a $name; '
            "write it out"
        )
    parts = []
    for number, piece in enumerate(written.pieces):
        if not piece.first <= word <= piece.last:
            continue
        if piece.first != piece.last:
            raise ConfError(f'{written.parameter}: "{text}" ends amid a restriction; write it out')
        if _amid(written, number) == word:
            parts += new.get(number, [])
        if number in kept:
            parts.append(piece.item.whole)
    return parts


# --- as text ------------------------------------------------------------------------------------------


def one_line(written: Written, change: Edit) -> str:
    """The whole list in one line, names that need no change still as names."""
    parts: list[str] = []
    for number, word in enumerate(written.words):
        parts += change.before.get(number, [])
        if number in change.instead:
            parts += change.instead[number]
        elif number not in change.removed:
            parts.append(word.text)
    return _joined_words(written, [*parts, *change.before.get(len(written.words), [])])


def _joined_words(written: Written, parts: list[str]) -> str:
    """Words joined by commas, but a restriction and its argument by a blank."""
    wants = {written.words[p.first].text for p in written.pieces if p.last > p.first} | {"warn_if_reject"}
    text = ""
    for number, part in enumerate(parts):
        after = "" if number + 1 == len(parts) else " " if part in wants else ", "
        text += part + after
    return text


def in_place(text: str, places: Sequence[int], written: Written, change: Edit) -> list[Splice]:
    """The change as splices of the file `text`, where the list's characters stand at `places`."""
    layout = _Layout(text, places, written)
    splices = [layout.replaced([word], parts) for word, parts in change.instead.items()]
    instead_of_runs: dict[int, list[str]] = {}
    runs = {run[0]: run for run in layout.runs(sorted(change.removed))}
    for word, parts in sorted(change.before.items()):
        stays = [w for w in range(word) if w not in change.removed]
        if word in runs or (word and not stays):
            instead_of_runs.setdefault(word if word in runs else 0, []).extend(parts)
        elif not stays:
            splices.append(layout.at_front(parts))
        else:
            more = any(w not in change.removed for w in range(word, len(written.words)))
            splices.append(layout.after(stays[-1], parts, last=not more))
    splices += (layout.replaced(run, instead_of_runs.get(first, [])) for first, run in runs.items())
    return splices


class _Layout:
    """How the list stands in its file: indented by what, separated by what."""

    def __init__(self, text: str, places: Sequence[int], written: Written) -> None:
        self.text = text
        self.places = places
        self.words = written.words
        between = [
            text[places[w.end] : places[n.start]] for w, n in zip(self.words, self.words[1:], strict=False)
        ]
        self.comma = "," if any("," in gap for gap in between) else ""
        self.indent = next(filter(None, map(self._indent_of, range(len(self.words)))), INDENT)

    def _start(self, word: int) -> int:
        return self.places[self.words[word].start]

    def _end(self, word: int) -> int:
        return self.places[self.words[word].end - 1] + 1

    def _indent_of(self, word: int) -> str:
        """The blanks before a word that begins its line; empty when it does not."""
        start = self._start(word)
        line = self.text.rfind("\n", 0, start) + 1
        before = self.text[line:start]
        return before if before and not before.strip(" \t") else ""

    def _lines(self, parts: list[str]) -> str:
        return f"{self.comma}\n{self.indent}".join(parts)

    def runs(self, words: Sequence[int]) -> list[list[int]]:
        """Words that follow each other on one line: what stands between lines may be a comment."""
        found: list[list[int]] = []
        for word in words:
            if (
                found
                and found[-1][-1] == word - 1
                and "\n" not in self.text[self._end(word - 1) : self._start(word)]
            ):
                found[-1].append(word)
            else:
                found.append([word])
        return found

    def replaced(self, run: Sequence[int], parts: list[str]) -> Splice:
        """Something else for words that follow each other; for nothing, a line that is theirs alone goes."""
        start, end = self._start(run[0]), self._end(run[-1])
        if parts:
            return Splice(start, end, self._lines(parts))
        while end < len(self.text) and self.text[end] in " \t\r,":
            end += 1
        line = self.text.rfind("\n", 0, start) + 1
        alone = not self.text[line:start].strip(" \t") and line < start
        if alone and self.text[end : end + 1] in ("\n", ""):
            return Splice(line, min(end + 1, len(self.text)), "")
        return Splice(start, end, "")

    def at_front(self, parts: list[str]) -> Splice:
        """Before the first word, or where no word is."""
        if not self.words:
            return Splice(self.places[0], self.places[0], f"\n{self.indent}{self._lines(parts)}")
        start = self._start(0)
        lines = f"{self._lines(parts)}{self.comma}\n{self.indent}"
        if self._indent_of(0):
            return Splice(start, start, lines)
        blanks = start
        while self.text[blanks - 1] in " \t":
            blanks -= 1
        return Splice(blanks, start, f"\n{self.indent}{lines}")

    def after(self, word: int, parts: list[str], *, last: bool) -> Splice:
        """After a word rather than before the next: a comment between them is about the next."""
        end, separator = self._end(word), self.comma
        after = end
        while self.text[after : after + 1] in (" ", "\t"):
            after += 1
        if self.text[after : after + 1] == ",":
            end, separator = after + 1, ""
        lines = f"{separator}\n{self.indent}{self._lines(parts)}"
        if last:
            return Splice(end, end, lines)
        blanks = end
        while self.text[blanks : blanks + 1] in (" ", "\t", "\r"):
            blanks += 1
        if self.text[blanks : blanks + 1] == "\n":
            return Splice(end, end, f"{lines}{self.comma}")
        return Splice(end, blanks, f"{lines}{self.comma}\n{self.indent}")
