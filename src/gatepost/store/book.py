"""Triplets and networks at hand, questions answered on them one after the other, and what changed.

The memory store keeps one Book for good; the SQLite store fills one with the
rows that a batch of questions needs and writes back what changed. So both
judge alike, and two questions about one triplet in one batch agree.

Pure; raises nothing.
"""

from gatepost.store.base import Meeting, Outcome, Terms, Triplet
from gatepost.store.judge import (
    ANY,
    Client,
    Row,
    accepted,
    brought,
    brought_client,
    is_over,
    is_proven,
    judge,
    judge_shared,
    milliseconds,
    seen,
    shared,
    succeeded,
)


class Book:
    """What is known of some triplets and of their networks."""

    __slots__ = ("changed", "changed_clients", "clients", "rows", "waiting")

    def __init__(self) -> None:
        self.rows: dict[Triplet, Row] = {}
        self.clients: dict[str, Client] = {}
        self.waiting: dict[str, int] = {}
        """How many triplets of each network wait, the shared one not counted."""
        self.changed: set[Triplet] = set()
        self.changed_clients: set[str] = set()

    def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting:
        """Judge a triplet that was met, and remember it."""
        client = self.clients.get(triplet.network)
        if client is not None and is_proven(client, now, terms):
            self._set_client(triplet.network, seen(client, now, terms))
            return Meeting(Outcome.CLIENT, client.first / 1000)
        changed, meeting = judge(self.rows.get(triplet), now, terms)
        if meeting.outcome is Outcome.NEW and self._is_crowded(triplet, now, terms):
            return self._meet_shared(triplet.network, now, terms)
        self._set(triplet, changed)
        if meeting.outcome is Outcome.PASSED:
            self._set_client(triplet.network, succeeded(client, now, terms))
        return meeting

    def start(self, triplet: Triplet, now: float, terms: Terms) -> None:
        """Let a triplet wait from now on, unless it waits already or may pass."""
        client = self.clients.get(triplet.network)
        if client is not None and is_proven(client, now, terms):
            return
        changed, meeting = judge(self.rows.get(triplet), now, terms)
        if meeting.outcome is not Outcome.NEW:
            return
        if self._is_crowded(triplet, now, terms):
            self._meet_shared(triplet.network, now, terms)
        else:
            self._set(triplet, changed)

    def accept(self, triplet: Triplet, now: float, terms: Terms) -> None:
        """Remember a triplet as passed."""
        self._set(triplet, accepted(self.rows.get(triplet), now, terms))

    def bring(self, triplet: Triplet, row: Row, now: float, terms: Terms) -> str:
        """Remember what another greylisting says of a triplet; what became of it (`bringing.FATES`)."""
        at = milliseconds(now)
        if is_over(row, at, terms):
            return "over"
        merged = brought(self.rows.get(triplet), row, at, terms)
        if merged is None:
            return "known"
        if not merged.passed and self._is_crowded(triplet, now, terms):
            return "crowded"
        self._set(triplet, merged)
        return "taken"

    def bring_client(self, network: str, client: Client, now: float, terms: Terms) -> bool:
        """Remember what another greylisting counted of a network; whether that changed anything."""
        merged = brought_client(self.clients.get(network), client, milliseconds(now), terms)
        self._set_client(network, merged)
        return merged is not None

    def forget(self, triplet: Triplet) -> None:
        """Drop a triplet whose time is over."""
        row = self.rows.pop(triplet, None)
        if row is not None and not row.passed:
            self._count_waiting(triplet, -1)

    def _is_crowded(self, triplet: Triplet, now: float, terms: Terms) -> bool:
        """True when a new triplet must not be remembered by itself: a dictionary attack fills no disk.

        While the shared triplet lives, it answers for every new one of its
        network: some of those were told to come back under its name.
        """
        row = self.rows.get(triplet)
        if row is not None and not row.passed:
            return False  # it has its place already and only starts anew
        common = self.rows.get(shared(triplet.network))
        if common is not None and not is_over(common, milliseconds(now), terms):
            return True
        return self.waiting.get(triplet.network, 0) >= terms.pending_per_network

    def _meet_shared(self, network: str, now: float, terms: Terms) -> Meeting:
        common = shared(network)
        changed, meeting = judge_shared(self.rows.get(common), now, terms)
        self._set(common, changed)
        return meeting

    def _set(self, triplet: Triplet, row: Row | None) -> None:
        if row is None:
            return
        before = self.rows.get(triplet)
        self._count_waiting(triplet, (not row.passed) - (before is not None and not before.passed))
        self.rows[triplet] = row
        self.changed.add(triplet)

    def _set_client(self, network: str, client: Client | None) -> None:
        if client is not None:
            self.clients[network] = client
            self.changed_clients.add(network)

    def _count_waiting(self, triplet: Triplet, more: int) -> None:
        if not more or triplet.sender == ANY:
            return
        count = self.waiting.get(triplet.network, 0) + more
        if count > 0:
            self.waiting[triplet.network] = count
        else:
            self.waiting.pop(triplet.network, None)
