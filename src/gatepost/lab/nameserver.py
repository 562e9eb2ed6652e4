"""A name server for the lab without root: it serves the lab's records over UDP on a loopback port.

Small on purpose: one zone (the root), A, AAAA, MX, NS, PTR, SOA and TXT,
wildcards (RFC 4592, as far as the lab has them), no EDNS, no TCP. Questions
that it cannot read get no answer, as a dropped packet would.
"""

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Iterable, Iterator

from gatepost.lab.cast import Record
from gatepost.lab.zones import TTL

KINDS = {"A": 1, "NS": 2, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
_HEADER = struct.Struct("!6H")
_AUTHORITATIVE_ANSWER = 0x8580
"""Flags of a reply: QR, AA, RD, RA (RFC 1035, 4.1.1)."""
_NXDOMAIN = 3


class Zone:
    """Records, ready to be asked; pure."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records: dict[str, list[Record]] = {}
        self._names: set[str] = set()
        for record in records:
            name = record.name.lower()
            self._records.setdefault(name, []).append(record)
            while name:  # the names above exist too, without records of their own (RFC 8020)
                self._names.add(name)
                name = name.partition(".")[2]

    def find(self, name: str, kind: int) -> list[Record] | None:
        """The records of this kind; None when there is no such name at all."""
        name = name.lower()
        if name not in self._names and name:
            found = self._wildcard(name)
            if found is None:
                return None
        else:
            found = self._records.get(name, [])
        return [record for record in found if KINDS[record.kind] == kind]

    def _wildcard(self, name: str) -> list[Record] | None:
        while name:
            name = name.partition(".")[2]
            if f"*.{name}" in self._records:
                return self._records[f"*.{name}"]
            if name in self._names:
                return None
        return None


def reply(zone: Zone, question: bytes) -> bytes | None:
    """The octets that answer `question`; None when it cannot be read."""
    try:
        number, _, count, *_ = _HEADER.unpack_from(question)
        name, end = _read_name(question, _HEADER.size)
        (kind,) = struct.unpack_from("!H", question, end)
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    if count != 1:
        return None
    found = zone.find(name, kind)
    code = _NXDOMAIN if found is None else 0
    authority = [] if found else zone.find("", KINDS["SOA"]) or []
    header = _HEADER.pack(number, _AUTHORITATIVE_ANSWER | code, 1, len(found or []), len(authority), 0)
    asked = question[_HEADER.size : end + 4]
    answers = b"".join(_answer(question[_HEADER.size : end], record) for record in found or [])
    return header + asked + answers + b"".join(_answer(b"\0", record) for record in authority)


def _read_name(data: bytes, offset: int) -> tuple[str, int]:
    labels = []
    while length := data[offset]:
        labels.append(data[offset + 1 : offset + 1 + length].decode("ascii"))
        offset += 1 + length
    return ".".join(labels), offset + 1


def encode_name(name: str) -> bytes:
    """A name as labels, not compressed."""
    labels = name.rstrip(".").split(".") if name.rstrip(".") else []
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"


def _answer(owner: bytes, record: Record) -> bytes:
    data = _data(record)
    return owner + struct.pack("!HHIH", KINDS[record.kind], 1, TTL, len(data)) + data


def _data(record: Record) -> bytes:
    match record.kind:
        case "A" | "AAAA":
            return ipaddress.ip_address(record.data).packed
        case "MX":
            preference, host = record.data.split()
            return struct.pack("!H", int(preference)) + encode_name(host)
        case "TXT":
            text = record.data.strip('"').encode()
            return bytes([len(text)]) + text
        case "SOA":
            primary, mail, *numbers = record.data.split()
            return encode_name(primary) + encode_name(mail) + struct.pack("!5I", *map(int, numbers))
        case _:
            return encode_name(record.data)


@contextlib.contextmanager
def name_server(records: Iterable[Record]) -> Iterator[int]:
    """Serve `records` on a free UDP port of 127.0.0.1 while the block runs; the port is given."""
    zone = Zone(records)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        done = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, zone, done))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


def _serve(server: socket.socket, zone: Zone, done: threading.Event) -> None:
    while not done.is_set():
        try:
            question, client = server.recvfrom(4096)
        except TimeoutError:
            continue
        if (answer := reply(zone, question)) is not None:
            server.sendto(answer, client)
