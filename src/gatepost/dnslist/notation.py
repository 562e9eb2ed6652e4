"""Which answers of a list count, in Postfix's own notation (postconf(5), reject_rbl_client; ip_match(3)).

A pattern has four octets with dots between them. An octet is a number, or in
square brackets numbers and ranges with semicolons between them:
`127.0.0.2`, `127.0.0.[2..11]`, `127.0.0.[2;4;10..12]`, `127.[0..255].[0..255].0`.

Pure. `parse` raises NotationError, a ValueError whose text is for people.
"""

import re

import msgspec

_OCTET = re.compile(r"\[([^\[\]]*)\]|([^\[\].]*)")
_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)
_EXAMPLE = 'write for example "127.0.0.2" or "127.0.0.[2..11]"'


class NotationError(ValueError):
    """A pattern that is none; says what is wrong where."""


class Pattern(msgspec.Struct, frozen=True):
    """A set of IPv4 addresses, one set of numbers for each octet."""

    text: str
    """As it was written."""
    octets: tuple[frozenset[int], ...]

    def matches(self, address: str) -> bool:
        """Whether the IPv4 address `address` is one of these; False for what is no IPv4 address."""
        numbers = octets_of(address)
        return numbers is not None and all(n in octet for n, octet in zip(numbers, self.octets, strict=True))

    def __str__(self) -> str:
        return self.text


def octets_of(address: str) -> tuple[int, ...] | None:
    """The four numbers of an IPv4 address, or None."""
    parts = address.split(".")
    if len(parts) != 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    numbers = tuple(int(part) for part in parts)
    return numbers if max(numbers) <= 255 else None


def parse(text: str) -> Pattern:
    """The pattern that `text` says.

    Raises:
        NotationError: `text` is no pattern.
    """
    written = text.strip()
    octets: list[frozenset[int]] = []
    position = 0
    while True:
        match = _OCTET.match(written, position)
        assert match is not None  # both branches may be empty, so something always matches
        if written[position : position + 1] == "[" and match[1] is None:
            raise NotationError(f'"{text}": a "]" is missing; {_EXAMPLE}')
        octets.append(_octet(match[1], match[2], written))
        position = match.end()
        if position == len(written):
            break
        if written[position] != ".":
            raise NotationError(f'"{text}": unexpected "{written[position]}"; {_EXAMPLE}')
        position += 1
    if len(octets) != 4:
        raise NotationError(f'"{text}" has {len(octets)} octets instead of 4; {_EXAMPLE}')
    return Pattern(written, tuple(octets))


def _octet(inside: str | None, plain: str | None, whole: str) -> frozenset[int]:
    if inside is None:
        return frozenset({_number(plain or "", whole)})
    found: set[int] = set()
    for item in inside.split(";"):
        first, dots, last = item.partition("..")
        low = _number(first, whole)
        high = _number(last, whole) if dots else low
        if high < low:
            raise NotationError(f'"{whole}": the range {item} runs backwards')
        found.update(range(low, high + 1))
    return frozenset(found)


def _number(text: str, whole: str) -> int:
    if not _NUMBER.fullmatch(text):
        what = f'"{text}" is no number' if text else "a number is missing"
        raise NotationError(f'"{whole}": {what}; {_EXAMPLE}')
    if int(text) > 255:
        raise NotationError(f'"{whole}": {text} is more than 255')
    return int(text)
