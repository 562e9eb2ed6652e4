"""main.cf: its settings, each with its place (postconf(5), "FILE FORMAT"). Nothing of the file is lost.

Pure. Raises ConfError for what Postfix itself would refuse.
"""

import msgspec

from gatepost.postfix.conf.lines import BLANKS, ConfError, LogicalLine, Source, read_source


class Entry(msgspec.Struct, frozen=True):
    """One setting as it is written."""

    name: str
    value: str
    """Without blanks around it; not expanded."""
    places: tuple[int, ...]
    """Where each character of the value stands in the file; one more for the place after the last."""
    line: int


class MainCf(msgspec.Struct, frozen=True):
    """A main.cf."""

    source: Source
    entries: tuple[Entry, ...]

    def find(self, name: str) -> Entry | None:
        """The setting that counts: the last of its name."""
        return next((entry for entry in reversed(self.entries) if entry.name == name), None)

    @property
    def values(self) -> dict[str, str]:
        """What is set, by name; not expanded."""
        return {entry.name: entry.value for entry in self.entries}

    @property
    def duplicates(self) -> tuple[Entry, ...]:
        """Settings that a later one of the same name makes void."""
        return tuple(entry for entry in self.entries if entry is not self.find(entry.name))


def read_main(octets: bytes) -> MainCf:
    """The settings of a main.cf.

    Raises:
        ConfError: a line that is no setting.
    """
    source = read_source(octets)
    return MainCf(source, tuple(_entry(line) for line in source.lines))


def _entry(line: LogicalLine) -> Entry:
    name, equals, value = line.text.partition("=")
    name = name.strip(BLANKS)
    if not equals or len(name.split()) > 1:
        raise ConfError(
            f'"{line.text.strip()[:60]}" is no setting: a "=" is missing after the name', line.number
        )
    if not name:
        raise ConfError('a name is missing before "="', line.number)
    start = len(line.text) - len(value.lstrip(BLANKS))
    end = max(start, len(line.text.rstrip(BLANKS)))
    if start == len(line.text):  # no value: the place right after the "="
        start = end = line.text.index("=") + 1
    return Entry(name, line.text[start:end], line.places[start : end + 1], line.number)
