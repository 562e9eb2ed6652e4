"""The own lists of all sources together: entries from the store, from the configuration, and from files.

Asked for every request; costs next to nothing while there are no entries, and
dictionary look-ups only, however many there are.
"""

from collections.abc import Callable, Iterator, Sequence
from threading import Lock

from gatepost.access.base import Match
from gatepost.access.entry import Table
from gatepost.access.files import AccessFile, wanted_files
from gatepost.access.index import Index
from gatepost.access.lookup import WITH_SENDER, Style, keys, search
from gatepost.access.options import AccessOptions, InlineEntry
from gatepost.access.own import OwnEntries, guess_looks_at
from gatepost.clock import Clock
from gatepost.model import Request
from gatepost.store.base import ListEntry

CONFIGURATION = "configuration"

_STRENGTH = {"deny": 0, "defer": 1, "allow": 2, "expect": 4, "note": 5}
_Ask = Callable[[Request], Iterator[Match]]


class AccessTable:
    """An `access.base.Access` over everything that is configured and entered."""

    def __init__(self, options: AccessOptions, clock: Clock) -> None:
        """Read nothing yet: see `load`."""
        self._clock = clock
        self._style = Style(options.parent_domain_matches, options.recipient_delimiter)
        self._files = tuple(AccessFile(wanted, clock.now) for wanted in wanted_files(options))
        self._inline = OwnEntries(list(inline_entries(options)), CONFIGURATION)
        self._own = OwnEntries(())
        self._asked: tuple[_Ask, ...] = ()
        self._version = 0
        self._changing = Lock()  # files are read in a thread, entries of the store come from the event loop

    # --- reading ---

    def load(self) -> None:
        """Read every file; see `load_errors` for what is wrong in them."""
        for file in self._files:
            file.refresh(at_once=True)
        self._changed()

    def refresh(self) -> bool:
        """Read the files that changed, which costs a few system calls; True when entries did."""
        changed = [file.refresh() for file in self._files]
        if any(changed):
            self._changed()
        return any(changed)

    def set_entries(self, entries: Sequence[ListEntry]) -> None:
        """The entries of the store, all of them; those that are over are left out when asked."""
        self._own = OwnEntries(entries)
        self._changed()

    def load_errors(self) -> tuple[str, ...]:
        """What must be mended before the configuration is good: sentences with file and line.

        A missing file is none of these, nor is what Postfix would only warn about.
        """
        broken = [str(trouble) for file in self._files for trouble in file.errors]
        return (*self._inline.errors, *broken)

    def troubles(self) -> tuple[str, ...]:
        """Everything that people should know about the own lists now, by file and line."""
        found = [text for file in self._files for text in file.troubles()]
        return (*self._inline.errors, *self._own.errors, *found)

    # --- asking ---

    @property
    def version(self) -> int:
        """Changes whenever an entry does."""
        return self._version

    def matches(self, request: Request) -> tuple[Match, ...]:
        """Every entry that fits, the strongest first; of a Postfix map at most one, as access(5) finds it."""
        if not self._asked:
            return ()
        found = [match for ask in self._asked for match in ask(request)]
        if len(found) > 1:
            found.sort(key=_strength)
        return tuple(found)

    def _changed(self) -> None:
        with self._changing:
            self._asked = tuple(self._askers())
            self._version += 1

    def _askers(self) -> list[_Ask]:
        asked: list[_Ask] = [self._ask_own] if len(self._own) or len(self._inline) else []
        tables: dict[str, list[Table]] = {}
        for file in self._files:
            if file.content is None or not len(file.content):
                continue
            if isinstance(file.content, Index):
                asked.append(_index_asker(file.wanted.looks_at, file.content))
            else:
                tables.setdefault(file.wanted.looks_at, []).append(file.content)
        asked.extend(_tables_asker(looks_at, some, self._style) for looks_at, some in tables.items())
        return asked

    def _ask_own(self, request: Request) -> Iterator[Match]:
        now, sender_known = self._clock.now(), request.stage in WITH_SENDER
        for entries in (self._own, self._inline):
            yield from entries.matches(request, now, sender_known=sender_known)


def inline_entries(options: AccessOptions) -> Iterator[ListEntry]:
    """The entries that stand in the configuration itself."""
    for list_name, entries in (("allow", options.allow), ("deny", options.deny)):
        for entry in entries:
            inline = InlineEntry(what=entry) if isinstance(entry, str) else entry
            yield ListEntry(
                list=list_name,
                what=inline.what,
                looks_at=inline.looks_at or guess_looks_at(inline.what, list_name),
                scope=inline.scope,
                comment=inline.comment,
            )


def _tables_asker(looks_at: str, tables: Sequence[Table], style: Style) -> _Ask:
    """Asks several tables about the same thing, whose keys are made once."""

    def ask(request: Request) -> Iterator[Match]:
        wanted = keys(looks_at, request, style)
        for table in tables:
            entry = search(table, wanted)
            if entry is not None and entry.match is not None:
                yield entry.match

    return ask


def _index_asker(looks_at: str, index: Index[Match]) -> _Ask:
    """Asks a list of postgrey's."""
    if looks_at == "client":
        return lambda request: index.client(request.client_name, request.client_address)
    return lambda request: index.mail(request.recipient) if request.recipient else iter(())


def _strength(match: Match) -> tuple[int, bool]:
    return _STRENGTH[match.kind], match.scope != "all"
