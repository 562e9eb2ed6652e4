"""Netlink, as far as the firewall asks the kernel itself: messages in and out (netlink(7), rtnetlink(7)).

The octets come from the kernel; lengths in them are looked at all the same.
"""

import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress

import msgspec

from gatepost.network import Address, parse_address

NETFILTER = 12
"""NETLINK_NETFILTER: the protocol of nftables."""
GROUP = 7
"""NFNLGRP_NFTABLES: every change of anybody's."""
ADD_MEMBERSHIP, SOL_NETLINK = 1, 270
_NEWGEN, _GETGEN = 15, 16
_NEWTABLE, _GETTABLE = 0, 1
_NFTABLES = 10 << 8
_INET = 1
_GETADDR, _NEWADDR = 22, 20
_REQUEST, _DUMP = 1, 0x300
_DONE, _ERROR = 3, 2
_HEADER = struct.Struct("=IHHII")
_NUMBER = struct.Struct("=i")
_ATTRIBUTE = struct.Struct("=HH")
_RCVBUFFORCE = 33
_OWN_ADDRESS, _PEER_ADDRESS = 2, 1  # IFA_LOCAL, IFA_ADDRESS
SECONDS = 5.0
BUFFER = 1 << 18
ROOM = 64 << 20
"""Octets of messages that may wait for us, of which one of 20,000 bans takes some hundred."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message, without its header."""

    kind: int
    body: bytes


def messages(octets: bytes) -> Iterator[Message]:
    """The messages in what was received; what is cut off is left out."""
    place = 0
    while place + _HEADER.size <= len(octets):
        length, kind, *_ = _HEADER.unpack_from(octets, place)
        if not _HEADER.size <= length <= len(octets) - place:
            return
        yield Message(kind, octets[place + _HEADER.size : place + length])
        place += (length + 3) & ~3


def attributes(octets: bytes) -> dict[int, bytes]:
    """The attributes in `octets`, by number."""
    found, place = {}, 0
    while place + _ATTRIBUTE.size <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, place)
        if not _ATTRIBUTE.size <= length <= len(octets) - place:
            break
        found[kind & 0x3FFF] = octets[place + _ATTRIBUTE.size : place + length]
        place += (length + 3) & ~3
    return found


def generation() -> int:
    """Which change of nftables was the last; grows by one with each transaction of anybody's.

    Raises:
        OSError: nftables cannot be asked.
    """
    request = _message(_NFTABLES | _GETGEN, _REQUEST, struct.pack("=BBH", 0, 0, 0))
    for message in _ask(NETFILTER, request, more=False):
        if message.kind == _NFTABLES | _NEWGEN and (told := attributes(message.body[4:]).get(1)):
            return int.from_bytes(told, "big")
    raise OSError(0, "the kernel did not say which change of nftables was the last")


def table_flags(table: str) -> int:
    """The flags of a table of family inet; 0 when it is not there. 1: it sleeps, and none of its rules count.

    Raises:
        OSError: nftables cannot be asked.
    """
    name = table.encode() + b"\0"
    told = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(name), 1) + name.ljust((len(name) + 3) & ~3, b"\0")
    request = _message(_NFTABLES | _GETTABLE, _REQUEST, struct.pack("=BBH", _INET, 0, 0) + told)
    try:
        for message in _ask(NETFILTER, request, more=False):
            if message.kind == _NFTABLES | _NEWTABLE:
                return int.from_bytes(attributes(message.body[4:]).get(2, b""), "big")
    except FileNotFoundError:
        pass
    return 0


def changed_in(message: Message, table: str) -> int | None:
    """When `message` tells of a change in the table `table` of family inet: the generation's low 16 bits."""
    if message.kind >> 8 != _NFTABLES >> 8 or message.kind & 0xFF == _NEWGEN or len(message.body) < 4:
        return None
    family, _, change = struct.unpack_from("!BBH", message.body)
    name = attributes(message.body[4:]).get(
        1, b""
    )  # the table's name, in the messages of all kinds of objects
    return change if family == _INET and name.rstrip(b"\0") == table.encode() else None


def made_by(message: Message, processes: Collection[int]) -> int | None:
    """When `message` ends the changes of a transaction of one of these: the generation's low 16 bits."""
    if message.kind != _NFTABLES | _NEWGEN:
        return None
    told = attributes(message.body[4:])
    if int.from_bytes(told.get(2, b""), "big") not in processes:
        return None
    return int.from_bytes(told.get(1, b""), "big") & 0xFFFF


def own_addresses() -> list[Address]:
    """The addresses of all interfaces.

    Raises:
        OSError: the kernel cannot be asked.
    """
    request = _message(_GETADDR, _REQUEST | _DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0))
    found: dict[Address, None] = {}
    for message in _ask(socket.NETLINK_ROUTE, request, more=True):
        if message.kind == _NEWADDR:
            told = attributes(message.body[8:])
            octets = told.get(_OWN_ADDRESS) or told.get(_PEER_ADDRESS, b"")
            if address := _address(octets):
                found[address] = None
    return list(found)


def _address(octets: bytes) -> Address | None:
    family = {4: socket.AF_INET, 16: socket.AF_INET6}.get(len(octets))
    return parse_address(socket.inet_ntop(family, octets)) if family else None


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _ask(protocol: int, request: bytes, *, more: bool) -> Iterator[Message]:
    """The answers to a request; with `more`, until the kernel says that there are no further ones."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as asked:
        asked.settimeout(SECONDS)
        asked.bind((0, 0))
        asked.send(request)
        while True:
            for message in messages(asked.recv(BUFFER)):
                if message.kind == _ERROR and (number := -_NUMBER.unpack_from(message.body)[0]):
                    raise OSError(number, "netlink")
                if message.kind == _DONE:
                    return
                yield message
            if not more:
                return


_MOST = 100_000
"""Datagrams read at once; when there are more, that counts as a change."""


class Listener:
    """Hears of every change of nftables in our network namespace; needs CAP_NET_ADMIN."""

    def __init__(self, table: str) -> None:
        """Listen for changes in our table.

        Raises:
            OSError: we may not.
        """
        self._table = table
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETFILTER)
        try:
            self.socket.bind((0, 0))
            self.socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP)
            with suppress(OSError):  # what does not fit is noticed, and looked for
                self.socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, ROOM)
        except OSError:
            self.socket.close()
            raise

    def heard(self, ours: Collection[int] = ()) -> bool:
        """Read what is there; whether our table was changed, or may have been, by others.

        Changes of the processes `ours` do not count; in a container the kernel may number them otherwise.
        """
        changes: set[int] = set()
        for _ in range(_MOST):
            try:
                octets = self.socket.recv(BUFFER)
            except BlockingIOError:
                return bool(changes)
            except OSError:  # ENOBUFS: we were too slow, and some were lost
                changes.add(-1)
                continue
            for message in messages(octets):
                if (change := changed_in(message, self._table)) is not None:
                    changes.add(change)
                elif (made := made_by(message, ours)) is not None:
                    changes.discard(made)  # told after all that belongs to it
        return True

    def skip(self) -> None:
        """Let go of what is there, unread."""
        for _ in range(_MOST):
            try:
                self.socket.recv(BUFFER)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS
                continue

    def close(self) -> None:
        """Listen no more."""
        self.socket.close()
