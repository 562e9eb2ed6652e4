"""Case files of the audit: what a topic must find, written as data with the answer beside it.

`tests/cases/audit/<topic>.toml` holds, for all cases or in one of them,

- `main`, `master`: the text of main.cf and master.cf; in a case, `add` to main.cf, and `version` of Postfix;
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
from gatepost.postfix.audit.scene import Facts, Scene
from gatepost.postfix.audit.topics import Topic
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.settings import parse_parameters
from support.zone import ZoneResolver

FOLDER = Path(__file__).parent.parent / "cases" / "audit"
VERSION = "3.7.11"
DEFAULTS = parse_parameters((FOLDER / f"postconf-d-{VERSION}.txt").read_text("utf-8"))
"""What this version has built in, on a machine called mx.example.org."""
LINE = OurLine("inet:127.0.0.1:10023")
SMTP = "smtp inet n - n - - smtpd\n"


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
    add: str = ""
    master: str | None = None
    version: str = VERSION
    facts: dict[str, Any] = {}
    evidence: dict[str, str] = {}
    remedy: dict[str, str] = {}


class CaseFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    case: list[Case]
    own: OwnTable = msgspec.field(default_factory=OwnTable)
    zone: dict[str, Any] = {}
    main: str = ""
    master: str = SMTP
    facts: dict[str, Any] = {}


def load(name: str) -> CaseFile:
    """The case file of the topic `name`."""
    return msgspec.convert(tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")), CaseFile)


def scene(main: str, master: str = SMTP, version: str = VERSION, facts: Facts | None = None) -> Scene:
    """A Postfix in /etc/postfix with these files."""
    defaults = DEFAULTS | {"mail_version": version}
    instance = Instance(
        "/etc/postfix", read_main(main.encode()), read_master(master.encode()), defaults, version
    )
    return Scene(instance, LINE, facts or Facts())


def run(topic: Topic, file: CaseFile, case: Case) -> list[Finding]:
    """What the topic finds in a case."""
    found = []
    if topic.look:
        main = file.main if case.main is None else case.main
        facts = _facts({**file.facts, **case.facts})
        master = file.master if case.master is None else case.master
        found += dict.fromkeys(topic.look(scene(main + case.add, master, case.version, facts)))
    return found + asyncio.run(
        _ask(topic, (case.own or file.own).value(), ZoneResolver({**file.zone, **case.zone}))
    )


def _facts(table: dict[str, Any]) -> Facts:
    """TOML has no null: a socket that is not there has the empty text."""
    sockets = {path: None if mode == "" else mode for path, mode in table.get("sockets", {}).items()}
    return msgspec.convert({**table, "sockets": sockets}, Facts)


async def _ask(topic: Topic, own: Own, dns: ZoneResolver) -> list[Finding]:
    found = []
    if topic.ask_server:
        found += [finding async for finding in topic.ask_server(own, dns)]
    if topic.ask_domain:
        for domain in own.domains:
            found += [finding async for finding in topic.ask_domain(own, domain, dns)]
    return found
