"""Case files of the audit: what a topic must find, written as data with the answer beside it.

`tests/cases/audit/<topic>.toml` holds, for all cases or in one of them,

- `main`, `master`: the text of main.cf and master.cf; `defaults`: built-in settings of another version;
- `[facts]`: what was read of the machine (gatepost.postfix.audit.scene.Facts);
- `[own]`: our side of the DNS (hostname, addresses, domains, keys, lists by zone), and `[zone]`: the Internet
  as in the cases of checks;
- `[[case]]`: `name` (a sentence), `expect` (names of findings, in any order), and where they matter
  `evidence` and `remedy`: parts that must stand in the finding of a name.
"""

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from gatepost.dnslist.options import ListOptions
from gatepost.dnslist.resolve import lists_of
from gatepost.network import parse_address
from gatepost.postfix.audit.base import Finding
from gatepost.postfix.audit.own import Own, SigningKey
from gatepost.postfix.audit.topics import Topic
from support.zone import ZoneResolver

FOLDER = Path(__file__).parent.parent / "cases" / "audit"


class OwnTable(msgspec.Struct, forbid_unknown_fields=True):
    hostname: str = "mx.example.org"
    helo_name: str = ""
    addresses: list[str] = msgspec.field(default_factory=lambda: ["192.0.2.25"])
    domains: list[str] = msgspec.field(default_factory=lambda: ["example.org"])
    names: list[str] = []
    signers: list[str] = []
    keys: list[SigningKey] = []
    dnsbl: list[str] = []
    rhsbl: list[str] = []
    dnswl: list[str] = []

    def value(self) -> Own:
        purposes = {"dnsbl": self.dnsbl, "rhsbl": self.rhsbl, "dnswl": self.dnswl}
        return Own(
            hostname=self.hostname,
            helo_name=self.helo_name or self.hostname,
            addresses=tuple(filter(None, map(parse_address, self.addresses))),
            domains=tuple(self.domains),
            names=frozenset((self.hostname, *self.names)),
            signers=tuple(self.signers),
            keys=tuple(self.keys),
            lists=tuple(
                one
                for purpose, zones in purposes.items()
                for one in lists_of(purpose, [ListOptions(zone=zone) for zone in zones])
            ),
        )


class Case(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    expect: list[str]
    own: OwnTable | None = None
    zone: dict[str, Any] = {}
    main: str | None = None
    master: str | None = None
    defaults: dict[str, str] = {}
    facts: dict[str, Any] = {}
    evidence: dict[str, str] = {}
    remedy: dict[str, str] = {}


class CaseFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    case: list[Case]
    own: OwnTable = msgspec.field(default_factory=OwnTable)
    zone: dict[str, Any] = {}
    main: str = ""
    master: str = ""
    defaults: dict[str, str] = {}
    facts: dict[str, Any] = {}


def load(name: str) -> CaseFile:
    """The case file of the topic `name`."""
    return msgspec.convert(tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")), CaseFile)


def run(topic: Topic, file: CaseFile, case: Case) -> list[Finding]:
    """What the topic finds in a case."""
    return asyncio.run(_ask(topic, (case.own or file.own).value(), ZoneResolver({**file.zone, **case.zone})))


async def _ask(topic: Topic, own: Own, dns: ZoneResolver) -> list[Finding]:
    found = []
    if topic.ask_server:
        found += [finding async for finding in topic.ask_server(own, dns)]
    if topic.ask_domain:
        for domain in own.domains:
            found += [finding async for finding in topic.ask_domain(own, domain, dns)]
    return found
