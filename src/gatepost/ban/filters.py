"""The filters of fail2ban that jails have.

Raises: FilterError.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.ban.options import JailOptions
from gatepost.network import Address

if TYPE_CHECKING:
    from gatepost.ban.loaded import LoadedFilter


def all_filters(
    jails: Iterable[JailOptions], mode: str = "", own: frozenset[Address] = frozenset()
) -> "dict[str, LoadedFilter]":
    """The filters of those jails that have one, by the jails' names; `mode` as in `[mode=...]`."""
    with_filter = [jail for jail in jails if jail.filter]
    if not with_filter:
        return {}
    from gatepost.ban.loaded import load_filter  # noqa: PLC0415 - see there

    return {jail.name: load_filter(jail.filter, mode, own) for jail in with_filter}


def usable_filters(
    jails: Iterable[JailOptions], own: frozenset[Address]
) -> "tuple[dict[str, LoadedFilter], list[str]]":
    """The filters that can be used, by their jails' names, and sentences about jails that are off without."""
    found: dict[str, LoadedFilter] = {}
    troubles: list[str] = []
    for jail in jails:
        try:
            found |= all_filters((jail,), own=own)
        except FilterError as error:
            troubles.append(f"the jail {jail.name} is off: {error}")
    return found, troubles
