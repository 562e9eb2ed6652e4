"""What happened, put together from those who saw it; pure.

Witnesses are the SMTP clients (every reply), Postfix's log, the mailboxes,
and Gatepost's journal. What the script wanted to happen is not asked. Where
witnesses contradict each other, that is a problem and is told.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gatepost.lab.client import Reply, Visit
from gatepost.network import parse_address
from gatepost.store.base import JournalEntry

_QUEUED = re.compile(r"queued as (?P<id>[0-9A-Za-z]+)")
_HARMLESS = ("does not resolve to address", "hostname ", "authentication failed")
"""Warnings of Postfix about clients, not about itself or us."""


class Evidence(msgspec.Struct, frozen=True):
    """All that was seen of a day. Without a real Postfix there is no log and no mailbox."""

    visits: tuple[Visit, ...]
    journal: tuple[JournalEntry, ...]
    maillog: str | None = None
    mailboxes: Mapping[str, Sequence[str]] | None = None
    notes: tuple[str, ...] = ()
    """What the daemon says of itself and of the lists it asks."""


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mail to one recipient."""

    recipient: str
    outcome: str
    """`in`: at the first try; `waited`: later; `refused`: 5xx; `deferred`: told to wait, never let in;
    `lost`: accepted and not delivered; `broken`: the connection ended without a reply."""
    code: int
    reply: str
    tries: int
    waited: float
    """Seconds from the first try to the one that settled it."""
    header: str = ""
    """The `X-Greylist` field of the delivered message."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One actor, and all that was seen of it."""

    key: str
    story: str
    address: str
    seen_as: str
    """Client name in Postfix's log."""
    helo: str | None
    sender: str
    recipients: tuple[Recipient, ...]
    decided_by: tuple[str, ...]
    """Rules that decided, in the order of time; `postfix` for a refusal of Postfix's own."""
    findings: tuple[dict[str, object], ...]
    """Every rule found, with what it was worth; each once."""
    references: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """The outcome when it is the same for all recipients, else `mixed`."""
        found = {r.outcome for r in self.recipients}
        return found.pop() if len(found) == 1 else "mixed"


def rows(evidence: Evidence) -> list[Row]:
    """One row for each visit, in the order of the visits."""
    by_client: dict[object, list[JournalEntry]] = {}
    for entry in sorted(evidence.journal, key=lambda e: e.time):
        if entry.policy_context != "learn":
            by_client.setdefault(parse_address(entry.client_address), []).append(entry)
    return [
        _row(visit, by_client.get(parse_address(visit.actor.address), []), evidence)
        for visit in evidence.visits
    ]


def _row(visit: Visit, entries: Sequence[JournalEntry], evidence: Evidence) -> Row:
    actor = visit.actor
    replies = [reply for attempt in visit.tries for reply in attempt.settled.values()]
    refused = [reply for reply in replies if reply.code >= 400]
    decided = list(dict.fromkeys(entry.decided_by for entry in entries if entry.decided_by))
    references = [e.reference for e in entries if any(e.reference in reply.text for reply in refused)]
    if any(not _reference(reply, entries) for reply in refused):
        decided.append("postfix")
    findings = {str(f["rule"]): f for entry in entries for f in entry.findings}
    return Row(
        key=actor.key,
        story=actor.story,
        address=actor.address,
        seen_as=_seen_as(actor.address, evidence),
        helo=actor.helo,
        sender=actor.sender,
        recipients=tuple(_recipient(visit, recipient, evidence) for recipient in actor.recipients),
        decided_by=tuple(decided),
        findings=tuple(findings.values()),
        references=tuple(dict.fromkeys(references)) or tuple(e.reference for e in entries[-1:]),
    )


def _reference(reply: Reply, entries: Iterable[JournalEntry]) -> str:
    return next((e.reference for e in entries if e.reference and e.reference in reply.text), "")


def _seen_as(address: str, evidence: Evidence) -> str:
    if evidence.maillog is None:
        return next((e.client_name for e in evidence.journal if e.client_address == address), "")
    match = re.search(rf": connect from (\S+)\[{re.escape(address)}\]", evidence.maillog)
    return match[1] if match else ""


def _recipient(visit: Visit, recipient: str, evidence: Evidence) -> Recipient:
    tries = [attempt for attempt in visit.tries if recipient in attempt.settled]
    last = tries[-1].settled[recipient]
    message = _message(last, recipient, evidence)
    outcome = _outcome(last.code, len(tries), delivered=message is not None)
    return Recipient(
        recipient=recipient,
        outcome=outcome,
        code=last.code,
        reply=last.text,
        tries=len(tries),
        waited=round(tries[-1].at - tries[0].at, 1),
        header=next(iter(_headers(message or "")), ""),
    )


def _outcome(code: int, tries: int, *, delivered: bool) -> str:
    if code >= 500:
        return "refused"
    if code >= 400:
        return "deferred"
    if code < 200:
        return "broken"
    if not delivered:
        return "lost"
    return "waited" if tries > 1 else "in"


def queue_id(reply: Reply) -> str:
    """The queue id in Postfix's last reply, empty when it took no mail."""
    match = _QUEUED.search(reply.text) if reply.code == 250 else None
    return match["id"] if match else ""


def _message(reply: Reply, recipient: str, evidence: Evidence) -> str | None:
    """The message as it was delivered; empty text when it left for elsewhere; None when nobody has it."""
    if evidence.maillog is None or evidence.mailboxes is None:
        return "" if reply.code == 250 else None
    found = queue_id(reply)
    if not found:
        return None
    if recipient not in evidence.mailboxes:
        sent = rf" {found}: to=<{re.escape(recipient)}>,.* status=sent"
        return "" if re.search(sent, evidence.maillog) else None
    return next((m for m in evidence.mailboxes[recipient] if f" id {found}" in m), None)


def notes(evidence: Evidence) -> list[str]:
    """What the daemon noted, in its status and with its verdicts; each once."""
    return list(
        dict.fromkeys([*evidence.notes, *(note for entry in evidence.journal for note in entry.notes)])
    )


def problems(evidence: Evidence) -> list[str]:
    """Where witnesses contradict each other, and what Postfix complained about."""
    return [
        *_unlogged(evidence),
        *_undelivered(evidence),
        *_doubled(evidence),
        *warnings(evidence.maillog or ""),
    ]


def _unlogged(evidence: Evidence) -> Iterable[str]:
    """Refusals that a client saw, and Postfix's log does not have."""
    for visit in evidence.visits:
        for attempt in visit.tries:
            for recipient, reply in attempt.settled.items():
                if reply.code >= 400 and evidence.maillog is not None and reply.text not in evidence.maillog:
                    yield f"{visit.actor.key}: Postfix did not log the reply to {recipient}: {reply.text}"


def _undelivered(evidence: Evidence) -> Iterable[str]:
    for row in rows(evidence):
        for one in row.recipients:
            if one.outcome in {"lost", "broken"}:
                yield f"{row.key}: mail to {one.recipient} is {one.outcome} ({one.code} {one.reply})"


def _doubled(evidence: Evidence) -> Iterable[str]:
    """Messages that tell of their wait more than once."""
    for mailbox, messages in (evidence.mailboxes or {}).items():
        for message in messages:
            if len(_headers(message)) > 1:
                yield f"A message to {mailbox} tells {len(_headers(message))} times that it waited"


def _headers(message: str) -> list[str]:
    """The `X-Greylist` fields of a message."""
    head = message.partition("\n\n")[0]
    return [line for line in head.splitlines() if line.lower().startswith("x-greylist:")]


def warnings(maillog: str) -> Iterable[str]:
    """What Postfix complained about, but for what it says of clients."""
    for line in maillog.splitlines():
        if re.search(r": (warning|error|fatal|panic): ", line) and not any(
            word in line for word in _HARMLESS
        ):
            yield f"Postfix says: {line}"
