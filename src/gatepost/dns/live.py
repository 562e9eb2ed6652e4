"""The stub resolver: asks name servers over the network. Works on asyncio and uvloop.

A question goes to the first server; when that is silent for `timeout`, to the
next as well, and so on, while the sockets of all stay open: who answers first,
even late, wins. An answer of no use (SERVFAIL, REFUSED, a referral, nonsense)
leads to the next server at once.

`ask` never raises: when all that fails, or `deadline` is over, the answer is UNKNOWN.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence

import msgspec

from gatepost.clock import Clock
from gatepost.dns.base import UNASKED, Answer, Kind
from gatepost.dns.exchange import Inbox, Packet, ask_by_tcp
from gatepost.dns.record import LOOP, Onward, answer_of, impossible, unknown
from gatepost.dns.resolvconf import Server
from gatepost.dns.servers import Servers
from gatepost.wire import dns as wire
from gatepost.wire.dns_name import DnsError

MOST_PIECES = 8
"""Pieces of one CNAME chain that are asked for; resolvers hand out whole chains as a rule."""
WAITING_PER_SLOT = 16
"""Questions that may wait for each one in flight; beyond, UNKNOWN at once is better than in vain later."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How long is waited (seconds) and how much at once; `DnsOptions` tells what each means."""

    timeout: float = 1.0
    attempts: int = 2
    deadline: float = 3.5
    in_flight: int = 1024


class LiveResolver:
    """Asks `servers` (at least one) over the network; a Resolver without memory of answers."""

    def __init__(self, servers: Sequence[Server], clock: Clock, terms: Terms | None = None) -> None:
        self._servers = Servers(servers, clock)
        self._terms = terms or Terms()
        self._slots = asyncio.Semaphore(self._terms.in_flight)
        self._open = 0
        self._counts: Counter[str] = Counter(questions=0, unknown=0, packets=0, by_tcp=0, ignored=0)

    async def ask(self, name: str, kind: Kind) -> Answer:
        """The records of `kind` at `name`, within the deadline. Never raises, except when cancelled."""
        try:
            question = wire.encode_question(0, name, kind)
        except DnsError:
            return impossible(name)
        if self._open >= self._terms.in_flight * (1 + WAITING_PER_SLOT):
            return unknown(UNASKED)
        self._open += 1
        why = UNASKED
        try:
            async with asyncio.timeout(self._terms.deadline), self._slots:
                why = "timeout"
                answer = await self._whole_chain(question, kind)
        except TimeoutError:
            answer = unknown(why)
        finally:
            self._open -= 1
        self._counts["questions"] += 1
        self._counts["unknown"] += answer.unknown
        return answer

    def stats(self) -> dict[str, object]:
        """For `status`: what was done since start, and which servers are asked last now."""
        return {
            **self._counts,
            "in_flight": self._open,
            "servers": self._servers.all(),
            "silent": self._servers.silent(),
        }

    async def _whole_chain(self, question: bytes, kind: Kind) -> Answer:
        ttl = float("inf")
        for _ in range(MOST_PIECES):
            answer = await _Conversation(self._servers, self._terms, self._counts, question, kind).hold()
            if isinstance(answer, Answer):
                return answer if answer.ttl <= ttl else msgspec.structs.replace(answer, ttl=ttl)
            question, ttl = wire.encode_question(0, answer.target, kind), min(ttl, answer.ttl)
        return unknown(LOOP)


class _Conversation:
    """One question, asked until somebody answers it usefully."""

    __slots__ = (
        "_counts",
        "_inbox",
        "_kind",
        "_loop",
        "_open",
        "_question",
        "_servers",
        "_terms",
        "_useless",
        "_why",
    )

    def __init__(
        self, servers: Servers, terms: Terms, counts: Counter[str], question: bytes, kind: Kind
    ) -> None:
        self._servers = servers
        self._terms = terms
        self._counts = counts
        self._question = question
        self._kind = kind
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(self._loop)
        self._open: list[Packet] = []
        self._useless: set[Server] = set()
        self._why = "timeout"

    async def hold(self) -> Answer | Onward:
        """What the first useful reply says; else UNKNOWN with the last reason."""
        try:
            for server in self._servers.turns(self._terms.attempts):
                if server in self._useless:
                    continue
                answer = await self._listen(self._send(server, self._question), self._terms.timeout)
                if answer is not None:
                    return answer
            return await self._listen(None, self._terms.deadline) or unknown(self._why)
        finally:
            for packet in self._open:
                self._counts["ignored"] += packet.ignored
                packet.close()

    def _send(self, server: Server, question: bytes) -> Packet:
        self._counts["packets"] += 1
        numbered = wire.with_number(question, secrets.randbelow(0x10000))
        packet = Packet(self._loop, self._inbox, server, numbered)
        self._open.append(packet)
        return packet

    async def _listen(self, newest: Packet | None, seconds: float) -> Answer | Onward | None:
        """The first useful answer to any packet; None when `newest` will get none, or not in time."""
        end = self._loop.time() + seconds
        while self._open:
            arrived = await self._inbox.get(end - self._loop.time())
            if arrived is None:
                if newest is not None:
                    self._servers.was_silent(newest.server)
                return None
            packet, outcome = arrived
            self._open.remove(packet)
            self._counts["ignored"] += packet.ignored
            answer = await self._judge(packet, outcome)
            if isinstance(answer, Packet):
                newest = answer if packet is newest else newest
            elif answer is not None or packet is newest:
                return answer
        return None

    async def _judge(self, packet: Packet, outcome: wire.Reply | str) -> Answer | Onward | Packet | None:
        """The answer when it is useful; a new packet when the server wants it put otherwise; else None."""
        server = packet.server
        if isinstance(outcome, wire.Reply) and outcome.truncated:
            self._counts["by_tcp"] += 1
            outcome = await ask_by_tcp(server, packet.question, self._terms.timeout)
        if isinstance(outcome, str):
            self._servers.was_silent(server)
            self._why = outcome
            return None
        self._servers.answered(server)
        if outcome.code in (wire.FORMERR, wire.NOTIMP) and wire.has_edns(packet.question):
            return self._send(server, wire.without_edns(self._question))  # from before EDNS (RFC 6891, 7)
        answer = answer_of(outcome, self._kind)
        if isinstance(answer, Answer) and answer.unknown and answer.why != LOOP:
            self._useless.add(server)
            self._why = answer.why
            return None
        return answer
