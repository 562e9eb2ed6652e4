"""What no type can state about the sections of the parts: is this a place to listen at, is that a store?"""

import re
from collections.abc import Callable, Mapping
from fnmatch import filter as filter_names
from functools import partial
from typing import Any

from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.ban.filters import all_filters
from gatepost.ban.jail import MAIL
from gatepost.ban.options import BanOptions
from gatepost.ban.rules import find
from gatepost.clock import SystemClock
from gatepost.config.lines import KeyPath
from gatepost.config.problem import nearest
from gatepost.config.read import Reader
from gatepost.server.listen import ListenOptions
from gatepost.server.place import place
from gatepost.store.base import StoreError
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

_MODE = re.compile(r"0?[0-7]{3}")


def check_values(reader: Reader, read: Mapping[str, Any]) -> None:
    """Note what is wrong with sections (by name) that could be read."""
    _check_bans(reader, read)
    if isinstance(listen := read.get("listen"), ListenOptions):
        _check_listen(reader, listen)
    if isinstance(store := read.get("store"), StoreOptions):
        _try(reader, ("store", "url"), partial(open_store, store, SystemClock()))


def _check_bans(reader: Reader, read: Mapping[str, Any]) -> None:
    if isinstance(ban := read.get("ban"), BanOptions):
        known = [rule.name for rule in find()] if ban.weights else []
        for pattern in ban.weights:
            if not filter_names(known, pattern):
                reader.wrong(("ban", "weights", pattern), f"no such rule{nearest(pattern, known)}")
    jails = read.get("jail", ())
    for number, jail in enumerate(jails if isinstance(jails, tuple) else ()):
        if jail.name == MAIL or jail.name in [other.name for other in jails[:number]]:
            reader.wrong(("jail", number, "name"), f'there is another jail called "{jail.name}"')
        for word in jail.ignored[1]:
            reader.warn(("jail", number, "ignoreip"), f'"{word}" is no address or network; it is left out')


def check_filters(reader: Reader, jails: object) -> None:
    """Note filters of jails that cannot be used: a pattern is wrong, a file may go with its package."""
    for number, jail in enumerate(jails if isinstance(jails, tuple) else ()):
        try:
            all_filters((jail,))
        except FilterError as error:
            if error.file:
                reader.warn(("jail", number, "filter"), f"the jail is off: {error}")
            else:
                reader.wrong(("jail", number, "filter"), str(error))


def _check_listen(reader: Reader, options: ListenOptions) -> None:
    for number, text in enumerate(options.policy):
        _try(reader, ("listen", "policy", number), partial(place, text))
    if not _MODE.fullmatch(options.socket_mode):
        reader.wrong(
            ("listen", "socket_mode"), f'"{options.socket_mode}" is no mode; write for example "0660"'
        )


def _try(reader: Reader, path: KeyPath, make: Callable[[], object]) -> None:
    try:
        make()
    except (ValueError, StoreError) as error:
        reader.wrong(path, str(error))
