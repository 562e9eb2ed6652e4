"""Which files of a folder are older parts of a log, and in which order they were written.

Pure. As logrotate names them (logrotate(8)): `mail.log.1`, the greater the
older, or with `dateext` `mail.log-20261128`. Packed ones are left alone: they are not
written to any more, and were read before they were packed, or are too old to matter.
"""

import re
from collections.abc import Iterable

import msgspec

_NUMBERED = re.compile(r"\.([0-9]{1,6})")
_DATED = re.compile(r"[-.]([0-9][0-9T.:_-]{5,30})")


class Part(msgspec.Struct, frozen=True):
    """A file beside a log."""

    name: str
    device: int
    inode: int
    modified: int
    """Nanoseconds since 1970."""


def is_part(log: str, name: str) -> bool:
    """Whether `name` looks like an older part of the file `log`."""
    ending = _ending(log, name)
    return bool(_NUMBERED.fullmatch(ending) or _DATED.fullmatch(ending))


def younger(log: str, parts: Iterable[Part], than: Part | None, modified: int) -> list[Part]:
    """The parts of `log` written after the part `than`, itself last written to at `modified`; oldest first.

    Where that one is gone, time alone tells. A name alone never does: others count in other ways.
    """
    others = [part for part in parts if part != than and is_part(log, part.name)]
    if than is None or not is_part(log, than.name):
        found = [part for part in others if part.modified > modified]
        return sorted(found, key=lambda part: part.modified)
    dated, age = _age(log, than.name)
    aged = [(_age(log, part.name), part) for part in others]
    later = [
        (key, part) for key, part in aged if key[0] == dated and key[1] > age and part.modified >= modified
    ]
    return [part for _, part in sorted(later, key=lambda pair: pair[0])]


def _ending(log: str, name: str) -> str:
    """What `name` has more than `log`; with logrotate's `extension` that stands before the suffix."""
    if name.startswith(log):
        return name[len(log) :]
    stem, dot, suffix = log.rpartition(".")
    if stem and name.startswith(stem) and name.endswith(dot + suffix):
        return name[len(stem) : -len(dot + suffix)]
    return ""


def _age(log: str, name: str) -> tuple[bool, str]:
    """Greater for a younger part, within one way of naming."""
    ending = _ending(log, name)
    numbered = _NUMBERED.fullmatch(ending)
    return (False, f"{999_999 - int(numbered[1]):06}") if numbered else (True, ending)
