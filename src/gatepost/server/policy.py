"""The policy service on its sockets: octets in, a handler asked, octets out.

One connection asks one question at a time, as smtpd(8) does; what is sent
ahead waits, the little that was read in memory and the rest in the kernel.
So replies stand in the order of the requests. A handler that answers at once
is answered at once, without a task.

Nothing is raised to the caller. Protocol errors close the connection without
a reply, as SMTPD_POLICY_README asks; a handler that fails is logged and
answered DUNNO, since our own trouble must not cost a mail.
"""

import asyncio
import heapq
import logging
import math
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from gatepost.model import Action, Request, Verdict
from gatepost.server.listen import ListenOptions, connection_cap
from gatepost.server.lograte import Seldom
from gatepost.server.place import BACKLOG, Listener
from gatepost.wire.policy import Parser, ProtocolError, encode, longest_name

log = logging.getLogger("gatepost.server")

Handler = Callable[[Request], Verdict | Awaitable[Verdict]]
"""Answers a request: at once with a Verdict, or with something to await. It should not raise."""

MAX_DELAY = 60.0
"""Seconds a reply waits at most, whatever the verdict says; Postfix gives up after 100 by default."""
WRITE_BUFFER = 64 * 1024
"""Octets of replies that wait for a client that does not read, before we stop answering it."""
AT_ONCE = 0.01
"""Part of the connections that is closed together when there are too many."""

_DUNNO = encode(Verdict(action=Action.PASS))


@dataclass(slots=True)
class Counters:
    """What the server has done since it started."""

    connections: int = 0
    """Open now."""
    connections_total: int = 0
    requests: int = 0
    protocol_errors: int = 0
    faults: int = 0
    """Handlers that raised."""
    closed_idle: int = 0
    closed_slow: int = 0
    """Requests that took too long to arrive, and clients that did not read."""
    closed_full: int = 0
    """Closed because there were too many."""


class PolicyServer:
    """Answers policy requests on any number of listeners."""

    def __init__(self, handler: Handler, options: ListenOptions | None = None) -> None:
        """Remember who answers; `handler` may be replaced at any time, for what is asked afterwards."""
        self.handler = handler
        self.options = options or ListenOptions()
        self.counters = Counters()
        self.draining = False
        self.open: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Listener] = []
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._cap = 0
        self._seldom = Seldom(log, time.monotonic)

    async def start(self, listeners: Sequence[Listener]) -> None:
        """Accept connections. The listeners belong to the server from now on: `stop` closes them."""
        loop = asyncio.get_running_loop()
        self._cap = connection_cap(self.options, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        if self._cap < self.options.max_connections:
            log.warning("the limit on open files leaves room for %d connections only", self._cap)
        self._listeners = list(listeners)
        self._sweep()
        for listener in listeners:
            make = loop.create_unix_server if listener.port == 0 else loop.create_server
            self._servers.append(await make(lambda: Connection(self), sock=listener.socket, backlog=BACKLOG))

    async def stop(self) -> None:
        """Accept nothing more, end what is being answered within `drain`, close everything."""
        self.draining = True
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            listener.close()
        for connection in list(self.open):
            connection.end_when_idle()
        if self.open:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self.options.drain)
        for connection in list(self.open):
            connection.abort()
        for task in list(self.tasks):
            task.cancel()
        if self._sweeper:
            self._sweeper.cancel()

    # --- for connections ---

    def took(self, connection: "Connection") -> None:
        """Count a new connection, and make room when there are too many."""
        self.open.add(connection)
        self.counters.connections_total += 1
        self.counters.connections = len(self.open)
        if len(self.open) > self._cap:
            idle = [other for other in self.open if not other.busy and other is not connection]
            longest = heapq.nsmallest(1 + int(self._cap * AT_ONCE), idle, key=lambda other: other.since)
            for other in longest or [connection]:
                self.counters.closed_full += 1
                other.abort()
                self.lost(other)
            self._seldom.warning("too many connections (%d): closed the longest idle", len(self.open))

    def lost(self, connection: "Connection") -> None:
        """Forget a connection."""
        self.open.discard(connection)
        self.counters.connections = len(self.open)
        if not self.open:
            self._empty.set()

    def refuse(self, peer: object, error: ProtocolError) -> None:
        """Note that somebody does not speak the protocol."""
        self.counters.protocol_errors += 1
        self._seldom.warning("closed without a reply: not the policy protocol, %s peer=%s", error, peer)

    def fault(self, error: Exception) -> bytes:
        """Note that the handler failed; what is answered then."""
        self.counters.faults += 1
        self._seldom.warning("a request could not be judged and passes: %r", error, error=error)
        return _DUNNO

    # --- time ---

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self.open):
            connection.check_time(now)
        shortest = min(self.options.idle, self.options.request_time)
        self._sweeper = loop.call_later(max(shortest / 4, 0.02), self._sweep)


class Connection(asyncio.Protocol):
    """One client. It is `busy` while a question is being answered or a reply waits."""

    __slots__ = (
        "_ending",
        "_full",
        "_gone",
        "_loop",
        "_parser",
        "_paused",
        "_server",
        "_transport",
        "busy",
        "since",
    )

    def __init__(self, server: PolicyServer) -> None:
        self._server = server
        self._parser = Parser()
        self._loop = asyncio.get_running_loop()
        self.busy = False
        self.since = self._loop.time()
        """Since when it is idle, or a request is on its way, or the client does not read."""
        self._full = False
        self._paused = False
        self._ending = False
        self._gone = False

    # --- what the event loop says ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        self._server.took(self)

    def data_received(self, data: bytes) -> None:
        if not self._parser.pending:
            self.since = self._loop.time()
        self._parser.feed(data)
        if self.busy or self._full:
            self._paused = True
            self._transport.pause_reading()
        else:
            self._work()
            if self._ending:
                self._go_on()

    def eof_received(self) -> bool:
        """Keep our side open while an answer is owed."""
        self._ending = True
        return self.busy or self._full

    def pause_writing(self) -> None:
        self._full = True
        self.since = self._loop.time()

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the event loop's signature
        self._gone = True
        if not self.busy:  # else its question still costs us something, and it counts until then
            self._server.lost(self)

    # --- what the server says ---

    def end_when_idle(self) -> None:
        """Close as soon as nothing is owed."""
        self._ending = True
        if not self.busy and not self._full and not self._parser.pending:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def check_time(self, now: float) -> None:
        """Close when it was idle, slow or deaf for too long."""
        waited, options, counters = now - self.since, self._server.options, self._server.counters
        if self._full or (self._parser.pending and not self.busy):
            if waited > options.request_time:
                counters.closed_slow += 1
                self.abort()
        elif waited > options.idle and not self.busy:
            counters.closed_idle += 1
            self._transport.close()

    # --- requests and replies ---

    def _work(self) -> None:
        try:
            while not (self.busy or self._full) and (request := self._parser.next()) is not None:
                self._ask(request)
        except ProtocolError as error:
            self._server.refuse(self._transport.get_extra_info("peername"), error)
            self._transport.close()

    def _ask(self, request: Request) -> None:
        self._server.counters.requests += 1
        try:
            answer = self._server.handler(request)
            if not isinstance(answer, Verdict):
                self.busy = True
                task = self._loop.create_task(self._wait(request, answer))
                self._server.tasks.add(task)
                task.add_done_callback(self._server.tasks.discard)
                return
            octets, delay = _reply(request, answer)
        except Exception as error:  # the fence: whatever fails, the mail passes
            octets, delay = self._server.fault(error), 0.0
        if delay:
            self.busy = True
            self._loop.call_later(delay, self._answer, octets)
        else:
            self._transport.write(octets)

    async def _wait(self, request: Request, answer: Awaitable[Verdict]) -> None:
        try:
            octets, delay = _reply(request, await answer)
        except Exception as error:  # the same fence, for answers that take their time
            octets, delay = self._server.fault(error), 0.0
        if delay:
            self._loop.call_later(delay, self._answer, octets)
        else:
            self._answer(octets)

    def _answer(self, octets: bytes) -> None:
        """Give the reply that was waited for, and go on with what was sent ahead."""
        self.busy = False
        self.since = self._loop.time()
        if self._gone:
            self._server.lost(self)
        elif not self._transport.is_closing():
            self._transport.write(octets)
            self._go_on()

    def _go_on(self) -> None:
        self._work()
        if self.busy or self._full or self._transport.is_closing():
            return
        if self._ending and (not self._parser.pending or not self._server.draining):
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()


def _reply(request: Request, verdict: Verdict) -> tuple[bytes, float]:
    """The octets to send, and the seconds to wait before."""
    named = 0 if verdict.action is Action.PASS else longest_name(request)
    delay = verdict.delay
    if verdict.observed or not math.isfinite(delay) or delay <= 0:
        delay = 0.0
    return encode(verdict, request.stage, named), min(delay, MAX_DELAY)
