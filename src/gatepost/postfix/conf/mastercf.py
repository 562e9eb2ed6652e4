"""master.cf: its services and their `-o` settings, each with its place (master(5)). Nothing is lost.

Pure. Raises ConfError for what Postfix's master would refuse.
"""

import re

import msgspec

from gatepost.postfix.conf.lines import BLANKS, ConfError, LogicalLine, Source, read_source
from gatepost.postfix.conf.words import Word, split_words

TYPES = ("inet", "unix", "fifo", "pass", "unix-dgram")
_FIELDS = 8
_SETTING_FOLLOWS = re.compile(r"-[vD]*o(?P<setting>.*)", re.DOTALL)


class Override(msgspec.Struct, frozen=True):
    """A setting for one service alone: `-o name=value`."""

    name: str
    value: str
    start: int
    end: int
    """Where its argument (`name=value`, or `{ name = value }`) lies in the file, `-o` not included."""
    places: tuple[int, ...]
    """Where each character of the value stands in the file; one more for the place after the last."""
    line: int


class Service(msgspec.Struct, frozen=True):
    """One service of the master daemon."""

    name: str
    type: str
    chroot: str
    """`y`, `n`, or `-` for the default (`n` since Postfix 3.0)."""
    command: str
    overrides: tuple[Override, ...]
    arguments: tuple[str, ...]
    """Words after the program that are no options: smtpd takes none."""
    end: int
    """Where its last word ends in the file."""
    line: int

    @property
    def key(self) -> str:
        """`name/type`, as postconf(1) writes it."""
        return f"{self.name}/{self.type}"

    @property
    def program(self) -> str:
        """The program without its folder."""
        return self.command.rpartition("/")[2]

    @property
    def host(self) -> str:
        """The address that an `inet` service listens at; empty: those in inet_interfaces."""
        return self.name.rpartition(":")[0].strip("[]") if self.type == "inet" else ""

    @property
    def port(self) -> str:
        """The port of an `inet` service, by number or name."""
        return self.name.rpartition(":")[2] if self.type == "inet" else ""

    def override(self, name: str) -> Override | None:
        """What is set for this service alone; the last counts."""
        return next((one for one in reversed(self.overrides) if one.name == name), None)


class MasterCf(msgspec.Struct, frozen=True):
    """A master.cf."""

    source: Source
    services: tuple[Service, ...]

    def find(self, key: str) -> Service | None:
        """The service `name/type`; the last counts."""
        return next((service for service in reversed(self.services) if service.key == key), None)


def read_master(octets: bytes) -> MasterCf:
    """The services of a master.cf.

    Raises:
        ConfError: a line that is no service.
    """
    source = read_source(octets)
    return MasterCf(source, tuple(_service(line) for line in source.lines))


def _service(line: LogicalLine) -> Service:
    words = split_words(line.text, line.number, separators=BLANKS)
    if len(words) < _FIELDS:
        raise ConfError(f"a service has {_FIELDS} fields, this line has {len(words)}", line.number)
    name, kind, _, _, chroot, _, _, command = (word.text for word in words[:_FIELDS])
    if kind not in TYPES:
        raise ConfError(f'"{kind}" is no type of service; expected one of {", ".join(TYPES)}', line.number)
    overrides, arguments = _options(line, words[_FIELDS:])
    return Service(
        name=name,
        type=kind,
        chroot=chroot,
        command=command,
        overrides=tuple(overrides),
        arguments=tuple(arguments),
        end=line.places[words[-1].end - 1] + 1,
        line=line.number,
    )


def _options(line: LogicalLine, words: list[Word]) -> tuple[list[Override], list[str]]:
    """The settings, and what is no option at all."""
    found = []
    arguments = []
    rest = iter(words)
    for word in rest:
        option = _SETTING_FOLLOWS.fullmatch(word.text)
        if option is None:
            arguments += [] if word.text.startswith("-") else [word.text]
        elif option["setting"].startswith("{"):
            raise ConfError("a blank is missing between -o and {", line.number)
        elif option["setting"]:
            found.append(
                _override(line, Word(option["setting"], word.end - len(option["setting"]), word.end))
            )
        elif (following := next(rest, None)) is not None:
            found.append(_override(line, following))
        else:
            raise ConfError("a setting is missing after -o", line.number)
    return found, arguments


def _override(line: LogicalLine, word: Word) -> Override:
    text, start = word.text, word.start
    if text.startswith("{"):
        text, start = text[1:-1], start + 1
    name, equals, value = text.partition("=")
    if not equals or not name.strip(BLANKS):
        raise ConfError(f'"-o {word.text[:60]}" is no setting: expected name=value', line.number)
    before = len(name) + 1 + len(value) - len(value.lstrip(BLANKS))
    first, last = start + before, start + before + len(value.strip(BLANKS))
    return Override(
        name=name.strip(BLANKS),
        value=value.strip(BLANKS),
        start=line.places[word.start],
        end=line.places[word.end - 1] + 1,
        places=line.places[first : last + 1],
        line=line.number,
    )
