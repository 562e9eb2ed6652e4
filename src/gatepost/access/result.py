"""The right-hand side of an access table: what each result of access(5) means here. Pure.

A policy service answers with one action and cannot do everything that a table
inside Postfix can. What it cannot honour is refused when the file is read,
never passed over.
"""

import re
from typing import Literal

import msgspec

from gatepost.access.lines import SPACE

LooksAt = Literal["client", "helo", "sender", "recipient"]
Kind = Literal["allow", "deny", "defer", "dunno", "note"]


class ResultError(ValueError):
    """This result cannot be honoured; the text is a sentence for the administrator."""


class Result(msgspec.Struct, frozen=True):
    """What an entry says about what it matches."""

    kind: Kind
    code: int = 0
    """Reply code; 0: the default (access_map_reject_code, access_map_defer_code)."""
    enhanced: str = ""
    """Enhanced status code as written, of the class of `code`; empty: the default."""
    text: str = ""
    if_permit: bool = False
    """DEFER_IF_PERMIT: a later refusal still wins."""
    warning: str = ""
    """What the administrator should know: the entry does not do what it seems to."""


_STAYS = "let Postfix do it: keep this entry in a check_*_access table of main.cf"
_NOT_HERE = {
    "bcc": f"BCC cannot be honoured here, where nothing is added to a mail; {_STAYS}",
    "discard": f"DISCARD cannot be honoured here, where no mail may vanish; write REJECT, or {_STAYS}",
    "filter": f"FILTER cannot be honoured from a policy service whose answer may still change; {_STAYS}",
    "hold": f"HOLD cannot be honoured here; {_STAYS}",
    "prepend": f"PREPEND cannot be honoured here; {_STAYS}",
    "redirect": f"REDIRECT cannot be honoured here; {_STAYS}",
    "defer_if_reject": f"DEFER_IF_REJECT cannot be honoured here, before all restrictions ran; {_STAYS}",
    "warn_if_reject": "warn_if_reject cannot be honoured here; give the rule worth 0 in [rules] instead",
}
_ENHANCED = re.compile(r"(?P<code>[245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
_HANG_UP = (421, 521)
_CODE = re.compile(r"[45]\d\d")
_RESTRICTION = re.compile(r"(?:permit|reject|check|defer|sleep)_[a-z_]+")
_ADDRESS_STATUS = {
    "sender": {"1": "7", "2": "8", "3": "7", "4": "7", "6": "7", "7": "7", "8": "8"},
    "recipient": {"1": "1", "2": "2", "3": "3", "4": "4", "5": "5", "6": "6", "7": "3", "8": "2"},
}
"""Detail of X.1.detail (addressing status) for what was looked at (access(5), "ENHANCED STATUS CODES")."""


def parse_result(value: str, looks_at: LooksAt) -> Result:
    """The meaning of `value`, in any case of letters, with its optional text.

    Raises:
        ResultError: it cannot be honoured, or says nothing.
    """
    word, rest = split_word(value)
    command = word.lower()
    if command in _NOT_HERE:
        raise ResultError(_NOT_HERE[command])
    if command in ("dunno", "ok", "relay"):
        return Result("dunno" if command == "dunno" else "allow")
    if command in ("info", "warn"):
        return Result("note", text=rest)
    if command == "reject":
        return _refusal("deny", 0, "5", rest, looks_at)
    if command in ("defer", "defer_if_permit"):
        result = _refusal("defer", 0, "4", rest, looks_at)
        return msgspec.structs.replace(result, if_permit=command == "defer_if_permit")
    if value.isascii() and value.isdigit():
        return Result("allow", warning=_numeric_warning(value))
    if _CODE.fullmatch(word) and rest:
        return _refusal("deny" if word[0] == "5" else "defer", int(word), word[0], rest, looks_at)
    return _restriction(value)


def split_word(value: str) -> tuple[str, str]:
    """The first word of a result, and its text without control characters."""
    value = value.strip(SPACE)
    end = next((i for i, c in enumerate(value) if c in " \t"), len(value))
    return value[:end], "".join(c if c.isprintable() else " " for c in value[end:]).strip(" ")


def _refusal(kind: Kind, code: int, of_class: str, text: str, looks_at: LooksAt) -> Result:
    warning = (
        f"{code} does not hang up here; the mail is answered as with another code" if code in _HANG_UP else ""
    )
    found = _ENHANCED.match(text)
    if not found:
        return Result(kind, code=code, text=text, warning=warning)
    enhanced = of_class + _fit_status(found["code"], looks_at)[1:]
    return Result(kind, code=code, enhanced=enhanced, text=text[found.end() :], warning=warning)


def _fit_status(enhanced: str, looks_at: LooksAt) -> str:
    """Make an addressing status fit what was looked at, as Postfix does for tables used in several places."""
    level, subject, detail = enhanced.split(".")
    if subject != "1":
        return enhanced
    if looks_at not in _ADDRESS_STATUS:
        return f"{level}.0.0"
    return f"{level}.1.{_ADDRESS_STATUS[looks_at].get(detail, '0')}"


def _numeric_warning(value: str) -> str:
    if _CODE.fullmatch(value):
        return f'"{value}" without a text lets the mail in (all-numeric means OK); write "{value} some text"'
    return ""


def _restriction(value: str) -> Result:
    """A list of restrictions: those that decide by themselves are honoured."""
    names = value.replace(",", " ").split()
    first = names[0].lower() if names else ""
    if first == "permit":
        return Result("allow")
    if first == "reject":
        return Result("deny")
    if first == "defer":
        return Result("defer", enhanced="4.3.2")
    if first == "defer_if_permit":
        return Result("defer", if_permit=True)
    if first in _NOT_HERE:
        raise ResultError(_NOT_HERE[first])
    if ":" in value:
        raise ResultError(
            f'a table inside a table cannot be honoured: "{value}" (Postfix refuses it as well)'
        )
    if _RESTRICTION.fullmatch(first):
        raise ResultError(
            f'the restriction "{first}" runs inside Postfix and cannot be honoured here; {_STAYS}'
        )
    if _CODE.match(first):
        raise ResultError(f'"{value}" is no result of access(5); write for example "550 5.7.1 reason"')
    raise ResultError(
        f'"{value}" is no result of access(5) (OK, REJECT, DUNNO, 4NN or 5NN with text, ...); '
        "a restriction class runs inside Postfix and cannot be honoured here"
    )
