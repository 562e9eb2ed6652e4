"""Files of entries, line by line: what each means with us, or why it cannot be honoured.

Where some lines cannot be honoured, a copy without them can: an entry whose
result is not possible here becomes DUNNO, so that no later entry is found in
its place; a line of postgrey's that cannot be matched becomes a comment. Pure;
raises nothing.
"""

from collections.abc import Iterable, Iterator

import msgspec

from gatepost.access.files import MAX_BYTES, Wanted, parse
from gatepost.access.lines import SPACE, logical_lines
from gatepost.access.result import Result, ResultError, parse_result
from gatepost.access.trouble import AccessMapError, Reading, Trouble

_MAX_ROUNDS = 3
"""Tries at a copy: the second shows whether the results alone were to blame."""
_BLOCKS = ("if", "endif")
_SKIPPED = ("skipped", "stands in line")
_EXCUSED = {
    "all": "let in",
    "helo": "excused from HELO rules",
    "lists": "excused from block lists",
    "client": "excused from block lists and reverse name rules",
}


class Line(msgspec.Struct, frozen=True):
    """One entry of a file."""

    number: int
    """From 1; 0: the whole file."""
    text: str
    taken: bool
    says: str
    """What it means with us; or why it is not taken."""


class Content(msgspec.Struct, frozen=True):
    """What a file holds for us."""

    lines: tuple[Line, ...]
    copy: bytes | None = None
    """The file must not be followed itself: a copy that can be."""
    whole: bool = True
    """The file can be followed where it is."""

    @property
    def taken(self) -> int:
        """How many entries hold."""
        return sum(line.taken for line in self.lines)

    @property
    def left(self) -> Iterator[Line]:
        """Those that do not."""
        return (line for line in self.lines if not line.taken)


def content_of(wanted: Wanted, data: bytes) -> Content:
    """What the octets of a file hold."""
    if len(data) > MAX_BYTES:
        return Content((Line(0, "", False, f"larger than {MAX_BYTES >> 20} MB"),), whole=False)
    errors, warnings = _troubles(wanted, data)
    lines = tuple(sorted(_judged(wanted, data, errors, warnings), key=lambda line: line.number))
    if not errors:
        return Content(lines)
    copy = _copy(wanted, data, errors)
    if copy is None:
        why = "not taken, because the file cannot be split: another line of it cannot be honoured"
        lines = tuple(
            msgspec.structs.replace(one, taken=False, says=why) if one.taken else one for one in lines
        )
    return Content(lines, copy, whole=False)


def _troubles(wanted: Wanted, data: bytes) -> tuple[tuple[Trouble, ...], tuple[Trouble, ...]]:
    """What the parser says of the file: errors and warnings."""
    reading = Reading(wanted.path)
    try:
        parse(wanted, data, reading)
    except AccessMapError as error:
        return error.troubles, tuple(reading.warnings)
    return (), tuple(reading.warnings)


def _judged(
    wanted: Wanted, data: bytes, errors: Iterable[Trouble], warnings: Iterable[Trouble]
) -> Iterator[Line]:
    texts = dict(_entries(wanted, data))
    bad = {one.line: one.text for one in errors}
    notes: dict[int, str] = {}
    for one in warnings:
        if any(word in one.text for word in _SKIPPED):
            bad.setdefault(one.line, one.text)
        else:
            notes[one.line] = one.text
    for number, why in bad.items():
        yield Line(number, texts.get(number, ""), False, why)
    for number, text in texts.items():
        if number not in bad:
            note = f" ({notes[number]})" if number in notes else ""
            yield Line(number, text, True, _meaning(wanted, text) + note)


def _entries(wanted: Wanted, data: bytes) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is no comment."""
    if wanted.kind != "postgrey":
        yield from logical_lines(data, Reading(wanted.path))
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.partition(b"#")[0].decode("utf-8", "backslashreplace").strip()
        if text:
            yield number, text


def _meaning(wanted: Wanted, text: str) -> str:
    if wanted.kind == "postgrey":
        return "not greylisted"
    pattern, value = _split(wanted, text)
    if pattern.lower().partition("/")[0].strip() in _BLOCKS:
        return "as in Postfix"
    try:
        return _said(parse_result(value, wanted.looks_at), wanted.scope)
    except ResultError:
        return "as in Postfix"


def _split(wanted: Wanted, text: str) -> tuple[str, str]:
    """Pattern and result of an entry."""
    if wanted.kind not in ("regexp", "pcre"):
        pattern, *rest = text.split(None, 1)
        return pattern, " ".join(rest)
    start = len(text) - len(text.lstrip("!" + SPACE))
    at = start + 1
    while at < len(text) and text[at] != text[start]:
        at += 2 if text[at] == "\\" else 1
    while at < len(text) and text[at] not in SPACE:  # flags
        at += 1
    return text[:at], text[at:].strip(SPACE)


def _said(result: Result, scope: str) -> str:
    if result.kind == "allow":
        return _EXCUSED.get(scope, scope)
    if result.kind == "dunno":
        return "ends the search"
    if result.kind == "note":
        return "only noted"
    code = f" with {result.code}" if result.code else ""
    return ("refused" if result.kind == "deny" else "has to come back later") + code


# --- a copy that can be followed ----------------------------------------------------------------------


def _copy(wanted: Wanted, data: bytes, errors: tuple[Trouble, ...]) -> bytes | None:
    """The file without what cannot be honoured; None when that would change what the rest means."""
    instead: dict[int, bytes] = {}
    for _ in range(_MAX_ROUNDS):
        for error in errors:
            line = _instead(wanted, data, error.line, again=error.line in instead)
            if line is None:
                return None
            instead[error.line] = line
        changed = _with(data, instead)
        errors, _warnings = _troubles(wanted, changed)
        if not errors:
            return changed
    return None


def _instead(wanted: Wanted, data: bytes, number: int, *, again: bool) -> bytes | None:
    """What stands in the copy instead of an entry."""
    text = dict(_entries(wanted, data)).get(number)
    if text is None or again or text[:2].lower() == "if" or text[:5].lower() == "endif":
        return None  # the whole file, a block of it, or a pattern that would have matched before others
    if wanted.kind == "postgrey":
        return b"# not possible in Gatepost: " + text.encode("utf-8", "backslashreplace")
    return _split(wanted, text)[0].encode() + b" DUNNO"


def _with(data: bytes, instead: dict[int, bytes]) -> bytes:
    """The file with other lines; what continued them goes."""
    kept: list[bytes] = []
    inside = False
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.strip(SPACE.encode())
        if number in instead:
            kept.append(instead[number])
            inside = True
        elif inside and bare and line[:1].isspace() and not bare.startswith(b"#"):
            continue
        else:
            inside = inside and (not bare or bare.startswith(b"#"))
            kept.append(line)
    return b"\n".join(kept)
