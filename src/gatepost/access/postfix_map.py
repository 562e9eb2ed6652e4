"""Source text of Postfix access maps, as postmap(1) reads it: hash:, btree:, lmdb:, texthash: and the like.

Done as Postfix does it: keys are folded to lower case, the first of two
entries with one key counts, and a line without a value is skipped (a warning).
Pure.

Raises: AccessMapError, with every line whose result cannot be honoured.
"""

from gatepost.access.entry import Entry, EntryMaker, fold
from gatepost.access.lines import SPACE, logical_lines


class IndexedMap:
    """A table that is asked by exact key."""

    patterns = False

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries

    def find(self, key: str) -> Entry | None:
        """The entry with exactly this key, which is folded already."""
        return self._entries.get(key)

    def __len__(self) -> int:
        return len(self._entries)


def parse_map(data: bytes, make: EntryMaker) -> IndexedMap:
    """The map that `data` is the source of; raises AccessMapError."""
    entries: dict[str, Entry] = {}
    lines: dict[str, int] = {}
    for number, text in logical_lines(data, make.reading):
        record = split_record(text)
        if isinstance(record, str):
            make.reading.warn(number, record)
            continue
        key, value = record
        if key.endswith(":"):
            make.reading.warn(number, f'the key "{key}" ends in a colon; is this an alias file?')
        if fold(key) in lines:
            make.reading.warn(number, f'"{key}" stands in line {lines[fold(key)]} already, which counts')
            continue
        lines[fold(key)] = number
        entry = make(number, key, value)
        if entry is not None:
            entries[fold(key)] = entry
    make.reading.done()
    return IndexedMap(entries)


def split_record(text: str) -> tuple[str, str] | str:
    """Key and value of a logical line, or a sentence why it is skipped."""
    end = _key_end(text)
    if end is None:
        return "skipped, as Postfix does: the key has an unbalanced quote"
    key, value = text[:end], text[end:].strip(SPACE)
    if not value:
        return "skipped, as Postfix does: expected key, white space, value"
    return key, value


def _key_end(text: str) -> int | None:
    """Where the first white space outside quotes is; None when a quote is not closed."""
    quoted, at = False, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == '"':
            quoted = not quoted
        elif text[at] in SPACE and not quoted:
            break
        at += 1
    return None if quoted else at
