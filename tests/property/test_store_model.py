"""Whatever is asked in whatever order, SQLite says what memory says, over restarts and with tiny caches."""

import asyncio
import inspect
import tempfile

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gatepost.clock import FakeClock
from gatepost.store.base import Meeting, Store, Terms, Triplet
from gatepost.store.memory import MemoryStore
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

TERMS = Terms(
    delay=60, retry_window=1000, keep=5000, clients_after=2, client_interval=100, pending_per_network=2
)

TRIPLETS = st.builds(
    Triplet,
    st.sampled_from(["192.0.2.0/24", "2001:db8::/64"]),
    st.sampled_from(["ann@example.org", "@"]),
    st.sampled_from(["bob@example.net", "eve@example.net", "nul\0"]),
)
MANY = st.lists(TRIPLETS, min_size=1, max_size=6)


class Stores(RuleBasedStateMachine):
    """One store of each kind, asked the same."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.memory = MemoryStore()
        self.options = StoreOptions(
            url=f"sqlite:{self.directory.name}/gatepost.db", cached_triplets=2, cached_clients=2, snapshots=0
        )
        self.open()

    def open(self) -> None:
        self.sqlite = open_store(self.options, self.clock)
        self.runner.run(self.sqlite.open())

    def teardown(self) -> None:
        self.runner.run(self.sqlite.close())
        self.runner.close()
        self.directory.cleanup()

    @rule(triplets=MANY)
    def meet(self, triplets: list[Triplet]) -> None:
        async def ask(store: Store) -> list[Meeting]:
            answers = [store.greylist.meet(triplet, self.clock.now(), TERMS) for triplet in triplets]
            return [await a if inspect.isawaitable(a) else a for a in answers]

        assert self.runner.run(ask(self.memory)) == self.runner.run(ask(self.sqlite))

    @rule(triplet=TRIPLETS)
    def meet_one(self, triplet: Triplet) -> None:
        self.meet([triplet])

    @rule(triplets=MANY)
    def start(self, triplets: list[Triplet]) -> None:
        for store in (self.memory, self.sqlite):
            self.runner.run(store.greylist.start(triplets, self.clock.now(), TERMS))

    @rule(triplets=MANY)
    def accept(self, triplets: list[Triplet]) -> None:
        async def tell(store: Store) -> None:
            store.greylist.accept(triplets, self.clock.now(), TERMS)
            await store.greylist.expire(
                0, TERMS
            )  # nothing is over then; but the thread has done all before it

        for store in (self.memory, self.sqlite):
            self.runner.run(tell(store))

    @rule(seconds=st.sampled_from([0.001, 1, 59, 60, 61, 101, 999, 1001, 4000, 5001]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([1, 59, 61, 3600]))
    def set_back(self, seconds: float) -> None:
        self.clock.set_back(seconds)

    @rule()
    def expire(self) -> None:
        counts = {
            self.runner.run(store.greylist.expire(self.clock.now(), TERMS))
            for store in (self.memory, self.sqlite)
        }
        assert 1 == len(counts)

    @rule()
    def restart(self) -> None:
        self.runner.run(self.sqlite.close())
        self.open()

    @invariant()
    def as_many(self) -> None:
        async def count(store: Store) -> dict[str, int]:
            await store.greylist.expire(0, TERMS)
            return await store.greylist.count()

        assert self.runner.run(count(self.memory)) == self.runner.run(count(self.sqlite))
        assert () == self.sqlite.troubles()


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to shrink it, a thousand stores would be opened
)
