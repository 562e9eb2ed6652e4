"""A whole world for one pipeline: fake clock, a zone, the memory store, and whatever checks a test names."""

import asyncio
import inspect

from gatepost.access.base import NoAccess
from gatepost.checks.base import Check
from gatepost.checks.greylist import Greylist, GreylistOptions
from gatepost.clock import FakeClock
from gatepost.context import Context
from gatepost.dns.zone import Zone
from gatepost.dnslist.base import Trusting
from gatepost.engine.pipeline import Pipeline, Settings
from gatepost.engine.profile import BALANCED, ScoreOptions
from gatepost.engine.rules import catalogue
from gatepost.engine.verdict import Terms, Worths, layered
from gatepost.model import Finding, Request, Rule, Stage
from gatepost.network import NetworkSet, parse_network
from gatepost.options import Duration
from gatepost.ours import Ours
from gatepost.store.memory import MemoryStore


class Health:
    """A resolver that is as ill as the test says."""

    ill = ""


class Says(Check):
    """A check that finds what the test tells it to, at once or from the DNS."""

    name = "says"

    def __init__(self, *rules, dns=(), ask=(), fail=None, hang=False, remembered=True, stages=None, more=""):
        super().__init__(None)
        self.now, self.later, self.ask, self.fail, self.hang = rules, dns, ask, fail, hang
        self.remembered = remembered
        self.more = more
        self.looked = self.looked_up = 0
        if stages is not None:
            self.stages = frozenset(stages)

    def rules(self):
        return [Rule(name=n, says=n) for n in (*self.now, *self.later)]

    def look(self, request, context, report):
        self.looked += 1
        for rule in self.now:
            report(Finding(rule, f"text of {rule}"))

    async def look_up(self, request, context, report):
        self.looked_up += 1
        for name, kind in self.ask:
            await context.dns.ask(name, kind)
        for rule in self.later:
            report(Finding(rule, f"text of {rule}", rests_on_dns=True))
        if self.fail:
            raise self.fail
        if self.hang:
            await asyncio.Event().wait()

    async def after_verdict(self, request, context, finding):
        return self.more


class World:
    """Build it, then `answer` requests; `clock`, `zone` and `store` are there to be moved and looked at."""

    def __init__(
        self,
        *checks,
        worth=None,
        greylist=None,
        when="doubtful",
        zone=None,
        networks=("10.0.0.0/8",),
        access=None,
        deadline=4,
        delays=None,
        store=None,
        **settings,
    ):
        self.clock = FakeClock()
        self.zone = Zone(zone or {})
        self.store = store or MemoryStore()
        self.health = Health()
        self.watch = Trusting()
        context = Context(
            dns=self.zone,
            store=self.store,
            clock=self.clock,
            ours=Ours(networks=NetworkSet(parse_network(n) for n in networks)),
            access=access or NoAccess(),
            watch=self.watch,
            health=self.health,
        )
        everything = [*checks, Greylist(greylist or GreylistOptions())]
        terms = Terms(
            worths=Worths(layered(worth or {}, BALANCED), delays), rules=catalogue(everything), refuse=8.0
        )
        score = ScoreOptions(deadline=Duration(deadline))
        self.pipeline = Pipeline(
            everything, context, Settings(terms=terms, score=score, when=when, **settings)
        )

    def answer(self, stage=Stage.RCPT, **attributes):
        """The verdict on one request; attributes that are not given are those of an honest stranger."""
        return asyncio.run(self.answer_async(stage, **attributes))

    async def answer_async(self, stage=Stage.RCPT, **attributes):
        request = Request(stage=stage, **(STRANGER | attributes))
        verdict = self.pipeline.answer(request)
        return await verdict if inspect.isawaitable(verdict) else verdict


STRANGER = {
    "client_address": "192.0.2.7",
    "client_name": "mail.example.org",
    "reverse_client_name": "mail.example.org",
    "helo_name": "mail.example.org",
    "sender": "alice@example.org",
    "recipient": "bob@example.net",
    "instance": "1.2.3",
}


def rules(verdict):
    """The names of what was found."""
    return [j.rule for j in verdict.findings]
