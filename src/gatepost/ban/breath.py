"""A pause between two blocks of a log: whoever takes lines may need time for what follows from them."""

from collections.abc import Awaitable, Callable

Breathe = Callable[[], Awaitable[None]]
"""Returns when more may be read."""


async def at_once() -> None:
    """Never wait."""
