"""Several lists of restrictions as one: what one of them refuses is refused, and nothing else.

Postfix goes through the lists of client, HELO and sender one after the other; what permits ends its own list
alone. One list for all of them is found by trying, and is believed only when it comes to the same for every
combination of what the restrictions that can permit may say.

Pure. Raises nothing.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations

import msgspec

from gatepost.postfix.conf.restrictions import Item

PERMITS = frozenset(
    (
        *("permit_mynetworks", "permit_sasl_authenticated", "permit_inet_interfaces"),
        *("permit_tls_clientcerts", "permit_tls_all_clientcerts"),
    )
)
"""What permits or says nothing, and the same whenever it is asked in a mail."""
LOGGED_IN = ("permit_sasl_authenticated", "")
MOST = 8
"""Restrictions that can permit; with more, the combinations would be too many."""
Grants = frozenset[tuple[str, str]]
"""Restrictions that permit, by name and argument."""


class Joined(msgspec.Struct, frozen=True):
    """Lists as one."""

    items: tuple[Item, ...]
    in_order: bool
    """Whether all is asked in the order of the lists; else a mail that several restrictions refuse may be
    told another of their reasons."""


def join(lists: Sequence[Sequence[Item]]) -> Joined | None:
    """One list that refuses what these refuse, in their order; None when there is none."""
    lists = [short for one in lists if (short := _without_end(one))]
    if len(lists) < 2:
        return Joined(tuple(lists[0]) if lists else (), in_order=True)
    able = {_key(item) for one in lists for item in one if item.can_permit and item.name != "permit"}
    if len(able) > MOST:
        return None
    some = (frozenset(chosen) for n in range(len(able) + 1) for chosen in combinations(sorted(able), n))
    every = [grants for grants in some if _can_be(grants, able)]
    tried = [*_candidates(lists)]
    for in_order in (True, False):
        for items in tried:
            if all(_same(lists, items, grants, in_order=in_order) for grants in every):
                return Joined(tuple(items), in_order)
    return None


def _can_be(grants: Grants, able: set[tuple[str, str]]) -> bool:
    """Whether these can permit together: a map of user names says nothing of a client without one."""
    by_name = any(name == "check_sasl_access" for name, _ in grants)
    return not by_name or LOGGED_IN not in able or LOGGED_IN in grants


def _key(item: Item) -> tuple[str, str]:
    return item.same[:2]


def _without_end(items: Sequence[Item]) -> list[Item]:
    """The list without a `permit` at its end, which is there by itself."""
    found = [*items]
    while found and found[-1].name == "permit":
        found.pop()
    return found


def _candidates(lists: Sequence[Sequence[Item]]) -> Iterator[list[Item]]:
    for ordered in permutations(lists):
        items = [*chain.from_iterable(ordered)]
        yield _brief(items)
        yield items
    for one in lists:  # its last restrictions may ask only whom the other lists let through
        others = [*chain.from_iterable(other for other in lists if other is not one)]
        for at in range(1, len(one)):
            yield _brief([*one[:at], *others, *one[at:]])


def _brief(items: Sequence[Item]) -> list[Item]:
    """The list without permits that stand in it already, and without what comes after its end."""
    found: list[Item] = []
    for item in items:
        if item.name not in PERMITS or all(item.same != one.same for one in found):
            found.append(item)
        if _refuses(item):
            break
    return found


def _refuses(item: Item) -> bool:
    return item.name in ("reject", "defer") and not item.warns


def _same(lists: Sequence[Sequence[Item]], items: Sequence[Item], grants: Grants, *, in_order: bool) -> bool:
    """Whether one list asks and ends as the lists do, when these restrictions permit."""
    asked, end = _walk(lists, grants)
    other_asked, other_end = _walk([items], grants)
    if in_order:
        return (asked, end) == (other_asked, other_end)
    return bool(end and other_end) or (end == other_end and {*asked} == {*other_asked})


def _walk(lists: Sequence[Sequence[Item]], grants: Grants) -> tuple[list[tuple[str, str, bool]], str]:
    """What is asked that might refuse, in order, and what refuses whoever comes so far (empty: nothing)."""
    asked: list[tuple[str, str, bool]] = []
    for one in lists:
        for item in one:
            if _refuses(item):
                return asked, item.name
            if item.name not in PERMITS and item.name != "permit":
                asked.append(item.same)
            if item.name == "permit" or _key(item) in grants:
                break
    return asked, ""
