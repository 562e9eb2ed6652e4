"""A tiny Internet held in memory, as case files write it down."""

from collections.abc import Mapping

from gatepost.dns.base import Answer, Kind, Status
from gatepost.network import parse_address, pointer_name

Records = Mapping[str, list[str] | str]
"""By record type; text instead of a list is why it cannot be known (`timeout`, `servfail`)."""

MAX_CNAMES = 8


class ZoneResolver:
    """Answers from a table; what is not in it does not exist. Remembers what was asked."""

    def __init__(self, zone: Mapping[str, Records | str]) -> None:
        self.zone = {_key(name): records for name, records in zone.items()}
        self.asked: list[tuple[str, Kind]] = []

    async def ask(self, name: str, kind: Kind) -> Answer:
        self.asked.append((name, kind))
        return self._answer(_key(name), kind, MAX_CNAMES)

    def _answer(self, name: str, kind: Kind, hops: int) -> Answer:
        records = self.zone.get(name)
        if records is None:
            return Answer(Status.ABSENT, ttl=300, why="nxdomain")
        if isinstance(records, str):
            return Answer(Status.UNKNOWN, why=records)
        if "CNAME" in records and hops:
            return self._answer(_key(records["CNAME"][0]), kind, hops - 1)
        found = records.get(kind.name, [])
        if isinstance(found, str):
            return Answer(Status.UNKNOWN, why=found)
        if not found:
            return Answer(Status.ABSENT, ttl=300, why="nodata")
        return Answer(Status.FOUND, tuple(found), ttl=300)


def _key(name: str) -> str:
    """Names as they are compared; an address stands for its name in the reverse zone."""
    address = parse_address(name)
    return pointer_name(address) if address else name.lower().rstrip(".")
