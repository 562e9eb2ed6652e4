"""A store that knows nothing and remembers nothing: for `gatepost ask`, to which every mail is new."""

from collections.abc import Mapping, Sequence

from gatepost.store.base import (
    Ban,
    Bans,
    Brought,
    BroughtClient,
    Correspondents,
    Greylist,
    Journal,
    JournalEntry,
    ListEntry,
    Lists,
    Meeting,
    Outcome,
    Past,
    StoreError,
    Terms,
    Triplet,
    Trusted,
)


class BlankGreylist:
    """Every triplet is new."""

    def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting:  # noqa: ARG002
        return Meeting(Outcome.NEW, now, terms.delay)

    async def start(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Nothing waits."""

    def accept(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Nothing is remembered."""

    async def bring(
        self,
        triplets: Sequence[Brought],  # noqa: ARG002
        clients: Sequence[BroughtClient],  # noqa: ARG002
        now: float,  # noqa: ARG002
        terms: Terms,  # noqa: ARG002
    ) -> dict[str, int]:
        raise StoreError("nothing is remembered here, no triplets neither")

    async def expire(self, now: float, terms: Terms) -> int:  # noqa: ARG002
        return 0

    async def count(self) -> dict[str, int]:
        return {"waiting": 0, "passed": 0, "clients": 0}


class BlankLists:
    """No entries."""

    async def add(self, entry: ListEntry) -> ListEntry:
        raise StoreError(f"nothing is remembered here, {entry.what} neither")

    async def remove(self, list_name: str, what: str, looks_at: str | None = None) -> int:  # noqa: ARG002
        return 0

    async def entries(self, now: float) -> list[ListEntry]:  # noqa: ARG002
        return []

    async def version(self) -> int:
        return 0


class BlankCorrespondents:
    """Nobody wrote to anybody."""

    def learn(self, mail: str, now: float) -> None:
        """Nothing is remembered."""

    def knows(self, mail: str, now: float, keep: float) -> bool:  # noqa: ARG002
        return False

    async def count(self) -> int:
        return 0


class BlankBans:
    """Nobody is shut out."""

    async def put(self, bans: Sequence[Ban]) -> None:
        if bans:
            raise StoreError("nothing is remembered here, no bans neither")

    async def remove(self, networks: Sequence[str]) -> list[Ban]:  # noqa: ARG002
        return []

    async def active(self, now: float) -> list[Ban]:  # noqa: ARG002
        return []

    async def past(self, networks: Sequence[str]) -> dict[str, Past]:  # noqa: ARG002
        return {}

    async def trust(self, clients: Sequence[Trusted]) -> None:
        """Nothing is remembered."""

    async def trusted(self, since: float) -> list[Trusted]:  # noqa: ARG002
        return []

    async def places(self) -> dict[str, str]:
        return {}

    async def put_places(self, places: Mapping[str, str]) -> None:
        """Nothing is remembered."""

    async def expire(self, banned: float, trusted: float) -> int:  # noqa: ARG002
        return 0

    async def version(self) -> int:
        return 0


class BlankJournal:
    """Verdicts are gone once they are said."""

    def write(self, entry: JournalEntry) -> None:
        """Nothing is kept."""

    async def find(self, what: str, limit: int = 20) -> list[JournalEntry]:  # noqa: ARG002
        return []

    async def flush(self) -> None:
        """Nothing is owed."""

    async def expire(self, now: float) -> int:  # noqa: ARG002
        return 0

    def dropped(self) -> int:
        return 0


class BlankStore:
    """All of them."""

    def __init__(self) -> None:
        self.greylist: Greylist = BlankGreylist()
        self.lists: Lists = BlankLists()
        self.correspondents: Correspondents = BlankCorrespondents()
        self.bans: Bans = BlankBans()
        self.journal: Journal = BlankJournal()

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    def troubles(self) -> tuple[str, ...]:
        return ()
