"""What no type can state about the sections of the parts: is this a place to listen at, is that a store?"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gatepost.clock import SystemClock
from gatepost.config.lines import KeyPath
from gatepost.config.read import Reader
from gatepost.server.listen import ListenOptions
from gatepost.server.place import place
from gatepost.store.base import StoreError
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

_MODE = re.compile(r"0?[0-7]{3}")


def check_values(reader: Reader, read: Mapping[str, Any]) -> None:
    """Note what is wrong with sections (by name) that could be read."""
    if isinstance(listen := read.get("listen"), ListenOptions):
        _check_listen(reader, listen)
    if isinstance(store := read.get("store"), StoreOptions):
        _try(reader, ("store", "url"), partial(open_store, store, SystemClock()))


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
