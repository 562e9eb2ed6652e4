"""A fault of ours in the store's thread costs one question, never the thread."""

import asyncio

import pytest

from gatepost.clock import FakeClock
from gatepost.store.base import StoreError
from gatepost.store.file import File
from gatepost.store.worker import Worker


def test_a_question_that_fails_by_a_fault_of_ours_is_refused_and_the_next_one_answered(tmp_path):
    async def ask():
        clock = FakeClock()
        file = File(tmp_path / "gatepost.db", "triplets", clock, busy=0.5, pragmas=())
        worker = Worker(file, clock, every=1.0, chore=lambda _: None)
        await worker.start()
        try:
            with pytest.raises(StoreError, match="ZeroDivisionError"):
                await worker.ask(lambda _: 1 / 0)
            return await worker.ask(lambda connection: connection.execute("SELECT 7").fetchone())
        finally:
            await worker.stop()

    assert (7,) == asyncio.run(ask())
