r"""Names in DNS messages: text into octets and back, compression followed (RFC 1035, 3.1 and 4.1.4). Pure.

Names are text as in a zone file: lower case, labels joined with dots, no dot
at the end, the root `.`; octets that could be mistaken for something else
are `\DDD`, a dot or backslash within a label is `\.` and `\\`. Text of
any name decoded here can be encoded again and gives the same name.

Raises: DnsError, and IndexError for a name that runs over the end of the data.
"""

import re

MAX_NAME = 255
MAX_LABEL = 63
MAX_JUMPS = 32
"""Compression pointers within one name; encoders use one or two."""

_ODD_IN_LABEL = re.compile(rb"""[^!-~]|[.\\"();@$]""")
_ESCAPE = re.compile(r"\\(?:([0-9]{3})|(.))", re.DOTALL)


class DnsError(Exception):
    """These octets are no DNS message of ours, or this text can be no name; says why."""


def encode_name(name: str) -> bytes:
    """A name on the wire: what `.` separates, each with its length.

    Raises:
        DnsError: no such name can exist (an empty label, one over 63 octets, more than 255 in
            all), or it is not ASCII, which only IDNA can cure.
    """
    if name == ".":
        return b"\0"
    if not name.isascii():
        raise DnsError("not ASCII")
    encoded = bytearray()
    for label in _labels(name):
        if not 0 < len(label) <= MAX_LABEL:
            raise DnsError("empty label" if not label else "label over 63 octets")
        encoded.append(len(label))
        encoded += label
    encoded.append(0)
    if len(encoded) > MAX_NAME:
        raise DnsError("name over 255 octets")
    return bytes(encoded)


def read_name(data: bytes, offset: int) -> tuple[str, int]:
    """The name at `offset` and where what follows it begins."""
    labels: list[str] = []
    after, before, jumps, size = -1, offset, 0, 1
    while length := data[offset]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[offset + 1]
            jumps += 1
            if target >= before or jumps > MAX_JUMPS:
                raise DnsError("pointer forwards, or too many")
            after = offset + 2 if after < 0 else after
            offset = before = target
            continue
        size += length + 1
        if length > MAX_LABEL or size > MAX_NAME:
            raise DnsError("name over 255 octets, or unknown kind of label")
        offset += length + 1
        label = data[offset - length : offset]
        if len(label) != length:
            raise DnsError("cut short")
        labels.append(_label_text(label))
    return ".".join(labels) or ".", offset + 1 if after < 0 else after


def _label_text(label: bytes) -> str:
    if _ODD_IN_LABEL.search(label):
        label = _ODD_IN_LABEL.sub(_escaped_octet, label.lower())
        return label.decode("ascii")
    return label.lower().decode("ascii")


def _escaped_octet(match: re.Match[bytes]) -> bytes:
    octet = match[0]
    return b"\\" + octet if b"!" <= octet <= b"~" else b"\\%03d" % octet[0]


def _labels(name: str) -> list[bytes]:
    labels = _unescaped(name) if "\\" in name else name.encode("ascii").split(b".")
    if len(labels) > 1 and not labels[-1]:
        labels.pop()  # one dot at the end is as good as none
    return labels


def _unescaped(name: str) -> list[bytes]:
    labels, position = [bytearray()], 0
    while position < len(name):
        match = _ESCAPE.match(name, position)
        if match:
            labels[-1].append(_octet(match))
            position = match.end()
            continue
        if name[position] == ".":
            labels.append(bytearray())
        else:
            labels[-1].append(ord(name[position]))
        position += 1
    return [bytes(label) for label in labels]


def _octet(match: re.Match[str]) -> int:
    octet = int(match[1]) if match[1] else ord(match[2])
    if octet > 0xFF:
        raise DnsError("escape over 255")
    return octet
