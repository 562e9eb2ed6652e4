"""Has this mail been here before, and did its server wait? (RFC 6647). Always asked last.

A mail is remembered by a triplet: the client's network, the sender without
what changes from try to try, and the recipient. The first recipient that is
subject to greylisting decides for its mail (`instance`): when it waits, the
triplets of all its recipients start then, so that any subset that is retried
later passes; when it passes, so do the others.

The null sender is asked at DATA, not at RCPT: some servers verify addresses
with it and give up after RCPT. With several recipients Postfix names none at
DATA, so they are remembered from RCPT.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gatepost.address import MAX_KEY, normal_domain, normal_mail, normal_sender, split
from gatepost.checks.base import Check
from gatepost.clock import Clock
from gatepost.context import Context
from gatepost.model import Finding, Request, Rule, Stage
from gatepost.network import group, parse_address
from gatepost.options import Duration, Options
from gatepost.store.base import Meeting, Outcome, Terms, Triplet

MAX_RECIPIENTS = 1000
"""Recipients remembered of one mail; Postfix's own smtpd_recipient_limit."""
MAX_MAILS = 20_000
MAIL_SECONDS = 900.0
"""A mail's dialogue is over by then (smtpd_timeout is 300 s), so that what was remembered can go."""


class GreylistOptions(Options, frozen=True):
    """Whom greylisting asks to come back, how long they wait, and how long that is remembered."""

    when: Literal["", "doubtful", "stranger", "never"] = ""
    """`doubtful`: mail with points against it; `stranger`: all mail not yet known; `never`: nobody.
    Empty: as the profile says (balanced: doubtful, strict: stranger)."""
    delay: Duration = Duration(60)
    """How long a mail waits after its first try. Servers retry after minutes; one minute stops what
    never retries. With 1 s, a second MX that is asked right after the first lets the mail in."""
    retry_window: Duration = Duration(2 * 86400)
    """A second try later than this counts as a first one."""
    keep: Duration = Duration(35 * 86400)
    """How long a triplet that passed is remembered after its last mail: monthly senders stay known."""
    clients_after: int = 5
    """A client network passes at once after so many mails that waited and came back, one counted in
    an hour; 0: never."""
    ipv4_prefix: Annotated[int, Meta(ge=0, le=32)] = 24
    """Bits of an IPv4 address that are one network in a triplet: a provider's pool counts as one."""
    ipv6_prefix: Annotated[int, Meta(ge=0, le=128)] = 64
    """Bits of an IPv6 address that are one network in a triplet."""
    pending_per_network: int = 1000
    """Triplets of one network that may wait at once; beyond that all its mail shares one triplet,
    so that a dictionary attack cannot fill the store."""
    correspondents_keep: Duration = Duration(90 * 86400)
    """How long people whom our users wrote to pass at once."""
    header: bool = True
    """Add `X-Greylist` to mail that waited."""


class Mail(msgspec.Struct):
    """What is remembered of one mail while its dialogue lasts."""

    started: float
    checked: bool = False
    """A recipient of it passed the checks."""
    decision: str = ""
    """`wait` or `pass` once its first recipient subject to greylisting was met."""
    waited: float = 0.0
    """Seconds it had to wait, when it passes now for the first time."""
    first: float = 0.0
    met: set[int] = set()
    """Recipients that were met already, by their hash: a flood's long names shall not fill the memory."""
    recipients: list[str] = []
    """Recipients of a null sender's mail as triplets have them, to be met at DATA."""
    excused: bool = False
    """One of them is not subject to greylisting."""
    header_done: bool = False


MailKey = tuple[str, str, str]


class Mails:
    """Mails by `instance`, client and sender; bounded in number and time.

    `instance` alone would do for Postfix. Client and sender keep mails apart
    for whoever else asks and numbers its questions less carefully.
    """

    __slots__ = ("_clock", "_look_at", "_mails")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._look_at = 0.0
        self._mails: OrderedDict[MailKey, Mail] = OrderedDict()

    def known(self, request: Request) -> Mail | None:
        """The mail that `request` is about, when it was seen before."""
        return self._known(_mail_key(request), self._clock.monotonic())

    def get(self, request: Request) -> Mail:
        """The mail that `request` is about, remembered from now on; a new one without `instance`."""
        key, now = _mail_key(request), self._clock.monotonic()
        mail = self._known(key, now)
        if mail is None:
            mail = Mail(now)
            if request.instance:
                self._mails[key] = mail
                self._forget(now)
        return mail

    def _known(self, key: MailKey, now: float) -> Mail | None:
        mail = self._mails.get(key)
        return mail if mail is not None and now - mail.started <= MAIL_SECONDS else None

    def _forget(self, now: float) -> None:
        """Make room for the mail that has just come, and now and then look for those that are over."""
        if len(self._mails) > MAX_MAILS:
            self._mails.popitem(last=False)
        if now < self._look_at:
            return
        self._look_at = now + 1.0
        while self._mails and now - next(iter(self._mails.values())).started > MAIL_SECONDS:
            self._mails.popitem(last=False)


class Greylist(Check):
    """Asks the store; its findings say whether the mail waits."""

    Options = GreylistOptions
    defaults = GreylistOptions()
    stages = frozenset({Stage.RCPT, Stage.DATA})
    remembered = False
    options: GreylistOptions

    def __init__(self, options: GreylistOptions) -> None:
        super().__init__(options)
        self.terms = Terms(
            delay=options.delay,
            retry_window=options.retry_window,
            keep=options.keep,
            clients_after=options.clients_after,
            pending_per_network=options.pending_per_network,
        )

    def rules(self) -> Iterable[Rule]:
        return RULES

    def triplet(self, request: Request, recipient: str) -> Triplet:
        """What this mail to `recipient` is remembered by."""
        return Triplet(
            _network(request.client_address, self.options.ipv4_prefix, self.options.ipv6_prefix),
            _sender(request.sender) if len(request.sender) <= MAX_KEY else normal_sender(request.sender),
            normal_recipient(recipient),
        )

    def ask(
        self, mail: Mail, request: Request, context: Context, *, forged: bool = False
    ) -> list[Finding] | Awaitable[list[Finding]]:
        """Does this mail wait? Answers at once where the store can.

        `forged`: the sender is one of us and cannot be, so that it excuses nothing that we wrote to him.

        Raises: StoreError.
        """
        if request.sender and not forged and len(request.sender) <= MAX_KEY:
            keep = self.options.correspondents_keep
            knows = context.store.correspondents.knows(_mail(request.sender), context.clock.now(), keep)
            if knows is True:
                return [_correspondent(request)]
            if knows is not False:
                return self._ask_slowly(knows, mail, request, context)
        return self._meet(mail, request, context)

    async def _ask_slowly(
        self, knows: Awaitable[bool], mail: Mail, request: Request, context: Context
    ) -> list[Finding]:
        if await knows:
            return [_correspondent(request)]
        met = self._meet(mail, request, context)
        return met if isinstance(met, list) else await met

    def _meet(
        self, mail: Mail, request: Request, context: Context
    ) -> list[Finding] | Awaitable[list[Finding]]:
        recipients = _recipients(mail, request)
        triplets = [self.triplet(request, r) for r in recipients]
        met_now = [hash(r) for r in recipients]
        if met_now[0] in mail.met:
            mail.decision = ""  # the same recipient again is another mail, or a try of its own
        if len(mail.met) < MAX_RECIPIENTS:
            mail.met.update(met_now)
        if mail.decision == "wait":
            return self._join(triplets, context)
        if mail.decision == "pass":
            context.store.greylist.accept(triplets, context.clock.now(), self.terms)
            return [Finding("greylist.known", "", "another recipient of this mail passed greylisting")]
        met = context.store.greylist.meet(triplets[0], context.clock.now(), self.terms)
        if isinstance(met, Meeting) and (len(triplets) == 1 or met.wait <= 0):
            return self._passed_or_early(mail, met, triplets, context)
        return self._meet_slowly(met, mail, triplets, context)

    async def _meet_slowly(
        self, met: Meeting | Awaitable[Meeting], mail: Mail, triplets: Sequence[Triplet], context: Context
    ) -> list[Finding]:
        if not isinstance(met, Meeting):
            met = await met
        if met.wait > 0 and len(triplets) > 1:
            await context.store.greylist.start(triplets[1:], context.clock.now(), self.terms)
        return self._passed_or_early(mail, met, triplets, context)

    def _passed_or_early(
        self, mail: Mail, met: Meeting, triplets: Sequence[Triplet], context: Context
    ) -> list[Finding]:
        key = f"{triplets[0].network}/{triplets[0].sender}/{triplets[0].recipient}"
        if met.outcome in (Outcome.NEW, Outcome.EARLY):
            mail.decision = "wait"
            rule = "greylist.new" if met.outcome is Outcome.NEW else "greylist.early"
            return [Finding(rule, _please(met.wait), f"{key}, {met.wait:.0f} s to wait")]
        mail.decision = "pass"
        now = context.clock.now()
        if len(triplets) > 1:
            context.store.greylist.accept(triplets[1:], now, self.terms)
        if met.outcome is Outcome.PASSED:
            mail.first, mail.waited = met.first, max(now - met.first, 0.0)
            return [Finding("greylist.passed", "", f"{key}, came back after {mail.waited:.0f} s")]
        if met.outcome is Outcome.CLIENT:
            return [Finding("known.client", "", f"{triplets[0].network} proved itself", ("greylist.*",))]
        return [Finding("greylist.known", "", key)]

    async def _join(self, triplets: Sequence[Triplet], context: Context) -> list[Finding]:
        await context.store.greylist.start(triplets, context.clock.now(), self.terms)
        return [Finding("greylist.mail", _please(self.terms.delay), "the first recipient of this mail waits")]


def _mail_key(request: Request) -> MailKey:
    return request.instance, request.client_address, request.sender[:MAX_KEY]


def _recipients(mail: Mail, request: Request) -> Sequence[str]:
    if request.stage is Stage.DATA and mail.recipients:
        return mail.recipients
    return (request.recipient,)


def _please(seconds: float) -> str:
    rounded = max(1, round(seconds))
    plural = "" if rounded == 1 else "s"
    return f"greylisted: this mail is not known here yet, please try again in {rounded} second{plural}"


def _correspondent(request: Request) -> Finding:
    return Finding("known.correspondent", "", f"one of our users wrote to {request.sender}", ("greylist.*",))


@lru_cache(16384)
def _network(client_address: str, v4: int, v6: int) -> str:
    address = parse_address(client_address)
    return group(address, v4, v6) if address else client_address[:64]


@lru_cache(16384)
def _sender(sender: str) -> str:
    return normal_sender(sender) if sender else "<>"


@lru_cache(16384)
def _mail(mail: str) -> str:
    return normal_mail(mail)


def normal_recipient(recipient: str) -> str:
    """`recipient` as triplets have it."""
    return _recipient(recipient[:MAX_KEY])


@lru_cache(4096)
def _recipient(recipient: str) -> str:
    local, domain = split(recipient)
    return f"{local.lower()}@{normal_domain(domain)}"[:MAX_KEY]


RULES = (
    Rule(
        name="greylist.new",
        says="Mail of this client network, sender and recipient was never seen; it waits from now on.",
        if_permit=True,
    ),
    Rule(name="greylist.early", says="The mail came back before its wait was over.", if_permit=True),
    Rule(
        name="greylist.mail",
        says="Another recipient of the same mail waits, so this one does.",
        if_permit=True,
    ),
    Rule(name="greylist.passed", says="The mail waited, came back in time, and is let in."),
    Rule(name="greylist.known", says="Such mail passed before."),
    Rule(name="known.correspondent", says="One of our users wrote to the sender; greylisting is excused."),
    Rule(
        name="known.client",
        says="The client network came back often enough after a wait; greylisting is excused.",
    ),
)
