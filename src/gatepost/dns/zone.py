"""A name space held in memory: answers as a real server with these records would.

For `ask` on a made-up world, for case files and for tests; the same contract
suite passes here and against a real name server.

    Zone({
        "example.org MX": ["10 mail.example.org"],
        "mail.example.org A": "192.0.2.1",
        "*.dbl.example A": "127.0.1.2",       # any name below, RFC 4592
        "www.example.org CNAME": "example.org",
        "broken.example": "!servfail",        # whatever is asked
    })

Names not in the table do not exist. Special values: `!servfail`, `!refused`,
`!timeout` answer UNKNOWN at once; `!hang` never answers.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address

from gatepost.dns.base import Answer, Kind, Status, parse_mx
from gatepost.dns.record import LOOP, plain, unknown, without_asking
from gatepost.wire.dns import text_of

HANG = "!hang"
_UNKNOWN = {"!servfail": "servfail", "!refused": "refused", "!timeout": "timeout"}
_MX = re.compile(r"\d{1,5} +\S+")
_NAMES = (Kind.CNAME, Kind.PTR, Kind.NS)
_ANY = None
"""In place of a type: the value stands for every type."""


class Zone:
    """A Resolver that answers from a table, and remembers what it was asked."""

    def __init__(
        self,
        table: Mapping[str, str | Iterable[str]] | None = None,
        *,
        ttl: float = 300,
        absent_ttl: float = 60,
    ) -> None:
        """Read the table.

        Args:
            table: from `name TYPE` to one record's text or several; from `name` alone to a special value.
            ttl: seconds, for what is found.
            absent_ttl: seconds, for what is absent.

        Raises:
            ValueError: a key or record that makes no sense.
        """
        self.asked: list[tuple[str, Kind]] = []
        """Every question, in order; names in lower case."""
        self._ttl = ttl
        self._absent_ttl = absent_ttl
        self._records: dict[tuple[str, Kind | None], tuple[str, ...]] = {}
        self._names: set[str] = {"."}
        for key, value in (table or {}).items():
            self.add(key, value)

    def add(self, key: str, value: str | Iterable[str]) -> None:
        """Put records under `name TYPE`, in place of what was there.

        Raises:
            ValueError: a key or record that makes no sense.
        """
        name, kind = _parse_key(key)
        texts = (value,) if isinstance(value, str) else tuple(value)
        if not any(text.startswith("!") for text in texts):
            if kind is _ANY:
                raise ValueError(f'"{key}": a type is missing, as in "{key} A"')
            texts = tuple(_normal(kind, text) for text in texts)
        elif len(texts) != 1 or texts[0] not in (*_UNKNOWN, HANG):
            raise ValueError(f'"{key}": a special value is one of {", ".join((*_UNKNOWN, HANG))}')
        self._records[name, kind] = texts
        while name:
            self._names.add(name)
            name = name.partition(".")[2]

    async def ask(self, name: str, kind: Kind) -> Answer:
        """The records of `kind` at `name`. Never raises; `!hang` ends only by cancelling."""
        self.asked.append((plain(name), kind))
        known = without_asking(name)
        if known is not None:
            return known
        name, seen = plain(name), set()
        while name not in seen:
            seen.add(name)
            node = self._node(name)
            records = self._at(node, kind)
            if records == (HANG,):
                await asyncio.Event().wait()
            if records and records[0] in _UNKNOWN:
                return unknown(_UNKNOWN[records[0]])
            if records:
                return Answer(Status.FOUND, records, self._ttl)
            alias = self._at(node, Kind.CNAME)
            if not alias:
                why = "nodata" if node else "nxdomain"
                return Answer(Status.ABSENT, ttl=self._absent_ttl, why=why)
            name = alias[0]
        return unknown(LOOP)

    def count(self, name: str, kind: Kind) -> int:
        """How often this was asked."""
        return self.asked.count((plain(name), kind))

    def _at(self, node: str, kind: Kind) -> tuple[str, ...]:
        return self._records.get((node, kind)) or self._records.get((node, _ANY), ())

    def _node(self, name: str) -> str:
        """The name whose records answer for `name`: itself, the wildcard at its closest encloser, or none."""
        if name in self._names:
            return name
        parent = name
        while parent not in self._names:
            parent = parent.partition(".")[2] or "."
        wildcard = "*" if parent == "." else f"*.{parent}"
        return wildcard if wildcard in self._names else ""


def _parse_key(key: str) -> tuple[str, Kind | None]:
    name, _, kind = key.strip().partition(" ")
    if not name:
        raise ValueError("a key of a zone begins with a name")
    if without_asking(name) is not None:
        raise ValueError(f'"{name}" is no name that a zone can have')
    kind = kind.strip().upper()
    if kind and kind not in Kind.__members__:
        raise ValueError(f'"{key}": the type is one of {", ".join(Kind.__members__)}')
    return plain(name), Kind[kind] if kind else _ANY


def _normal(kind: Kind | None, text: str) -> str:
    """A record's text as an Answer has it."""
    if kind is Kind.A:
        return str(IPv4Address(text))
    if kind is Kind.AAAA:
        return str(IPv6Address(text))
    if kind is Kind.TXT:
        return text_of(text.encode())
    if kind is Kind.MX:
        if not _MX.fullmatch(text):
            raise ValueError(f'"{text}" is no MX record; write for example "10 mail.example.org"')
        preference, host = parse_mx(text)
        return f"{preference} {plain(host.strip())}"
    return plain(text) if kind in _NAMES else text
