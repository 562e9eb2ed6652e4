"""A process that follows a log, for tests that kill it: python -m support.log_reader LOG JOURNAL

Lines and the place after them go into JOURNAL together, one JSON object a
block; it begins where the last whole one says.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from gatepost.ban.follow import Follower
from gatepost.ban.place import Place
from gatepost.clock import SystemClock


class Kept(msgspec.Struct):
    lines: list[bytes]
    place: Place


def kept(path):
    """All that was kept whole."""
    rows = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(row, type=Kept) for row in rows]


async def follow(log, journal):
    rows = kept(journal)
    follower = Follower(log, rows[-1].place if rows else Place(), SystemClock())
    if journal.exists():  # what was cut off by the kill
        os.truncate(journal, journal.read_bytes().rfind(b"\n") + 1)
    with journal.open("ab", buffering=0) as file:
        while True:
            lines = follower.read()
            if lines:
                file.write(msgspec.json.encode(Kept(list(lines), follower.place)) + b"\n")
            else:
                await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(follow(Path(sys.argv[1]), Path(sys.argv[2])))
