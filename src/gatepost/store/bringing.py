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
        self._rows = {_triplet(one): _row(one) for one in triplets}
        self._clients = {plain(one.network): _client(one) for one in clients}
        self._fates: dict[Triplet, str] = {}
        self._changed: set[str] = set()

    @property
    def triplets(self) -> tuple[Triplet, ...]:
        """What has to be in the Book; the shared triplet stands for a network by itself."""
        return (*self._rows, *(shared(network) for network in self._clients))

    def act(self, book: Book, triplet: Triplet, now: float, terms: Terms) -> None:
        """Bring one of `triplets`."""
        row = self._rows.get(triplet)
        if row is not None:
            self._fates[triplet] = book.bring(triplet, row, now, terms)
        client = self._clients.get(triplet.network)
        if client is not None and book.bring_client(triplet.network, client, now, terms):
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
