"""The values everything else speaks in: Request, Rule, Finding, Verdict.

A check looks at a Request and reports Findings: facts, each under a rule name.
What a rule is worth is configuration. One pure function (`engine.verdict.decide`)
turns findings and worth into a Verdict. Nothing here does I/O.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Stage(StrEnum):
    """Where in the SMTP dialogue Postfix asks (`protocol_state`, SMTPD_POLICY_README)."""

    CONNECT = "CONNECT"
    EHLO = "EHLO"
    HELO = "HELO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END_OF_MESSAGE = "END-OF-MESSAGE"
    VRFY = "VRFY"
    ETRN = "ETRN"
    OTHER = "OTHER"
    """A state this version does not know, or none: nothing is checked then."""


class Action(StrEnum):
    """What a verdict does with the mail."""

    PASS = "pass"
    DEFER = "defer"
    REJECT = "reject"


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    r"""One question of the MTA, in Postfix's own attribute names (SMTPD_POLICY_README).

    Text is as Postfix sent it; octets that are not UTF-8 stand as `\xNN`.
    Missing attributes are empty. Sizes are octets.
    """

    stage: Stage = Stage.RCPT
    client_address: str = ""
    client_name: str = ""
    """Verified by forward look-up; `unknown` when that failed, for whatever reason."""
    reverse_client_name: str = ""
    """As the PTR record says, not verified; `unknown` when there is none or the look-up failed."""
    client_port: str = ""
    server_address: str = ""
    server_port: str = ""
    protocol_name: str = ""
    helo_name: str = ""
    sender: str = ""
    """Envelope sender; empty for the null sender (bounces)."""
    recipient: str = ""
    """Envelope recipient; empty at DATA and END-OF-MESSAGE when there are several."""
    recipient_count: int = 0
    queue_id: str = ""
    instance: str = ""
    """The same for all questions about one mail."""
    size: int = 0
    sasl_method: str = ""
    sasl_username: str = ""
    sasl_sender: str = ""
    encryption_protocol: str = ""
    policy_context: str = ""
    attributes: dict[str, str] = {}
    """Every attribute as sent, those of this class and unknown ones too."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A name for one fact that a check can find, and how it is told to a stranger.

    `enhanced` is subject.detail of the enhanced status code (RFC 3463, 5248,
    7372, 7505); its class follows the basic code.
    """

    name: str
    """Dotted, e.g. `ptr.missing`; configuration gives worth by patterns over these."""
    says: str
    """One sentence for administrators: what is so when this rule is found."""
    enhanced: str = "7.1"
    reject: int = 550
    """Basic reply code when it refuses (500 to 599)."""
    defer: int = 450
    """Basic reply code when it defers (400 to 499)."""
    if_permit: bool = False
    """Deferring by this rule must not hide a permanent refusal: DEFER_IF_PERMIT (access(5))."""
    url: str = ""
    """Where the sender can read more or ask to be delisted."""
    hangs_up: bool = False
    """Its refusal also closes the connection: 521 (RFC 7504, access(5)) instead of `reject`."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """A fact about a request, under a rule name."""

    rule: str
    text: str
    """For the sender: what is wrong on his side, generic, no name of our configuration."""
    detail: str = ""
    """For our log and `explain` only: the data seen, the entry that matched and where it stands."""
    excuses: tuple[str, ...] = ()
    """Rule patterns (`helo.*`) whose findings this one takes out of the sum."""
    rests_on_dns: bool = False
    """Suspended while our own resolver is ill."""
    code: int = 0
    """Basic reply code, where an own list's entry names one; 0: the rule's own."""
    enhanced: str = ""
    """Enhanced status code with its class (`5.7.1`), where an own entry names one; empty: the rule's own."""
    if_permit: bool = False
    """An own entry said DEFER_IF_PERMIT: deferring by it must not hide a later permanent refusal."""


Report = Callable[[Finding], None]
"""How a check tells what it found: at once, so that what was found before a deadline is kept."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A finding and what it was worth in this verdict."""

    rule: str
    worth: float | str
    """Points, or `pass`, `defer`, `reject`, `excuse`; 0 only watches."""
    text: str
    detail: str = ""
    excused_by: str = ""
    """Rule whose exception took this finding out of the sum; `resolver` when it was suspended."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is answered, and why."""

    action: Action
    score: float = 0.0
    findings: tuple[Judged, ...] = ()
    decided_by: str = ""
    """Rule that decided; `score` for the sum; empty when nothing spoke against the mail."""
    code: int = 0
    """Basic reply code, 400 to 599; 0 when the mail passes."""
    enhanced: str = ""
    """Enhanced status code of the same class, e.g. `4.7.1`."""
    text: str = ""
    """Reason told to the sender, without codes."""
    hangs_up: bool = False
    """The refusal closes the connection (521)."""
    if_permit: bool = False
    """Send DEFER_IF_PERMIT, so that later permanent refusals still show."""
    header: str = ""
    """A header field to prepend when the mail passes; one line, `Name: value`."""
    reference: str = ""
    """Short, unique; stands in the reply and finds the journal entry."""
    delay: float = 0.0
    """Seconds to wait before answering (tarpit)."""
    observed: bool = False
    """Only watched (`mode = "observe"`): the mail passes whatever `action` says."""
    notes: tuple[str, ...] = ()
    """Our own trouble, for people: a resolver that is ill, a list put aside."""
    ms: float = 0.0
    """Milliseconds from question to answer, without `delay`."""
