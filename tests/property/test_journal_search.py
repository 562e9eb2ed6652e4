"""Whatever is looked for: SQLite finds by pages what memory finds one by one."""

import asyncio
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.test_stores import verdict
from gatepost.clock import FakeClock
from gatepost.store.memory import MemoryStore
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions

CLIENTS = st.sampled_from(
    ["192.0.2.7", "192.0.3.255", "192.0.20.7", "2001:db8::7", "2001:db8:0:1::7", "::1", "?"]
)
LOCALS = st.sampled_from(["ann", "Ann", "zoë", "ZOË", 'a"b', "a\\b", "a%", "a_b", "aab", "\0", ""])
DOMAINS = st.sampled_from(["example.org", "Example.ORG.", "sub.example.org", "ü.example", "xn--tda.example"])
MAILS = st.builds("{}@{}".format, LOCALS, DOMAINS) | LOCALS
WORDS = st.sampled_from(["4Fxyz", "4fxyz", "ref1", "a%b", ""])
VERDICTS = st.builds(
    lambda **fields: verdict(1, **fields),
    client_address=CLIENTS,
    sender=MAILS,
    recipient=MAILS,
    queue_id=WORDS,
    reference=WORDS,
    instance=st.sampled_from(["m1", "m2", ""]),
)
NETWORKS = st.sampled_from(
    ["192.0.2.0/23", "192.0.0.0/16", "0.0.0.0/0", "2001:db8::/63", "::/0", "::ffff:192.0.2.7"]
)
QUESTIONS = CLIENTS | NETWORKS | MAILS | WORDS | DOMAINS.map("@{}".format) | st.just("<>")


@given(st.lists(VERDICTS, max_size=12), st.lists(QUESTIONS, max_size=12))
@settings(deadline=None, max_examples=60)
def test_sqlite_finds_what_memory_finds(verdicts, questions):
    async def play(folder: str) -> None:
        stores = [
            MemoryStore(),
            open_store(StoreOptions(url=f"sqlite:{folder}/x.db", snapshots=0), FakeClock()),
        ]
        for store in stores:
            await store.open()
            for one in verdicts:
                store.journal.write(one)
            await store.journal.flush()
        for question in questions:
            memory, sqlite = [await store.journal.find(question) for store in stores]
            assert (question, memory) == (question, sqlite)
        for store in stores:
            await store.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(folder))
