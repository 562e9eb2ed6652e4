"""Work that goes on in the background, and is missed when it ends."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("gatepost")


def begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Let `work` go on in the background; when a fault ends it, that is told at once."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_tell_fault)
    return task


def _tell_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error(
            "a fault of Gatepost ended work in the background, please report it; restart it", exc_info=error
        )
