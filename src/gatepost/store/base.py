"""The doors to what is remembered.

Every method is one question with one atomic answer, never get-then-set, so
that several servers on one shared store would agree. Times are seconds since
1970 and come from the caller's clock.

Raises: StoreError, and nothing else, when the store cannot answer. The
pipeline turns that into the finding `error.store`: the mail passes.
"""

from collections.abc import Awaitable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta


class StoreError(Exception):
    """The store cannot answer now; the text says why, for people."""


# --- triplets ---------------------------------------------------------------------------------------


class Triplet(msgspec.Struct, frozen=True, gc=False):
    """What greylisting remembers a mail by (RFC 6647, 2): normalised, see checks.greylist."""

    network: str
    sender: str
    recipient: str


class Terms(msgspec.Struct, frozen=True):
    """How long is waited and remembered; all times in seconds."""

    delay: float = 60.0
    """A mail waits this long after its first try."""
    retry_window: float = 2 * 86400.0
    """A second try later than this starts anew."""
    keep: float = 35 * 86400.0
    """A triplet that passed is remembered this long after its last mail."""
    clients_after: int = 5
    """A network passes at once after so many mails that waited and came back; 0: never."""
    client_interval: float = 3600.0
    """At most one success in this time counts towards `clients_after`."""
    pending_per_network: int = 1000
    """Triplets of one network that may be waiting at once; beyond, all its mail shares one triplet."""


class Outcome(StrEnum):
    """What the store says of a triplet."""

    NEW = "new"
    """Never met, or too long ago: it waits from now on, and that is on the disk."""
    EARLY = "early"
    """Came back before the delay was over."""
    PASSED = "passed"
    """Came back in time, now for the first time."""
    KNOWN = "known"
    """Passed before."""
    CLIENT = "client"
    """Its network proved itself often enough."""


class Meeting(msgspec.Struct, frozen=True, gc=False):
    """The answer to `meet`."""

    outcome: Outcome
    first: float
    """When this triplet was first met."""
    wait: float = 0.0
    """Seconds still to wait; 0 when it passes."""


Moment = Annotated[float, Meta(ge=0, le=1e11)]
"""Seconds since 1970 as somebody else wrote them down; the limit is far away and fits into every store."""


class Brought(msgspec.Struct, frozen=True, gc=False):
    """A triplet, normalised as ours are, that another greylisting remembered; times in seconds since 1970."""

    network: str
    sender: str
    recipient: str
    first: Moment
    last: Moment
    passed: bool


class BroughtClient(msgspec.Struct, frozen=True, gc=False):
    """A network of which another greylisting counted mails that waited and came back."""

    network: str
    successes: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    last: Moment
    """Its last mail, in seconds since 1970."""


class Greylist(Protocol):
    """Triplets and the networks that proved themselves."""

    def meet(self, triplet: Triplet, now: float, terms: Terms) -> Meeting | Awaitable[Meeting]:
        """Judge a triplet and remember that it was met: one atomic question.

        NEW is answered only after the triplet is on the disk (a completed
        fdatasync). A store may answer at once with a Meeting, where nothing
        has to be waited for; a caller awaits what is not a Meeting.

        A clock set back never makes a mail wait anew for long: a triplet whose
        first try lies more than a minute in the future starts anew.
        """
        ...

    async def start(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Let these wait from now on, unless they are known; returns when they are on the disk."""
        ...

    def accept(self, triplets: Sequence[Triplet], now: float, terms: Terms) -> None:
        """Remember these as passed: other recipients of a mail that passed. Not waited for."""
        ...

    async def bring(
        self, triplets: Sequence[Brought], clients: Sequence[BroughtClient], now: float, terms: Terms
    ) -> dict[str, int]:
        """Remember what another greylisting did, on the disk; what is known better here stays.

        Answers how many triplets were `taken`, `known` already, `over` by the terms, or left because their
        network is `crowded`, and how many `clients` were changed. The same again changes nothing.
        """
        ...

    async def expire(self, now: float, terms: Terms) -> int:
        """Forget what is over, in small steps that never hold up a question; how many were forgotten."""
        ...

    async def count(self) -> dict[str, int]:
        """How many: `waiting`, `passed`, `clients`."""
        ...


# --- what people entered ------------------------------------------------------------------------------


class ListEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the own lists, as somebody entered it."""

    id: int = 0
    """Given by the store."""
    list: str
    """`allow`, `deny` or `expect`."""
    what: str
    """As entered: an address, a network, `.example.org`, `user@example.org`, `/regex/`."""
    looks_at: str
    """`client`, `helo`, `sender` or `recipient`."""
    scope: str = "all"
    """What is excused (allow only): `all`, `helo`, `lists` (block lists), `greylist`."""
    comment: str = ""
    added: float = 0.0
    added_by: str = ""
    expires: float | None = None


class Lists(Protocol):
    """Own allow and deny lists, and recipients who expect mail."""

    async def add(self, entry: ListEntry) -> ListEntry:
        """Remember `entry`, on the disk; the same `list`, `what` and `looks_at` replaces the older one."""
        ...

    async def remove(self, list_name: str, what: str, looks_at: str | None = None) -> int:
        """Forget entries; how many there were."""
        ...

    async def entries(self, now: float) -> list[ListEntry]:
        """All that are not over, oldest first."""
        ...

    async def version(self) -> int:
        """Changes whenever the entries do, whoever changed them."""
        ...


class Correspondents(Protocol):
    """People our users write to."""

    def learn(self, mail: str, now: float) -> None:
        """Remember a remote address (normalised) that one of us wrote to. Not waited for."""
        ...

    def knows(self, mail: str, now: float, keep: float) -> bool | Awaitable[bool]:
        """Whether one of us wrote to this address in the last `keep` seconds."""
        ...

    async def count(self) -> int: ...


# --- bans -----------------------------------------------------------------------------------------------


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """A network that is shut out for a time. There is one for a network; times in seconds since 1970."""

    network: str
    """In its one form: an address, or a network with its prefix (`192.0.2.1`, `2001:db8::/64`)."""
    since: float
    until: float | None = None
    """When it ends by itself; None: when somebody removes it."""
    reason: str = ""
    """For people: which offences, or what was said when it was entered."""
    origin: str = ""
    """Who banned: `jail NAME`, `somebody NAME`, `fail2ban JAIL`, `neighbours` (a wider network)."""
    offences: int = 0
    """How many offences it rests on."""
    times: int = 1
    """How often this network has been banned lately, this time included."""
    evidence: tuple[str, ...] = ()
    """Some log lines or verdicts that show why."""


class Past(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a network that was banned before."""

    times: int
    until: float


class Trusted(msgspec.Struct, frozen=True, gc=False):
    """A client that somebody spoke for, and that is not banned for a time therefore."""

    address: str
    why: str
    """`login`, `correspondent`, `allow list`."""
    last: float
    """When, last; seconds since 1970."""


class Bans(Protocol):
    """Who is shut out, who was lately, and who is trusted."""

    async def put(self, bans: Sequence[Ban]) -> None:
        """Remember all of these at once, on the disk; one of the same network is replaced."""
        ...

    async def remove(self, networks: Sequence[str]) -> list[Ban]:
        """Forget the bans of exactly these networks, and that they were; those that were in force."""
        ...

    async def active(self, now: float) -> list[Ban]:
        """Those in force, the oldest first."""
        ...

    async def past(self, networks: Sequence[str]) -> dict[str, Past]:
        """What is remembered of these networks, whether their bans are over or not."""
        ...

    async def trust(self, clients: Sequence[Trusted]) -> None:
        """Remember all of these; a later `last` replaces an earlier one."""
        ...

    async def trusted(self, since: float) -> list[Trusted]:
        """Clients trusted at that time or later."""
        ...

    async def places(self) -> dict[str, str]:
        """Where reading stood in each log, by its name, as `put_places` was told last."""
        ...

    async def put_places(self, places: Mapping[str, str]) -> None:
        """Remember where reading stands in logs; those not named are forgotten."""
        ...

    async def expire(self, banned: float, trusted: float) -> int:
        """Forget networks whose bans ended, and clients trusted last, before those times; how many."""
        ...

    async def version(self) -> int:
        """Changes whenever the bans do, whoever changed them."""
        ...


# --- verdicts kept ------------------------------------------------------------------------------------


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One verdict with what it was about; everything is plain text and numbers."""

    time: float
    reference: str
    stage: str
    action: str
    """What was answered: `pass`, `defer`, `reject`."""
    reply: str
    """The line Postfix got."""
    score: float
    decided_by: str
    client_address: str
    client_name: str
    reverse_client_name: str
    helo_name: str
    sender: str
    recipient: str
    instance: str
    queue_id: str = ""
    sasl_username: str = ""
    policy_context: str = ""
    observed: str = ""
    """In observe mode: the action that would have been."""
    findings: tuple[dict[str, object], ...] = ()
    """rule, worth, text, detail, excused_by of each finding."""
    notes: tuple[str, ...] = ()
    ms: float = 0.0


class Journal(Protocol):
    """Verdicts, kept for a time and up to a size."""

    def write(self, entry: JournalEntry) -> None:
        """Take an entry; never waits. When the queue is full the entry is dropped and counted."""
        ...

    async def find(self, what: str, limit: int = 20) -> list[JournalEntry]:
        """Newest first: entries whose reference, queue id, client, sender or recipient is `what`.

        Client also by network (`192.0.2.0/24`), sender and recipient also by domain (`@example.org`).
        """
        ...

    async def flush(self) -> None:
        """Return when all that was written is in the file."""
        ...

    async def expire(self, now: float) -> int:
        """Forget what is older or more than configured; how many were forgotten."""
        ...

    def dropped(self) -> int:
        """How many entries were dropped since start."""
        ...


class Store(Protocol):
    """All of them."""

    @property
    def greylist(self) -> Greylist: ...

    @property
    def lists(self) -> Lists: ...

    @property
    def correspondents(self) -> Correspondents: ...

    @property
    def bans(self) -> Bans: ...

    @property
    def journal(self) -> Journal: ...

    async def open(self) -> None:
        """Make it ready.

        What cannot be opened is tried again by itself: until then questions to
        it raise StoreError, and `troubles` says why.
        """
        ...

    async def close(self) -> None:
        """Write what is owed and let go of the files."""
        ...

    def troubles(self) -> tuple[str, ...]:
        """Sentences for people about what is wrong now or was mended at start; empty when all is well."""
        ...
