"""postgrey's options, read as postgrey reads them (postgrey(8), Getopt::Long with posix_default). Pure.

Raises: OptionsError, with a sentence for people.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

MAX_TEXT = 64 * 1024
"""Characters of options that are read."""

Takes = Literal["", "text", "number", "maybe"]
"""What follows an option: nothing, a text, a whole number, or a text that may be left out."""

_TAKES: dict[str, Takes] = {
    **dict.fromkeys(("help", "man", "version", "noaction", "verbose", "quiet", "daemonize"), ""),
    **dict.fromkeys(("lookup-by-subnet", "lookup-by-host", "privacy", "exim"), ""),
    **dict.fromkeys(("unix", "inet", "socketmode", "user", "group", "dbdir", "pidfile"), "text"),
    **dict.fromkeys(("whitelist-clients", "whitelist-recipients", "syslog-facility"), "text"),
    **dict.fromkeys(("retry-window", "greylist-action", "greylist-text", "hostname"), "text"),
    **dict.fromkeys(("x-greylist-header",), "text"),
    **dict.fromkeys(("delay", "max-age", "ipv4cidr", "ipv6cidr", "listen-queue-size"), "number"),
    "auto-whitelist-clients": "maybe",
}
_OTHER_NAMES = {
    "h": "help",
    "v": "verbose",
    "q": "quiet",
    "d": "daemonize",
    "u": "unix",
    "i": "inet",
    "n": "noaction",
    "no-action": "noaction",
    "syslogfacility": "syslog-facility",
    "facility": "syslog-facility",
}
_OPTION = re.compile(r"(?:--|-)([^=]+)(?:=(.*))?", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[0-9]{1,9}")
_ASSIGNMENT = re.compile(r"(?:export\s+)?(POSTGREY_OPTS|POSTGREY_TEXT)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class OptionsError(ValueError):
    """The options cannot be read; the text says why and what to do."""


class NoOptionsError(OptionsError):
    """There are none in this file."""


class Given(msgspec.Struct, frozen=True):
    """One option as it was given."""

    name: str
    value: str = ""
    """Empty when it takes none, or none was given."""

    def __str__(self) -> str:
        return f"--{self.name}={self.value}" if self.value else f"--{self.name}"


class Options(msgspec.Struct, frozen=True):
    """All that was given, the last of each counting, and what postgrey itself would not take."""

    given: tuple[Given, ...] = ()
    ignored: tuple[str, ...] = ()
    """Words that postgrey does not know or reads no more."""

    def value(self, name: str) -> str | None:
        """What was given last under a name; None when it was not given."""
        return next((one.value for one in reversed(self.given) if one.name == name), None)

    def values(self, name: str) -> tuple[str, ...]:
        """All that was given under a name."""
        return tuple(one.value for one in self.given if one.name == name)

    def number(self, name: str, otherwise: int) -> int:
        """A number; postgrey takes 0 for "not given"."""
        return int(self.value(name) or 0) or otherwise

    @property
    def last_given(self) -> tuple[Given, ...]:
        """Those that count, in order: of the same option the last, of files all."""
        kept = {one.name: number for number, one in enumerate(self.given)}
        many = ("whitelist-clients", "whitelist-recipients")
        return tuple(
            one for number, one in enumerate(self.given) if one.name in many or kept[one.name] == number
        )


def from_defaults(text: str) -> str:
    """The options in a file such as /etc/default/postgrey, where the shell reads POSTGREY_OPTS.

    Raises:
        OptionsError: it is no such file, or only the shell itself could tell.
    """
    found: dict[str, str] = {}
    for word in _words(text.replace("\\\n", "")):
        assignment = _ASSIGNMENT.fullmatch(word)
        if assignment:
            found[assignment[1]] = _expanded(assignment[2], found)
    if "POSTGREY_OPTS" not in found:
        raise NoOptionsError("says nothing of POSTGREY_OPTS; give postgrey's options with --options")
    greylist_text = found.get("POSTGREY_TEXT")
    more = f" {shlex.quote(f'--greylist-text={greylist_text}')}" if greylist_text else ""
    return found["POSTGREY_OPTS"] + more


def _expanded(value: str, known: dict[str, str]) -> str:
    """`value` with the variables of the same file; nothing else is expanded."""
    value = _VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0]), value)
    if "`" in value or _VARIABLE.search(value) or "$(" in value:
        raise OptionsError(
            f'only a shell can tell what "{value}" is; give postgrey\'s options with --options'
        )
    return value[:MAX_TEXT]


def _words(text: str) -> list[str]:
    """The words of a text as the shell cuts them, without comments."""
    if len(text) > MAX_TEXT:
        raise OptionsError(f"longer than {MAX_TEXT} characters")
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError as error:
        raise OptionsError(f"cannot be read as the shell does: {error}".lower()) from None


def from_text(text: str) -> Options:
    """The options in a text, with the shell's quotes; postgrey's own name in front does no harm."""
    words = _words(text)
    if words and not words[0].startswith("-") and words[0].rsplit("/")[-1] == "postgrey":
        del words[0]
    return parse(words)


def from_command_line(octets: bytes) -> Options:
    """The options of a running postgrey, from /proc/PID/cmdline (proc(5)).

    postgrey writes its options there itself, with a space between them, so that a text with spaces has
    lost its edges: words that begin with no hyphen belong to the option before.
    """
    words = octets[:MAX_TEXT].decode("utf-8", "backslashreplace").replace("\0", " ").split()
    while words and not words[0].startswith("-"):
        del words[0]  # perl, -w and the like stand before, and go as unknown
    joined: list[str] = []
    for word in words:
        if word.startswith("-") or not joined or _takes_next(joined[-1]):
            joined.append(word)
        else:
            joined[-1] += f" {word}"
    return parse(joined)


def _takes_next(word: str) -> bool:
    """Whether the next word is the value of this one."""
    found = _OPTION.fullmatch(word)
    return bool(found) and found is not None and found[2] is None and bool(_TAKES.get(_name(found[1]), ""))


def _name(name: str) -> str:
    return _OTHER_NAMES.get(name, name)


def parse(words: Sequence[str]) -> Options:
    """The options in these words."""
    left = list(reversed(words))
    given: list[Given] = []
    ignored: list[str] = []
    while left:
        word = left.pop()
        if word == "--" or not word.startswith("-") or word == "-":
            ignored.extend(f'"{one}": postgrey reads no options from here on' for one in _rest(word, left))
            break
        given.extend(_one(word, left, ignored))
    return Options(tuple(given), tuple(ignored))


def _rest(word: str, left: list[str]) -> Iterator[str]:
    if word != "--":
        yield word
    yield from reversed(left)
    left.clear()


def _one(word: str, left: list[str], ignored: list[str]) -> Iterator[Given]:
    found = _OPTION.fullmatch(word)
    name = _name(found[1]) if found else ""
    takes = _TAKES.get(name)
    if found is None or takes is None:
        ignored.append(f'"{word}": postgrey has no such option')
        return
    value = found[2]
    if value is None and takes and left and (takes != "maybe" or not left[-1].startswith("-")):
        value = left.pop()
    if takes == "" and value is not None:
        ignored.append(f'"{word}": postgrey takes no value there')
    elif takes in ("text", "number") and not value:
        ignored.append(f'"{word}": a value is missing')
    elif takes == "number" and not _NUMBER.fullmatch(value or ""):
        ignored.append(f'"{word}": "{value}" is no whole number')
    else:
        yield Given(name, value or "")
