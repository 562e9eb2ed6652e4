"""The tables `[rules]` and `[delay]`: patterns over rule names, in the order in which they stand.

A pattern that can match nothing is an error: a typing mistake there would
silently change what is refused. So is a worth by which we would refuse mail
for our own trouble.
"""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gatepost.config.lines import KeyPath
from gatepost.config.problem import found_text, nearest
from gatepost.config.read import MISSING, Reader

OWN_TROUBLE = "error."
_HARMLESS = (0, "pass", "defer")


class Entry(msgspec.Struct, frozen=True):
    """What a pattern is given, and where."""

    value: Any
    path: KeyPath


Patterns = dict[str, Entry]


def read_patterns(reader: Reader, plain: object, section: str, kind: Any) -> Patterns:
    """The table `[section]`, each value as `kind`, ordered as in the file; what is wrong is noted."""
    if not isinstance(plain, dict):
        reader.wrong((section,), f"expected a table, found {found_text(plain)}")
        return {}
    read: Patterns = {}
    for path, value in sorted(_flatten(plain, (section,)), key=lambda found: reader.order(found[0])):
        pattern = ".".join(map(str, path[1:]))
        if pattern in read:
            reader.wrong(path, f'"{pattern}" stands twice')
        elif (got := reader.value(kind, value, path)) is not MISSING:
            read[pattern] = Entry(got, path)
    return read


def _flatten(table: dict[str, Any], before: KeyPath) -> Iterable[tuple[KeyPath, Any]]:
    """Each pattern's path and value: `helo.ours = 1`, unquoted, is to TOML a table within a table."""
    for key, value in table.items():
        path = (*before, key)
        if isinstance(value, dict):
            yield from _flatten(value, path)
        else:
            yield path, value


def check_names(reader: Reader, patterns: Patterns, rules: Collection[str]) -> None:
    """Note every pattern that matches none of `rules`."""
    candidates = {*rules, *(f"{name.rpartition('.')[0]}.*" for name in rules)}
    for pattern, entry in patterns.items():
        if not any(fnmatchcase(name, pattern) for name in rules):
            near = nearest(pattern, candidates)
            reader.wrong(entry.path, f"no rule has such a name, so this can match nothing{near}")


def check_own_trouble(reader: Reader, patterns: Patterns, rules: Iterable[str]) -> None:
    """Note every pattern by which mail would be refused for our own trouble."""
    blamed: dict[str, str] = {}
    for rule in rules:
        pattern = next((p for p in patterns if fnmatchcase(rule, p)), "")
        if rule.startswith(OWN_TROUBLE) and pattern and patterns[pattern].value not in _HARMLESS:
            blamed.setdefault(pattern, rule)
    for pattern, rule in blamed.items():
        found = found_text(patterns[pattern].value)
        text = f'expected 0, "pass" or "defer", found {found}: no mail is refused for our own trouble'
        if not pattern.startswith(OWN_TROUBLE):
            text += f', and this covers {rule} too; write "error.*" = 0 before it'
        reader.wrong(patterns[pattern].path, text)
