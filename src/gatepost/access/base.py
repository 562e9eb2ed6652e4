"""What an own list says about a request."""

from typing import Protocol

import msgspec

from gatepost.model import Request


class Match(msgspec.Struct, frozen=True, gc=False):
    """One entry that fits a request."""

    kind: str
    """`allow`, `deny`, `defer`, `expect`, or `note` (only written down: INFO and WARN of access(5))."""
    scope: str
    """What an allow entry excuses: `all`, `helo`, `lists` (block lists), `greylist`."""
    looks_at: str
    """`client`, `helo`, `sender` or `recipient`."""
    what: str
    """The entry as it was entered."""
    source: str
    """Where it stands: `own list`, or `/etc/postfix/helo_access:12`."""
    comment: str = ""
    code: int = 0
    """Reply code of a deny or defer entry; 0: the rule's own."""
    enhanced: str = ""
    """Enhanced status code of a deny or defer entry; empty: the rule's own."""
    text: str = ""
    """Text of a deny or defer entry for the sender, or of a note for us; empty: the rule's own."""
    if_permit: bool = False
    """A defer entry that must not hide a later permanent refusal (DEFER_IF_PERMIT)."""


class Access(Protocol):
    """The own lists, from the store and from files, ready to be asked."""

    def matches(self, request: Request) -> tuple[Match, ...]:
        """Every entry that fits, the strongest first: deny, defer, allow (all), allow (scoped), expect."""
        ...

    @property
    def version(self) -> int:
        """Changes whenever an entry does; what was remembered before is then asked anew."""
        ...


class NoAccess:
    """Empty own lists."""

    version = 0

    def matches(self, request: Request) -> tuple[Match, ...]:  # noqa: ARG002
        return ()
