r"""DNS messages: a question into octets, a reply's octets into records. No I/O.

Small and strict: only what a stub resolver asks (RFC 1035, 3596, 6891) and
only what its answers can hold. A reply is decoded as a whole or not at all;
a compression pointer must lead backwards, so that every name ends; a count
of records that no honest answer has is refused before work is spent on it.

Names are text, see `wire.dns_name`.

Raises: DnsError, and nothing else.
"""

import re
from collections.abc import Callable
from ipaddress import IPv6Address
from struct import Struct

import msgspec

from gatepost.wire.dns_name import MAX_LABEL, DnsError, encode_name, read_name

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
"""Record types (TYPE, RFC 1035, 3.2.2; RFC 3596; RFC 6891)."""

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
"""Response codes (RFC 1035, 4.1.1)."""

EDNS_PAYLOAD = 1232
"""Largest UDP reply asked for: passes every usual path unfragmented (DNS flag day 2020)."""
MAX_RECORDS = 1000
"""Of all sections; honest answers have tens."""

_IN = 1
_HEADER = Struct(">HHHHHH")
_QUESTION_END = Struct(">HH")
_RECORD = Struct(">HHIH")
_PREFERENCE = Struct(">H")
_SOA_NUMBERS = Struct(">IIIII")
_RESPONSE, _OPCODE, _TRUNCATED, _RECURSE = 0x8000, 0x7800, 0x0200, 0x0100
_EDNS = b"\0" + _RECORD.pack(OPT, EDNS_PAYLOAD, 0, 0)

_ODD_IN_TEXT = re.compile(rb"[^ -~]")


class Record(msgspec.Struct, frozen=True, gc=False):
    """A resource record of class IN; `text` as in a zone file, see `dns.base.Answer`."""

    owner: str
    kind: int
    ttl: int
    """Seconds; 0 where the top bit was set (RFC 2181, 8)."""
    text: str


class Reply(msgspec.Struct, frozen=True):
    """A decoded reply. Truncated replies and errors other than NXDOMAIN are left without records."""

    id: int
    code: int
    """NOERROR, SERVFAIL, …, with the upper bits of EDNS (RFC 6891, 6.1.3)."""
    truncated: bool
    question: tuple[str, int] | None
    """Name and type asked; None in an error reply that does not repeat them."""
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    """SOA and NS records; the latter without text."""


def encode_question(number: int, name: str, kind: int, *, edns: bool = True) -> bytes:
    """A question with recursion desired.

    Args:
        number: the message's id, random, 0 to 65535.
        name: as `encode_name` takes it.
        kind: type of the records asked for.
        edns: offer replies of up to EDNS_PAYLOAD octets; old servers know 512 only.

    Raises:
        DnsError: from `encode_name`.
    """
    header = _HEADER.pack(number, _RECURSE, 1, 0, 0, 1 if edns else 0)
    question = header + encode_name(name) + _QUESTION_END.pack(kind, _IN)
    return question + _EDNS if edns else question


def with_number(question: bytes, number: int) -> bytes:
    """The same question under another id."""
    return number.to_bytes(2) + question[2:]


def without_edns(question: bytes) -> bytes:
    """The same question as it was put before EDNS."""
    return question[:11] + b"\0" + question[12 : -len(_EDNS)] if has_edns(question) else question


def has_edns(question: bytes) -> bool:
    """Whether `question`, made by `encode_question`, offers long replies."""
    return question[11] == 1


def is_reply_to(question: bytes, reply: bytes) -> bool:
    """Whether `reply` has the id of `question`, and its question if it has any (case does not matter).

    A reply without question can only be an error; `decode` sees to that.
    """
    if len(reply) < _HEADER.size or reply[:2] != question[:2]:
        return False
    if reply[4:6] == b"\0\0":
        return True
    end = _end_of_question(question)
    return reply[4:6] == b"\0\1" and reply[12:end].lower() == question[12:end].lower()


def decode(data: bytes) -> Reply:
    """The reply in these octets.

    Raises:
        DnsError: it is malformed anywhere, or no reply.
    """
    try:
        return _decode(data)
    except IndexError as error:
        raise DnsError("cut short") from error


def _decode(data: bytes) -> Reply:
    if len(data) < _HEADER.size:
        raise DnsError("shorter than a header")
    number, flags, questions, *counts = _HEADER.unpack_from(data)
    if not flags & _RESPONSE or flags & _OPCODE:
        raise DnsError("not a reply to a question")
    reader = _Reader(data)
    code = flags & 0xF
    asked = _question(reader, questions, code)
    if flags & _TRUNCATED or code not in (NOERROR, NXDOMAIN):
        return Reply(number, code, bool(flags & _TRUNCATED), asked)
    if sum(counts) > MAX_RECORDS:
        raise DnsError("too many records")
    answers = reader.records(counts[0], _READERS)
    authority = reader.records(counts[1], _AUTHORITY_READERS)
    code |= reader.upper_code(counts[2])
    if reader.offset != len(data):
        raise DnsError("octets after the end")
    if code not in (NOERROR, NXDOMAIN):
        return Reply(number, code, False, asked)
    return Reply(number, code, False, asked, answers, authority)


def _question(reader: "_Reader", count: int, code: int) -> tuple[str, int] | None:
    if count == 0 and code not in (NOERROR, NXDOMAIN):
        return None
    if count != 1:
        raise DnsError("not one question")
    name = reader.name()
    kind, group = _QUESTION_END.unpack(reader.take(4))
    if group != _IN:
        raise DnsError("class is not IN")
    return name, kind


class _Reader:
    """Goes through a message once, front to back."""

    __slots__ = ("_data", "_names", "offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._names: dict[int, str] = {}
        self.offset = _HEADER.size

    def take(self, count: int) -> bytes:
        """The next `count` octets."""
        start, self.offset = self.offset, self.offset + count
        if self.offset > len(self._data):
            raise DnsError("cut short")
        return self._data[start : self.offset]

    def name(self) -> str:
        """The next name. Names that are only a pointer, as most are, are looked up once."""
        start, data = self.offset, self._data
        if data[start] >= 0xC0:
            self.offset = start + 2
            target = (data[start] & 0x3F) << 8 | data[start + 1]
            known = self._names.get(target)
            if known is not None:
                return known
            if target >= start:
                raise DnsError("pointer forwards")
            name, _ = read_name(data, target)
            self._names[target] = name
            return name
        name, self.offset = read_name(data, start)
        self._names[start] = name
        return name

    def records(self, count: int, readers: "_Readers") -> tuple[Record, ...]:
        """The next `count` records; only those of class IN whose type has a reader."""
        found = []
        for _ in range(count):
            owner = self.name()
            kind, group, ttl, length = _RECORD.unpack(self.take(10))
            end = self.offset + length
            if end > len(self._data):
                raise DnsError("cut short")
            read = readers.get(kind) if group == _IN else None
            if read is None:
                self.offset = end
                continue
            text = read(self, length)
            if self.offset != end:
                raise DnsError(f"length of a type {kind} record is wrong")
            found.append(Record(owner, kind, 0 if ttl >> 31 else ttl, text))
        return tuple(found)

    def upper_code(self, count: int) -> int:
        """Goes over the additional section; the bits it adds to the response code."""
        upper = 0
        for _ in range(count):
            self.skip_name()
            kind, _group, ttl, length = _RECORD.unpack(self.take(10))
            self.take(length)
            if kind == OPT:
                upper = ttl >> 24 << 4
        return upper

    def skip_name(self) -> None:
        """Go to the end of the next name, without following its pointer."""
        while length := self._data[self.offset]:
            if length >= 0xC0:
                self.offset += 2
                return
            if length > MAX_LABEL:
                raise DnsError("unknown kind of label")
            self.offset += length + 1
        self.offset += 1


def _end_of_question(question: bytes) -> int:
    return len(question) - (len(_EDNS) if has_edns(question) else 0)


# --- the data of each type, as text ---------------------------------------------------------------


def _read_a(reader: _Reader, length: int) -> str:
    if length != 4:
        raise DnsError("length of an A record is wrong")
    return ".".join(map(str, reader.take(4)))


def _read_aaaa(reader: _Reader, length: int) -> str:
    if length != 16:
        raise DnsError("length of an AAAA record is wrong")
    return str(IPv6Address(reader.take(16)))


def _read_host(reader: _Reader, _length: int) -> str:
    return reader.name()


def _read_mx(reader: _Reader, _length: int) -> str:
    (preference,) = _PREFERENCE.unpack(reader.take(2))
    return f"{preference} {reader.name()}"


def _read_soa(reader: _Reader, _length: int) -> str:
    primary, mailbox = reader.name(), reader.name()
    numbers = _SOA_NUMBERS.unpack(reader.take(20))
    return f"{primary} {mailbox} {' '.join(map(str, numbers))}"


def _read_txt(reader: _Reader, length: int) -> str:
    data, joined, position = reader.take(length), [], 0
    if not data:
        raise DnsError("TXT record without a string")
    while position < length:
        end = position + 1 + data[position]
        if end > length:
            raise DnsError("string longer than its TXT record")
        joined.append(data[position + 1 : end])
        position = end
    return text_of(b"".join(joined))


def _skip(reader: _Reader, length: int) -> str:
    reader.take(length)
    return ""


def text_of(octets: bytes) -> str:
    r"""Octets of a TXT record as text; all but printable ASCII as `\xNN`, so that it fits a log line."""
    return _ODD_IN_TEXT.sub(lambda match: b"\\x%02x" % match[0][0], octets).decode("ascii")


_Readers = dict[int, Callable[[_Reader, int], str]]
_READERS: _Readers = {
    A: _read_a,
    NS: _read_host,
    CNAME: _read_host,
    SOA: _read_soa,
    PTR: _read_host,
    MX: _read_mx,
    TXT: _read_txt,
    AAAA: _read_aaaa,
}
_AUTHORITY_READERS: _Readers = {NS: _skip, SOA: _read_soa}
