"""`name[mode=aggressive, opt="…"]`: a filter with parameters, as a jail names it (jail.conf(5)). Pure.

Raises: FilterError.
"""

import re

import msgspec

from gatepost.ban.fail2ban.trouble import FilterError

MAX_SPEC = 32 * 1024

_SPEC = re.compile(r"([^\[]+)(?:\[(.*)\])?\s*", re.DOTALL)
_PARAMETER = re.compile(r"""\s*([\w.-]+)=(?:"([^"]*)"|'([^']*)'|([^,\]"']*))\s*(?:,|\]\s*\[|\Z)""", re.DOTALL)


class Spec(msgspec.Struct, frozen=True):
    """A name and its parameters."""

    name: str
    parameters: dict[str, str]


def parse_spec(text: str) -> Spec:
    """Name and parameters. Raises FilterError."""
    match = _SPEC.fullmatch(text) if len(text) <= MAX_SPEC else None
    if match is None:
        raise FilterError(f"{text[:60]!r} is not a filter's name with parameters in brackets")
    parameters: dict[str, str] = {}
    inner, at = match[2] or "", 0
    while inner[at:].strip(" \t\n,"):
        one = _PARAMETER.match(inner, at)
        if one is None:
            raise FilterError(f"{text[:60]!r}: expected name=value, found {inner[at : at + 30]!r}")
        parameters[one[1]] = next(value for value in one.group(2, 3, 4) if value is not None).strip()
        at = one.end()
    return Spec(match[1].strip(), parameters)
