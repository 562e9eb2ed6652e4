"""What the daemon does in the background never ends unnoticed."""

import asyncio

from gatepost.observe.background import begin


def test_a_fault_in_the_background_is_told_at_once(caplog):
    async def fails() -> None:
        raise ZeroDivisionError

    async def run() -> None:
        await asyncio.wait([begin(fails())])
        await asyncio.sleep(0)

    asyncio.run(run())

    assert "ended work in the background" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_work_that_is_stopped_is_no_fault(caplog):
    async def run() -> None:
        task = begin(asyncio.sleep(3600))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)

    asyncio.run(run())

    assert "" == caplog.text
