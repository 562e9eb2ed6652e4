"""Case files: what a check must find, written as data with the answer beside it.

`tests/cases/checks/<name>.toml` holds

- `[options]`: options of the check (or `[[options]]` where it takes a list);
- `[zone]`: the Internet of all cases (gatepost.dns.zone). `"mail.example.org" = { A = ["192.0.2.1"] }`;
  text instead of records is our own trouble (`"slow.example" = "timeout"`); an address stands for its
  reverse name;
- `[ours]`: `names`, `domains`, `networks`, `addresses`, and `unknown`: the parts that could not be read;
- `[request]`: attributes that every case starts from;
- `[[case]]`: `name` (a sentence), `request`, `expect` (rules, in any order), and where they matter
  `zone`, `ours`, `options`, `access` (matches of the own lists), `aside` (lists not believed now, with
  the reason), `banned` (networks), `learned` (people our users wrote to), `asked` (the most DNS questions
  allowed), `text`, `detail` (parts that must stand in the finding of a rule) and `excuses`;
- `[[case.then]]`: what happens `after` so many seconds in the same world, with `request` and `expect`.
"""

import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from gatepost.access.base import Match
from gatepost.ban.table import BanTable
from gatepost.checks.base import Check
from gatepost.checks.greylist import Greylist, Mails
from gatepost.clock import FakeClock
from gatepost.context import Context
from gatepost.dns.base import Answer
from gatepost.model import Finding, Request
from gatepost.network import NetworkSet, parse_address, parse_network
from gatepost.options import from_plain
from gatepost.ours import Ours
from gatepost.store.base import Ban
from gatepost.store.memory import MemoryStore
from support.zone import ZoneResolver

FOLDER = Path(__file__).parent.parent / "cases" / "checks"


class OursTable(msgspec.Struct, forbid_unknown_fields=True):
    """What is ours, in a case file."""

    names: list[str] = []
    domains: list[str] = []
    networks: list[str] = []
    addresses: list[str] = []
    unknown: list[str] = []

    def value(self) -> Ours:
        return Ours(
            names=None if "names" in self.unknown else self.names,
            domains=None if "domains" in self.unknown else self.domains,
            networks=None if "networks" in self.unknown else _networks(self.networks),
            addresses=[address for text in self.addresses if (address := parse_address(text))],
        )


class Step(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One request and what must be found."""

    expect: list[str]
    request: dict[str, Any] = {}
    text: dict[str, str] = {}
    detail: dict[str, str] = {}
    excuses: dict[str, list[str]] = {}
    after: float = 0.0


class Case(Step, kw_only=True):
    """A request in a world of its own, and what happens then."""

    name: str
    zone: dict[str, Any] = {}
    ours: OursTable | None = None
    options: Any = None
    access: list[Match] = []
    banned: list[str] = []
    aside: dict[str, str] = {}
    learned: list[str] = []
    asked: int | None = None
    then: list[Step] = []

    def expected(self) -> set[str]:
        return {rule for step in (self, *self.then) for rule in step.expect}


class CaseFile(msgspec.Struct, forbid_unknown_fields=True):
    """All cases of one check."""

    case: list[Case]
    options: Any = None
    zone: dict[str, Any] = {}
    ours: OursTable = msgspec.field(default_factory=OursTable)
    request: dict[str, Any] = {}


class FixedAccess:
    """Own lists whose entries fit every request."""

    version = 0

    def __init__(self, entries: list[Match]) -> None:
        self._entries = tuple(entries)

    def matches(self, request: Request) -> tuple[Match, ...]:
        return self._entries


class FixedWatch:
    """Puts aside the lists that the case says; remembers which answered with an error."""

    version = 0

    def __init__(self, aside: dict[str, str]) -> None:
        self._aside = aside
        self.errors: list[str] = []

    def aside(self, zone: str, kind: str = "") -> str:
        return self._aside.get(zone, "")

    def heard(self, zone: str, answer: Answer, *, error: bool) -> None:
        if error:
            self.errors.append(zone)


class Shut:
    """Bans of these networks, for ever."""

    def __init__(self, networks: list[str]) -> None:
        ban = partial(Ban, since=0.0, reason="auth.failed 5x", origin="jail mail")
        self._table = BanTable(ban(network=network) for network in networks)

    def covering(self, client_address: str) -> Ban | None:
        address = parse_address(client_address)
        return self._table.covering(address, 1.0) if address else None


class Well:
    """A resolver that is never ill."""

    ill = ""


def load(name: str) -> CaseFile:
    """The case file of the check `name`."""
    return msgspec.convert(tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8")), CaseFile)


def make(kind: type[Check], options: Any) -> Check:
    """The check with these options (plain values), or with its defaults."""
    return kind(msgspec.convert({} if options is None else options, kind.Options, dec_hook=from_plain))


def make_for(kind: type[Check], file: CaseFile, case: Case) -> Check:
    """The check as this case wants it."""
    return make(kind, file.options if case.options is None else case.options)


def make_context(file: CaseFile, case: Case, clock: FakeClock) -> Context:
    """The world of a case."""
    return Context(
        dns=ZoneResolver({**file.zone, **case.zone}),
        store=make_store(case.learned, clock),
        clock=clock,
        ours=(case.ours or file.ours).value(),
        access=FixedAccess(case.access),
        watch=FixedWatch(case.aside),
        health=Well(),
        bans=Shut(case.banned),
    )


def make_store(learned: list[str], clock: FakeClock) -> MemoryStore:
    """A store in memory that knows these people."""
    store = MemoryStore()
    for mail in learned:
        store.correspondents.learn(mail, clock.now())
    return store


async def findings(check: Check, request: Request, context: Context, mails: Mails) -> list[Finding]:
    """What the check reports, if it is asked at this stage."""
    found: list[Finding] = []
    if request.stage not in check.stages:
        return found
    if isinstance(check, Greylist):
        answer = check.ask(mails.get(request), request, context)
        return answer if isinstance(answer, list) else await answer
    check.look(request, context, found.append)
    await check.look_up(request, context, found.append)
    return found


async def run(check: Check, file: CaseFile, case: Case) -> list[tuple[Step, list[Finding]]]:
    """Each step of a case with what was found."""
    clock = FakeClock()
    context = make_context(file, case, clock)
    mails = Mails(clock)
    steps: list[tuple[Step, list[Finding]]] = []
    for step in (case, *case.then):
        clock.advance(step.after)
        request = msgspec.convert({**file.request, **step.request}, Request)
        steps.append((step, await findings(check, request, context, mails)))
    if case.asked is not None:
        assert len(context.dns.asked) <= case.asked, context.dns.asked
    return steps


def _networks(texts: list[str]) -> NetworkSet:
    return NetworkSet(network for text in texts if (network := parse_network(text)))
