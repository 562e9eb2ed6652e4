"""Triplets and networks that another greylisting remembered; what a store knows better stays.

Pure; raises nothing.
"""

from collections import Counter
from collections.abc import Sequence

from gatepost.store.base import Brought, BroughtClient, Terms, Triplet
from gatepost.store.book import Book
from gatepost.store.judge import Client, Row, milliseconds, shared
from gatepost.store.text import plain


class Bringing:
    """Some of them, put into a Book one after the other; answers what became of them."""

    def __init__(self, triplets: Sequence[Brought], clients: Sequence[BroughtClient]) -> None:
        self._rows: dict[Triplet, list[Row]] = {}
        """Several of theirs can be one of ours."""
        self._clients: dict[str, list[Client]] = {}
        for one in triplets:
            self._rows.setdefault(_triplet(one), []).append(_row(one))
        for client in clients:
            self._clients.setdefault(plain(client.network), []).append(_client(client))
        self._fates: dict[Triplet, str] = {}
        self._changed: set[str] = set()

    @property
    def triplets(self) -> tuple[Triplet, ...]:
        """What has to be in the Book; the shared triplet stands for a network by itself."""
        return (*self._rows, *(shared(network) for network in self._clients))

    def act(self, book: Book, triplet: Triplet, now: float, terms: Terms) -> None:
        """Bring one of `triplets`."""
        for row in self._rows.get(triplet, ()):
            fate = book.bring(triplet, row, now, terms)
            if self._fates.get(triplet) != "taken":
                self._fates[triplet] = fate
        for client in self._clients.get(triplet.network, ()):
            if book.bring_client(triplet.network, client, now, terms):
                self._changed.add(triplet.network)

    def counted(self) -> dict[str, int]:
        """How many triplets were `taken`, `known`, `over` or `crowded`, and how many `clients` changed."""
        fates = Counter(self._fates.values())
        return {name: fates[name] for name in FATES} | {"clients": len(self._changed)}


FATES = ("taken", "known", "over", "crowded")
"""Of a triplet: remembered now; nothing new; its time is over by our terms; too many of its network wait."""


def _triplet(one: Brought) -> Triplet:
    return Triplet(plain(one.network), plain(one.sender), plain(one.recipient))


def _row(one: Brought) -> Row:
    first, last = milliseconds(one.first), milliseconds(one.last)
    return Row(first, last, max(last, 1)) if one.passed else Row(first, first)


def _client(one: BroughtClient) -> Client:
    last = milliseconds(one.last)
    return Client(one.successes, last, last, last)
