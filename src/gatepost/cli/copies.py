"""A store for `gatepost ask`: a blank one, or a copy of the one that is given, so that nothing changes."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from gatepost.cli.trouble import CommandError
from gatepost.clock import Clock
from gatepost.store.base import Greylist, Meeting, Store, StoreError, Terms, Triplet
from gatepost.store.blank import BlankStore
from gatepost.store.file import connect
from gatepost.store.open import open_store, sqlite_path
from gatepost.store.options import StoreOptions
from gatepost.store.places import kept_path


@contextmanager
def store_for_asking(options: StoreOptions, clock: Clock, *, wanted: bool) -> Iterator[Store]:
    """What `options` name, as it is now, if that is wanted; nothing that is asked of it changes it."""
    if not wanted or options.url == "memory:":
        yield BlankStore()
        return
    with TemporaryDirectory(prefix="gatepost-ask-") as folder:
        try:
            copy = _copy(sqlite_path(options.url), Path(folder), options)
            store = open_store(copy, clock)
        except StoreError as error:
            raise CommandError(f"--store: {error}") from None
        yield Copy(store)


def _copy(path: Path, folder: Path, options: StoreOptions) -> StoreOptions:
    if not path.exists():
        raise CommandError(f"--store: there is no store at {path}")
    for source in (path, kept_path(path)):
        if source.exists():
            _copy_file(source, folder / source.name, options.busy_timeout)
    return msgspec.structs.replace(options, url=f"sqlite:{folder / path.name}")


def _copy_file(source: Path, target: Path, busy: float) -> None:
    """A copy of a database that others may be writing to."""
    try:
        with closing(connect(source, "ro", busy)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
    except sqlite3.Error as error:
        raise CommandError(f"--store: {source} cannot be read: {error}") from None


class Copy:
    """A copy of a store, whose triplets stay as they are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.greylist: Greylist = Unmoved(store.greylist)
        self.lists = store.lists
        self.correspondents = store.correspondents
        self.journal = store.journal

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()

    def troubles(self) -> tuple[str, ...]:
        return self._store.troubles()


class Unmoved:
    """Greylisting that answers what would be answered now, however often it is asked."""

    def __init__(self, greylist: Greylist) -> None:
        self._greylist = greylist
        self._met: dict[Triplet, Meeting] = {}

    async def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting:
        if triplet not in self._met:
            answer = self._greylist.meet(triplet, now, terms)
            self._met[triplet] = answer if isinstance(answer, Meeting) else await answer
        return self._met[triplet]

    async def start(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Nothing is remembered."""

    def accept(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Nothing is remembered."""

    async def expire(self, now: float, terms: Terms) -> int:  # noqa: ARG002
        return 0

    async def count(self) -> dict[str, int]:
        return await self._greylist.count()
