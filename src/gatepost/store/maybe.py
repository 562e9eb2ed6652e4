"""A set that may be wrong in one direction: what it denies was never added (a Bloom filter).

It answers for the many strangers without a look at the disk.
"""

from collections.abc import Iterable

_BITS = 1 << 23
"""A megabyte: of 200 000 addresses, one stranger in 400 is looked up for nothing."""


class Maybe:
    """Texts that may have been added."""

    __slots__ = ("_bits",)

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._bits = bytearray(_BITS >> 3)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        number = hash(text)
        for place in (number % _BITS, (number >> 32) % _BITS):
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, text: str) -> bool:
        number = hash(text)
        bits = self._bits
        first, second = number % _BITS, (number >> 32) % _BITS
        return bool(bits[first >> 3] & (1 << (first & 7)) and bits[second >> 3] & (1 << (second & 7)))
