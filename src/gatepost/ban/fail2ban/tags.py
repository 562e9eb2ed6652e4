"""`<name>` in values: replaced by the value of that name, again and again, from the inside. Pure.

What has no value stays: `<HOST>` and its kind are for the patterns. `<mdre-<mode>>`
first becomes `<mdre-normal>`, and then what that says.

Raises: FilterError.
"""

import re
from collections.abc import Callable

from gatepost.ban.fail2ban.trouble import FilterError

MAX_SAME = 25
"""How often one name may be replaced in one value; more is a circle."""
MAX_VALUE = 128 * 1024

_TAG = re.compile(r"<([^ <>]+)>")

Lookup = Callable[[str], str | None]


def replaced(name: str, value: str, lookup: Lookup) -> str:
    """`value` of the option `name`, with each tag replaced that `lookup` knows."""
    counts: dict[str, int] = {}
    while True:
        changed = _once(name, value, lookup, counts)
        if changed == value:
            return value
        value = changed


def _once(name: str, value: str, lookup: Lookup, counts: dict[str, int]) -> str:
    size = len(value)

    def known(match: re.Match[str]) -> str:
        nonlocal size
        tag = match[1]
        said = lookup(tag)
        if said is None:
            return match[0]
        counts[tag] = counts.get(tag, 0) + 1
        size += len(said)
        if tag == name or counts[tag] > _MAX_IN_ALL:
            raise FilterError(f"{name}: <{tag}> leads back to itself")
        if size > MAX_VALUE:
            raise FilterError(f"{name}: comes to more than {MAX_VALUE} characters")
        return said

    return _TAG.sub(known, value)


_MAX_IN_ALL = MAX_SAME * 40  # a pass replaces all places at once, and sshd's has many of one name
