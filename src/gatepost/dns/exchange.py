"""One question to one name server: the sockets, and nothing but them. Works on asyncio and uvloop.

Every UDP question goes out from a socket of its own, connected to the server:
the kernel gives it a random port, drops what comes from elsewhere, and tells
at once when nobody listens there. With the random id a forger has to guess
about 30 bits within the time of one answer (RFC 5452, 4.3 and 9.2).

Raises nothing, except when cancelled: trouble is a word for people.
"""

import asyncio
import socket
from collections import deque

from gatepost.dns.resolvconf import Server
from gatepost.wire import dns as wire
from gatepost.wire.dns_name import DnsError

TCP_LIMIT = 16_384
"""Octets of a reply by TCP; honest answers that we ask for are far below."""
_UDP_LIMIT = 4096
"""Octets of a reply by UDP; more than was offered, so that a longer one shows as malformed, not as cut."""


class Inbox:
    """Where all packets of one question put what became of them."""

    __slots__ = ("_arrived", "_loop", "_waiter")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: deque[tuple[Packet, wire.Reply | str]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, packet: "Packet", outcome: wire.Reply | str) -> None:
        """A reply, or why none can come any more."""
        self._arrived.append((packet, outcome))
        if self._waiter is not None:
            _wake(self._waiter)

    async def get(self, seconds: float) -> "tuple[Packet, wire.Reply | str] | None":
        """The next outcome; None when there is none within `seconds`."""
        if not self._arrived:
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(seconds, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self._arrived.popleft() if self._arrived else None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Packet:
    """A question sent by UDP. Puts one outcome into the inbox, unless it is closed before."""

    __slots__ = ("_inbox", "_loop", "_socket", "ignored", "question", "server")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, inbox: Inbox, server: Server, question: bytes
    ) -> None:
        self.server = server
        self.question = question
        self.ignored = 0
        """Replies from the right address that were not to this question."""
        self._loop = loop
        self._inbox = inbox
        self._socket: socket.socket | None = None
        try:
            self._send()
        except OSError as error:
            self._end(_reason(error))

    def _send(self) -> None:
        self._socket = socket.socket(_family(self.server), socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(_address(self.server))
        self._socket.send(self.question)
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def _readable(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(_UDP_LIMIT)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(_reason(error))
            return
        if wire.is_reply_to(self.question, data):
            self._end(_decoded(data))
        else:
            self.ignored += 1

    def _end(self, outcome: wire.Reply | str) -> None:
        self.close()
        self._inbox.put(self, outcome)

    def close(self) -> None:
        """Let go of the socket; nothing is put into the inbox any more."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


async def ask_by_tcp(server: Server, question: bytes, seconds: float) -> wire.Reply | str:
    """The reply to `question` by TCP within `seconds`, or why there is none."""
    try:
        async with asyncio.timeout(seconds):
            data = await _converse(server, question)
    except TimeoutError:
        return "timeout by TCP"
    except OSError as error:
        return _reason(error)
    except (EOFError, DnsError):
        return "cut short by TCP"
    if not wire.is_reply_to(question, data):
        return "malformed"
    return _decoded(data)


async def _converse(server: Server, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=TCP_LIMIT)
    try:
        writer.write(len(question).to_bytes(2) + question)
        length = int.from_bytes(await reader.readexactly(2))
        if length > TCP_LIMIT:
            raise DnsError("reply too long")
        return await reader.readexactly(length)
    finally:
        writer.transport.abort()


def _decoded(data: bytes) -> wire.Reply | str:
    try:
        return wire.decode(data)
    except DnsError:
        return "malformed"


def _family(server: Server) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server.host else socket.AF_INET


def _address(server: Server) -> tuple[str, int] | tuple[str, int, int, int]:
    if ":" not in server.host:
        return server.host, server.port
    host, _, scope = server.host.partition("%")
    if not scope:
        return host, server.port, 0, 0
    return host, server.port, 0, int(scope) if scope.isdigit() else socket.if_nametoindex(scope)


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens"
    return (error.strerror or "unreachable").lower()
