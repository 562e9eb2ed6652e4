"""From a URL to a store.

Raises: StoreError for a URL that names none.
"""

from pathlib import Path

from gatepost.clock import Clock
from gatepost.store.base import Store, StoreError
from gatepost.store.memory import MemoryStore
from gatepost.store.options import StoreOptions
from gatepost.store.sqlite import SqliteStore


def open_store(options: StoreOptions, clock: Clock) -> Store:
    """The store that `options.url` names; not opened yet."""
    if options.url == "memory:":
        return MemoryStore(options)
    return SqliteStore(sqlite_path(options.url), options, clock)


def sqlite_path(url: str) -> Path:
    """The file that a `sqlite:` URL names.

    Raises:
        StoreError: it is no such URL.
    """
    scheme, colon, path = url.partition(":")
    if scheme != "sqlite" or not colon or not path or "\0" in path:
        raise StoreError(
            f'"{url}" names no store: write "memory:", or "sqlite:" and the path of a file,'
            ' such as "sqlite:/var/lib/gatepost/gatepost.db"'
        )
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    return Path(path).expanduser().absolute()
