"""Starting Postfix's own programs (`postconf`, `postmap`), bounded in time.

Never raises, except when cancelled: what went wrong is in the result. A program
that is late, or whose asker went away, is killed and waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec


class Ran(msgspec.Struct, frozen=True):
    """What a program said."""

    code: int
    """Its exit status; -1 when it could not be started or was late."""
    out: str = ""
    err: str = ""


Run = Callable[[Sequence[str], float], Awaitable[Ran]]
"""Start a program with these arguments, and wait for so many seconds at most."""


async def run_program(arguments: Sequence[str], seconds: float) -> Ran:
    """Run a program to its end, without a shell and without input."""
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        return Ran(-1, err=f"{arguments[0]}: {_reason(error)}")
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        return Ran(-1, err=f"{arguments[0]}: no answer within {seconds:g} s")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    code = -1 if process.returncode is None else process.returncode
    return Ran(code, out.decode(errors="backslashreplace"), err.decode(errors="backslashreplace"))


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
