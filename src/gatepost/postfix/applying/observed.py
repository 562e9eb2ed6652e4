"""What probes saw of a server, and what follows from it before and after a change. Pure."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from gatepost.postfix.applying.smtp_reply import Reply
from gatepost.postfix.applying.targets import Target


class Asked(msgspec.Struct, frozen=True):
    """What Postfix must have asked Gatepost when a probe was made."""

    client: str
    helo: str
    recipient: str
    since: float
    """Seconds since 1970."""
    sender: str = ""


class Seen(msgspec.Struct, frozen=True):
    """Gatepost's verdict about a probe, from its journal."""

    action: str
    """`pass`, `defer` or `reject`."""
    reference: str


FindVerdict = Callable[[Asked], Seen | None]
"""The verdict about exactly this question, once it is in the journal; None when it does not come."""


class Form(msgspec.Struct, frozen=True):
    """One way to write an outside address."""

    name: str
    address: str
    hidden: bool = False
    """It hides in the local part of an own address, which a server may take for a mailbox."""


class Tried(msgspec.Struct, frozen=True):
    """A form, and the reply to its RCPT."""

    form: Form
    reply: Reply


class Visit(msgspec.Struct, frozen=True):
    """A client's try to write to the local recipient."""

    asked: Asked
    greeting: Reply
    recipient: Reply
    """To RCPT, or of the step before it that failed."""
    seconds: float = 0.0
    """How long all of it took."""


class Observation(msgspec.Struct, frozen=True):
    """One door of a server at one time."""

    target: Target
    own: Visit
    """From this machine."""
    stranger: Visit | None = None
    """From an address that nobody has; None when it could not be made."""
    no_stranger: str = ""
    """Why not."""
    relay: tuple[Tried, ...] = ()
    takes_everybody: bool = False
    """Whether a recipient with a random name was accepted, too."""

    @property
    def slowest(self) -> float:
        """Seconds of the longer visit."""
        return max(self.own.seconds, self.stranger.seconds if self.stranger else 0.0)


class Result(StrEnum):
    """How a probe ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_MADE = "not made"
    """It could not be made, or tells nothing: a warning."""


class Probed(msgspec.Struct, frozen=True):
    """One probe's result, with what was said."""

    name: str
    result: Result
    text: str


NO_SUCH_MAILBOX = ("5.1.1 ", "4.1.1 ")
"""Before the change something else may have refused the probe, before Postfix looked for the mailbox."""


def judge(before: Observation, after: Observation, find: FindVerdict) -> list[Probed]:
    """Whether a server still does what it did, and asks Gatepost."""
    greets = _greets(after)
    if greets.result is Result.FAILED:
        return [greets]
    strange = find(after.stranger.asked) if after.stranger else None
    needed = strange is None or not after.own.recipient.accepts
    own = find(after.own.asked) if needed else None
    return [
        greets,
        judge_relay(after),
        _asks(before, after, own, strange),
        _accepts("accepts for a local recipient", before.own, after.own, own),
        *_accepts_stranger(before, after, strange),
    ]


def judge_before(before: Observation) -> list[str]:
    """Why a server cannot be changed now: it would fail its probes already."""
    if _greets(before).result is Result.FAILED:
        said = before.own.greeting
        why = "so nobody could tell whether a change does harm; repair that first"
        return [f"{before.target} does not greet ({said}), {why}"]
    relay = judge_relay(before)
    if relay.result is Result.FAILED:
        return [f"this server is an open relay, see: gatepost postfix audit ({relay.text})"]
    return []


def _greets(seen: Observation) -> Probed:
    greeting = seen.own.greeting
    result = Result.PASSED if greeting.code == 220 else Result.FAILED
    return Probed("greets", result, f"{seen.target}: {greeting}")


def judge_relay(seen: Observation) -> Probed:
    """Whether it refuses to relay for a stranger."""
    name = "refuses to relay"
    if seen.stranger is None:
        return Probed(name, Result.NOT_MADE, f"{seen.target}: {seen.no_stranger}")
    if taken := [one for one in seen.relay if one.reply.accepts]:
        said = "; ".join(f"RCPT TO:<{one.form.address}> was answered {one.reply}" for one in taken)
        said = f"{seen.target}, from {seen.stranger.asked.client}: {said}"
        if seen.takes_everybody and all(one.form.hidden for one in taken):
            return Probed(name, Result.NOT_MADE, f"{said}; it accepts any recipient, so this proves nothing")
        return Probed(name, Result.FAILED, said)
    first = seen.relay[0].reply if seen.relay else Reply(0, "nothing was tried")
    if first.code == 0:
        return Probed(name, Result.NOT_MADE, f"{seen.target}: {first}")
    return Probed(name, Result.PASSED, f"{seen.target}: {first}")


def _asks(before: Observation, after: Observation, own: Seen | None, strange: Seen | None) -> Probed:
    name = "asks Gatepost"
    for seen, visit in ((strange, after.stranger), (own, after.own)):
        if seen and visit:
            said = f"{seen.action} for {visit.asked.client}, reference {seen.reference}"
            return Probed(name, Result.PASSED, f"{after.target}: {said}")
    if after.stranger is None:
        why = f"{after.no_stranger}; own clients are not asked about"
        return Probed(name, Result.NOT_MADE, f"{after.target}: {why}")
    reply = after.stranger.recipient
    if before.stranger and not reply.accepts and reply.code == before.stranger.recipient.code:
        why = f"Postfix itself refuses a stranger such as ours first, as before: {reply}"
        return Probed(name, Result.NOT_MADE, f"{after.target}: {why}")
    why = f"no verdict about {after.stranger.asked.client} came into the journal; Postfix said: {reply}"
    return Probed(name, Result.FAILED, f"{after.target}: {why}")


def _accepts_stranger(before: Observation, after: Observation, seen: Seen | None) -> Sequence[Probed]:
    name = "accepts a stranger's mail for a local recipient"
    if after.stranger is None or before.stranger is None:
        return [Probed(name, Result.NOT_MADE, f"{after.target}: {after.no_stranger or before.no_stranger}")]
    return [_accepts(name, before.stranger, after.stranger, seen)]


def _accepts(name: str, before: Visit, after: Visit, seen: Seen | None) -> Probed:
    reply = after.recipient
    said = f"RCPT TO:<{after.asked.recipient}> from {after.asked.client} was answered {reply}"
    if reply.accepts:
        return Probed(name, Result.PASSED, said)
    if seen and seen.action != "pass":
        return Probed(name, Result.PASSED, f"{said}, by Gatepost's own rules (reference {seen.reference})")
    if reply.code and reply.code == before.recipient.code:
        return Probed(name, Result.PASSED, f"{said}, as before the change")
    if not before.recipient.accepts and reply.text.startswith(NO_SUCH_MAILBOX):
        return Probed(name, Result.NOT_MADE, f"{said}; there is no such mailbox, so this proves nothing")
    return Probed(name, Result.FAILED, f"{said}; before the change: {before.recipient}")
