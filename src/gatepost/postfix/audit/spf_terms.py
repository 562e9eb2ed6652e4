"""The terms of an SPF record (RFC 7208, 4.6.1), and changes to them. Pure; raises SpfError."""

import re
from collections.abc import Iterable

import msgspec

BEGINS = "v=spf1"
QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
MECHANISMS = ("all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists")
_MECHANISM = re.compile(
    r"(?P<sign>[+?~-]?)(?P<name>[a-z0-9]+)(?::(?P<value>[^/\s]*))?(?P<masks>(?:/[0-9/]+)?)",
    re.IGNORECASE | re.ASCII,
)
_NETWORK = re.compile(r"(?P<sign>[+?~-]?)(?P<name>ip[46]):(?P<value>\S+)", re.IGNORECASE | re.ASCII)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>\S*)", re.IGNORECASE | re.ASCII)
_MASKS = re.compile(r"(?:/(?P<four>\d{1,3}))?(?://(?P<six>\d{1,3}))?", re.ASCII)


class SpfError(Exception):
    """The record is wrong (permerror, RFC 7208, 2.6.7); the text says how."""


class Term(msgspec.Struct, frozen=True):
    """One mechanism."""

    text: str
    qualifier: str
    """What it means when it matches: `pass`, `fail`, `softfail`, `neutral`."""
    name: str
    value: str = ""
    four: int = 32
    six: int = 128


class Record(msgspec.Struct, frozen=True):
    """A record that was read."""

    terms: tuple[Term, ...]
    redirect: str = ""


def parse(text: str) -> Record:
    """The terms of a record.

    Raises:
        SpfError: it holds something that is no term.
    """
    terms: list[Term] = []
    redirect = ""
    for word in text.split()[1:]:
        modifier = _MODIFIER.fullmatch(word)
        if modifier is None:
            terms.append(_mechanism(word))
        elif modifier["name"].lower() == "redirect":
            if redirect or not modifier["value"]:
                raise SpfError("redirect= must stand there once, with a domain")
            redirect = modifier["value"]
    return Record(tuple(terms), redirect)


def _mechanism(word: str) -> Term:
    found = _NETWORK.fullmatch(word) or _MECHANISM.fullmatch(word)
    name = found["name"].lower() if found else ""
    if found is None or name not in MECHANISMS:
        raise SpfError(f'"{word[:60]}" is no mechanism')
    value = found["value"] or ""
    if name in ("include", "exists", "ip4", "ip6") and not value:
        raise SpfError(f'"{word[:60]}" lacks what stands after the colon')
    masks = _MASKS.fullmatch(found["masks"] if "masks" in found.groupdict() else "")
    if masks is None or (name not in ("a", "mx") and masks[0]):
        raise SpfError(f'"{word[:60]}" has a mask that means nothing')
    four, six = int(masks["four"] or 32), int(masks["six"] or 128)
    if four > 32 or six > 128:
        raise SpfError(f'"{word[:60]}" has a mask that is too long')
    return Term(word, QUALIFIERS[found["sign"] or "+"], name, value, four, six)


def with_term(text: str, term: str) -> str:
    """The record with one more mechanism, before what decides about everybody else."""
    words = text.split()
    at = next((n for n, word in enumerate(words) if n and _is_last(word)), len(words))
    return " ".join((*words[:at], term, *words[at:]))


def with_all(text: str, last: str) -> str:
    """The record with `last` (`~all`) as its end."""
    return " ".join((*(word for word in text.split() if not _is_last(word)), last))


def merged(texts: Iterable[str]) -> str:
    """One record that permits whom any of these permits, and ends in the mildest of their ends."""
    words = [word for text in texts for word in text.split()[1:]]
    rest = dict.fromkeys(word for word in words if not _is_last(word))
    return " ".join((BEGINS, *rest, "-all" if "-all" in words and "~all" not in words else "~all"))


def _is_last(word: str) -> bool:
    return word.lower().lstrip("+-~?") == "all" or word.lower().startswith("redirect=")
