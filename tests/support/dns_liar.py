"""A name server that says whatever its script says, and counts what it is asked.

    with Liar(script) as liar:
        ... ask 127.0.0.1, liar.port ...
    assert liar.count("example.org", "A") == 1

The script is a function from a Query to octets, to several datagrams, or to
None for silence. `relay_to(port)` is a script that passes everything on to a
real name server: a Liar then only counts. Works in threads, so that tests
with and without an event loop can use it. dnspython reads and writes the
messages: the code under test is no witness here.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass(frozen=True)
class Query:
    wire: bytes
    tcp: bool
    source: tuple
    """Address and port of who asks."""
    socket: socket.socket
    """Where it arrived: for scripts that answer later or more than once."""

    @property
    def message(self) -> dns.message.Message:
        return dns.message.from_wire(self.wire)

    @property
    def name(self) -> str:
        return self.message.question[0].name.to_text(omit_final_dot=True).lower()

    @property
    def kind(self) -> str:
        return dns.rdatatype.to_text(self.message.question[0].rdtype)


Script = Callable[[Query], bytes | Iterable[bytes] | None]


class Liar:
    """Listens on one port of `address`, UDP and TCP."""

    def __init__(self, script: Script, address: str = "127.0.0.1") -> None:
        self.script = script
        self.asked: list[Query] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp, self._tcp = _same_port(family, address)
        self.port: int = self._udp.getsockname()[1]
        self.server = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self._closing = False
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closing = True
        with contextlib.suppress(OSError), socket.socket(self._udp.family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._udp.getsockname())
        with contextlib.suppress(OSError):
            socket.create_connection(self._tcp.getsockname()[:2], 1).close()
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._tcp.close()

    def count(self, name: str, kind: str, *, tcp: bool | None = None) -> int:
        """How many packets asked this."""
        return sum(
            query.name == name and query.kind == kind and tcp in (None, query.tcp)
            for query in list(self.asked)
        )

    def _answers(self, query: Query) -> list[bytes]:
        self.asked.append(query)
        said = self.script(query)
        if said is None:
            return []
        return [said] if isinstance(said, bytes) else list(said)

    def _serve_udp(self) -> None:
        while not self._closing:
            wire, source = self._udp.recvfrom(65535)
            if self._closing or len(wire) < 12:
                continue
            for datagram in self._answers(Query(wire, False, source, self._udp)):
                if not self._closing:  # the script took its time
                    self._udp.sendto(datagram, source)

    def _serve_tcp(self) -> None:
        while not self._closing:
            connection, source = self._tcp.accept()
            with connection, contextlib.suppress(OSError, struct.error):
                connection.settimeout(5)
                (length,) = struct.unpack(">H", _exactly(connection, 2))
                query = Query(_exactly(connection, length), True, source, connection)
                for reply in self._answers(query):
                    connection.sendall(struct.pack(">H", len(reply)) + reply)


def _same_port(family: int, address: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(50):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind((address, 0))
        tcp = socket.socket(family, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((address, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen(64)
        return udp, tcp
    raise OSError("no port free for both UDP and TCP")


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("connection closed")
        data += more
    return data


# --- scripts, and parts of them -------------------------------------------------------------------


def reply(
    query: Query,
    *answers: str,
    authority: Iterable[str] = (),
    rcode: str = "NOERROR",
    truncated: bool = False,
) -> bytes:
    """A reply with these records, each a line of a zone file: `example.org. 300 IN A 192.0.2.1`."""
    message = dns.message.make_response(query.message, recursion_available=True)
    message.set_rcode(dns.rcode.from_text(rcode))
    message.answer = [_rrset(line) for line in answers]
    message.authority = [_rrset(line) for line in authority]
    if truncated:
        message.flags |= dns.flags.TC
    return message.to_wire(max_size=65535)


def _rrset(line: str) -> dns.rrset.RRset:
    owner, ttl, group, kind, data = line.split(None, 4)
    return dns.rrset.from_text(owner, int(ttl), group, kind, data)


def always(rcode: str) -> Script:
    """To every question the same code without records."""
    return lambda query: reply(query, rcode=rcode)


def silent(_query: Query) -> None:
    """Never answers."""


def relay_to(port: int, address: str = "127.0.0.1") -> Script:
    """Passes every question on to a real name server, and its answer back."""

    def script(query: Query) -> bytes | None:
        kind = socket.SOCK_STREAM if query.tcp else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as onward:
            onward.settimeout(5)
            onward.connect((address, port))
            if not query.tcp:
                onward.send(query.wire)
                return onward.recv(65535)
            onward.sendall(struct.pack(">H", len(query.wire)) + query.wire)
            (length,) = struct.unpack(">H", _exactly(onward, 2))
            return _exactly(onward, length)

    return script


def slowly(script: Script, seconds: float) -> Script:
    """As `script` says, but late."""

    def late(query: Query) -> bytes | Iterable[bytes] | None:
        time.sleep(seconds)
        return script(query)

    return late
