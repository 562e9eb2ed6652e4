"""The time stamp of a line, cut out before patterns look at it (jail.conf(5), `datepattern`). Pure.

Only the place of the stamp matters here. Patterns of mail logs say at the
beginning of a line: RFC 3164 (`Nov 28 08:39:29`) and RFC 3339
(`2026-11-28T08:39:29.5+01:00`, with a space for the T in Exim's). Others are
found by `datepattern` or, without one, by the usual forms.

Raises: FilterError.
"""

import re
from collections.abc import Iterable, Sequence

from gatepost.ban.fail2ban.engine import Compiled, Late

_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_LONG_MONTHS = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAYS = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_DAY = r"(?:[1-2]\d|[0 ]?[1-9]|3[0-1])"
_MONTH = "(?:0?[1-9]|1[0-2])"
_HOUR = r"(?:[0-1]?\d|2[0-3])"
_MINUTE = r"(?:[0-5]?\d)"
_SECOND = r"(?:[0-5]?\d|6[0-1])"
_ZONE = r"(?:Z|UTC|GMT|[+-][01]\d(?::?\d{2})?)"
_LONG_ZONE = "[A-Z](?:[A-Z]{2,4})?"
_YEAR = r"(?:19|20)\d\d"

_FIELDS = {
    "a": _DAYS, "A": _LONG_DAYS, "b": _MONTHS, "B": _LONG_MONTHS,
    "d": _DAY, "m": _MONTH, "Y": r"\d{4}", "y": r"\d{2}", "j": r"\d{1,3}",
    "H": _HOUR, "I": r"(?:1[0-2]|0?[1-9])", "k": r" ?[0-2]?\d", "l": r" ?1?\d",
    "M": _MINUTE, "S": _SECOND, "f": r"\d{1,6}", "p": "(?:AM|PM|am|pm)",
    "z": _ZONE, "Z": "(?:Z|[A-Z]{3,5})", "w": "[0-6]", "U": r"\d{1,2}", "W": r"\d{1,2}", "%": "%",
    "ExY": _YEAR, "Exy": r"\d{2}", "Exm": "(?:0[1-9]|1[0-2])", "Exd": r"(?:[1-2]\d|0[1-9]|3[0-1])",
    "ExH": r"(?:[0-1]\d|2[0-3])", "ExM": r"[0-5]\d", "ExS": r"(?:[0-5]\d|6[0-1])",
    "Exk": r" ?(?:[0-1]?\d|2[0-3])", "Exl": r" ?(?:1[0-2]|\d)",
    "ExZ": _LONG_ZONE, "Exz": rf"(?:(?:{_LONG_ZONE})?[+-][01]\d(?::?\d{{2}})?|{_LONG_ZONE})",
}  # fmt: skip

_ISO = "|".join(rf"%ExY{sep}%m{sep}%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?" for sep in (r"-", "/", r"\."))
_SYSLOG = r"(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?"
_EPOCH = r"\d{10,11}(?:\.\d{3,6})?"
_LONG_EPOCH = r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?"
_TAI64N = "@[0-9a-f]{24}"
_USUAL = (
    _ISO,
    _SYSLOG,
    r"(?:%a )?%b %d %ExY %k:%M:%S(?:\.%f)?",
    "%d[-/]%m[-/](?:%ExY|%Exy) %k:%M:%S",
    r"%d[-/]%b[-/]%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?",
    r"%m/%d/%ExY:%H:%M:%S",
    r"%m-%d-%ExY %k:%M:%S(?:\.%f)?",
    "%Exy%Exm%Exd  ?%H:%M:%S",
    "%b %d, %ExY %I:%M:%S %p",
    r"%ExY%Exm%Exd(?:T|  ?)%ExH%ExM%ExS(?:[.,]%f)?(?:\s*%z)?",
)
"""What a line usually begins with."""
_USUAL_AT_BEGIN = (*_USUAL, _EPOCH, "%H:%M:%S", _TAI64N)

_COUNTED = {"LEPOCH": _LONG_EPOCH, "EPOCH": _EPOCH, "TAI64N": _TAI64N}
_BRACED = re.compile(r"\{(L?EPOCH|TAI64N)\}", re.IGNORECASE)

_FIELD = re.compile(r"%(%|Ex[YymdHMSklzZ]|[aAbBdmYyjHIklMSfpzZwUW])")
_BEGIN = re.compile(r"\{\^LN-BEG\}", re.IGNORECASE)
_UNBOUND = re.compile(r"\{UNB\}", re.IGNORECASE)
_DATE = re.compile(r"\{DATE\}", re.IGNORECASE)
_BETWEEN = re.compile(r"\{\^LN-BEG\}(?:L?EPOCH|TAI64N)?|\{DEFAULT\}|\{NONE\}|L?EPOCH|TAI64N", re.IGNORECASE)
_PLAIN_GROUP = re.compile(r"(?<!\\)\((?!\?)")


class Stamps:
    """Cuts the stamp out of lines."""

    __slots__ = ("_anywhere", "_own", "_quick", "between_words")

    def __init__(self, datepattern: Sequence[str] | None) -> None:
        """`datepattern` as the filter says it; None: the usual. Raises FilterError."""
        self._anywhere = datepattern is None
        patterns = () if datepattern is None else datepattern
        self.between_words = all(_BETWEEN.fullmatch(pattern.strip()) for pattern in patterns)
        """Whether all that is cut stands between characters of no word."""
        self._quick = not patterns or any(_BEGIN.fullmatch(pattern.strip()) for pattern in patterns)
        self._own = [Compiled(text) for pattern in patterns for text in _templates(pattern)]

    def cut(self, line: bytes, late: Late) -> tuple[bytes, bytes]:
        """The line without its stamp, and the stamp; all of the line and nothing when it has none."""
        if quick := self._quick and _SYSLOGS.match(line):
            span: tuple[int, int] | None = quick.span(1)
        elif not self._own:
            span = _first(line) if self._anywhere else None
        else:
            span = next((s for one in self._own if (s := one.place("stamp", line, late)) is not None), None)
        if span is None or span[0] < 0:
            return line, b""
        return line[: span[0]] + line[span[1] :], line[span[0] : span[1]]


def _first(line: bytes) -> tuple[int, int] | None:
    """The place of a stamp of one of the usual forms: at the beginning, else anywhere."""
    match = _SYSLOGS.match(line) or _QUICK.match(line)
    if match is None:
        match = next((m for one in _ELSEWHERE if (m := one.search(line)) is not None), None)
    return match.span(1) if match is not None else None


def _templates(pattern: str) -> Iterable[str]:
    """The regular expressions that one line of `datepattern` stands for, with a group `stamp`."""
    key = pattern.strip().upper()
    if key in ("{NONE}", ""):
        return ()
    if key in ("{^LN-BEG}", "{DEFAULT}"):
        usual = [_at_begin(one) for one in _USUAL_AT_BEGIN]
        return usual if key == "{^LN-BEG}" else [*usual, *(_bounded(one) for one in _USUAL)]
    if _DATE.search(pattern):
        date = "(?:" + "|".join((*_USUAL, _EPOCH, _TAI64N)) + ")"
        return (_grouped(_DATE.sub(lambda _: date, pattern)),)
    for name, text in _COUNTED.items():
        if key in (name, f"^{name}", f"{{^LN-BEG}}{name}"):
            return (_at_begin(text) if key != name else _bounded(text),)
    return (_of_pattern(_BRACED.sub(lambda braced: _COUNTED[braced[1].upper()], pattern)),)


def _of_pattern(pattern: str) -> str:
    if _BEGIN.match(pattern):
        return _at_begin(_BEGIN.sub("", pattern))
    if _UNBOUND.match(pattern):
        return _grouped(_UNBOUND.sub("", pattern))
    return _bounded(pattern)


def _bounded(pattern: str) -> str:
    """Not within a word, unless `**` or `^` says otherwise."""
    free_begin = pattern.startswith(("^", "**", "(^", "(?:^"))
    free_end = pattern.endswith(("$", "**", r"\b", r"\s"))
    grouped = _grouped(pattern.removeprefix("**").removesuffix("**"))
    return f"{'' if free_begin else _EDGE}{grouped}{'' if free_end else _EDGE_AFTER}"


def _at_begin(pattern: str) -> str:
    return rf"^(?:\W{{0,2}})?{_grouped(pattern)}{_EDGE_AFTER}"


_EDGE = r"(?:^|\b|\W)"
_EDGE_AFTER = r"(?:\b|\W|$)"


def _grouped(pattern: str) -> str:
    """With fields replaced, and what is the stamp as a group: the first plain group, else all of it."""
    ignoring = "(?i)" if re.search(r"%[aAbBpc]", pattern) else ""
    text = _FIELD.sub(lambda field: _FIELDS[field[1]], pattern)
    if _PLAIN_GROUP.search(text):
        return f"(?i:{_named(text)})" if ignoring else _named(text)
    begin, end = text.startswith("^"), text.endswith("$") and not text.endswith(r"\$")
    inner = text.removeprefix("^") if begin else text
    inner = inner.removesuffix("$") if end else inner
    named = f"{'^' if begin else ''}(?P<stamp>{inner}){'$' if end else ''}"
    return f"(?i:{named})" if ignoring else named


def _named(text: str) -> str:
    return _PLAIN_GROUP.sub("(?P<stamp>", text, count=1)


def _quick(pattern: str) -> str:
    text = _FIELD.sub(lambda field: _FIELDS[field[1]], pattern)
    return f"(?i:{text})" if "%b" in pattern or "%a" in pattern else f"(?:{text})"


# The stamps that syslog writes, and Exim; all others take the long way.
_SYSLOGS = re.compile(
    (
        rf"({_MONTHS} [ 1-3]\d \d\d:[0-5]\d:[0-5]\d(?= (?!{_YEAR}\b))"
        r"|20\d\d-[01]\d-[0-3]\dT\d\d:[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-][01]\d:?\d\d)(?= )"
        r"|20\d\d-[01]\d-[0-3]\d \d\d:[0-5]\d:[0-5]\d(?:\.\d{1,3})?(?: [+-][01]\d\d\d)?"
        r"(?= [^\s+Z-](?!TC|MT)))"
    ).encode()
)

# Python's own re: these are ours, and linear in the line, since every part of them is short.
_QUICK = re.compile(
    rf"(?:\W{{0,2}})?({'|'.join(_quick(one) for one in _USUAL_AT_BEGIN)})(?=\b|\W|$)".encode()
)
_ELSEWHERE = tuple(re.compile(rf"(?=\b|\W|^)({_quick(one)})(?=\b|\W|$)".encode()) for one in _USUAL)
