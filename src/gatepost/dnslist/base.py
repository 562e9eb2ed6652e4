"""How checks ask whether a public list may be believed now."""

from typing import Protocol

from gatepost.dns.base import Answer


class Watch(Protocol):
    """Knows which lists are put aside, and hears every answer of a list."""

    @property
    def version(self) -> int:
        """Changes whenever a list is put aside or taken back; what was remembered before is asked anew."""
        ...

    def aside(self, zone: str, kind: str = "") -> str:
        """Why the list at `zone` is not believed now, a sentence for people; empty when it is.

        With `kind` (`ip4`, `ip6` or `name`) also when only that part of the list fails its test entries.
        """
        ...

    def heard(self, zone: str, answer: Answer, *, error: bool) -> None:
        """An answer of this list; `error` when it was one of its error codes (127.255.255.254)."""
        ...


class Trusting:
    """Believes every list: for `ask` on a test zone and for unit tests."""

    version = 0

    def aside(self, zone: str, kind: str = "") -> str:  # noqa: ARG002
        return ""

    def heard(self, zone: str, answer: Answer, *, error: bool) -> None:
        """Nothing to learn."""
