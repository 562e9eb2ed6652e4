"""One file of fail2ban's configuration: sections of names and values (configparser's dialect). Pure.

Full-line comments begin with `#` or `;`, remarks at the end of a line with ` ;`; what is indented
continues the value above.

Raises: FilterError.
"""

from collections.abc import Mapping
from configparser import (
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
    RawConfigParser,
)
from configparser import Error as ConfigError

import msgspec

from gatepost.ban.fail2ban.trouble import FilterError

MAX_TEXT = 256 * 1024
"""Characters of one file."""
MAX_LINE = 8 * 1024
"""Characters of one line."""
DEFAULT = "DEFAULT"


class Ini(msgspec.Struct, frozen=True):
    """What one file says, raw."""

    file: str
    sections: Mapping[str, Mapping[str, str]]
    """By section, as it is written; names of options in lower case."""
    defaults: Mapping[str, str]
    """Those of [DEFAULT]."""
    lines: tuple[str, ...]

    def line_of(self, option: str) -> int:
        """Where an option is set, as well as can be told; 0 when it is not."""
        for number, line in enumerate(self.lines, 1):
            head = line.replace(":", "=", 1).partition("=")[0] if line[:1].strip() else ""
            if head.strip().lower() == option:
                return number
        return 0


def parse(file: str, text: str) -> Ini:
    """The sections of a file. Raises FilterError."""
    lines = tuple(text.split("\n"))
    if len(text) > MAX_TEXT:
        raise FilterError(f"more than {MAX_TEXT} characters, which is no filter", file)
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise FilterError(f"a line of more than {MAX_LINE} characters", file, number)
    parser = RawConfigParser(inline_comment_prefixes=(";",), default_section=DEFAULT)
    try:
        parser.read_string(text, file)
    except ConfigError as error:
        raise _told(error, file) from None
    sections = {name: dict(parser._sections[name]) for name in parser.sections()}  # type: ignore[attr-defined]  # noqa: SLF001
    return Ini(file, sections, dict(parser.defaults()), lines)


def _told(error: ConfigError, file: str) -> FilterError:
    match error:
        case MissingSectionHeaderError():
            return FilterError("a value before any [section]", file, error.lineno)
        case DuplicateSectionError():
            return FilterError(f"[{error.section}] for a second time", file, error.lineno or 0)
        case DuplicateOptionError():
            return FilterError(f"{error.option} for a second time", file, error.lineno or 0)
        case ParsingError():
            return FilterError(
                "neither [section] nor name = value", file, error.errors[0][0] if error.errors else 0
            )
        case _:
            return FilterError("cannot be read as sections with names and values", file)
