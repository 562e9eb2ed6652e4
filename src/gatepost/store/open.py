"""From a URL to a store.

Raises: StoreError for a URL that names none.
"""

from pathlib import Path

from gatepost.clock import Clock
from gatepost.store import snapshot
from gatepost.store.base import Store, StoreError
from gatepost.store.beside import StoreBeside
from gatepost.store.memory import MemoryStore
from gatepost.store.options import StoreOptions
from gatepost.store.places import kept_path
from gatepost.store.sqlite import SqliteStore


def open_store(options: StoreOptions, clock: Clock) -> Store:
    """The store that `options.url` names; not opened yet."""
    if options.url == "memory:":
        return MemoryStore(options, clock)
    return SqliteStore(sqlite_path(options.url), options, clock)


def open_beside(options: StoreOptions, clock: Clock, *, change_lists: bool = False) -> Store:
    """The same store for a command, beside a running daemon or without: nothing but the lists is changed.

    Raises:
        StoreError: it is no store that two processes can look at.
    """
    if options.url == "memory:":
        raise StoreError("memory: is forgotten when the daemon ends, and only the daemon can look into it")
    return StoreBeside(sqlite_path(options.url), options, clock, change_lists=change_lists)


def restore_snapshot(options: StoreOptions, number: int = 0) -> str:
    """Put a snapshot of what people entered back, while no daemon runs; a sentence about what was done.

    Raises:
        StoreError: it cannot be done.
    """
    return snapshot.restore(kept_path(sqlite_path(options.url)), number)


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
