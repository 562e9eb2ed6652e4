"""What differs between two turns of the same dialogues, and what went wrong in mail that flowed; pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gatepost.lab.client import Reply, Try

NOT_REACHED = -1
"""Instead of a reply code: the dialogue ended before this step."""
CLOSING = 421
"""The server ends the connection by itself (RFC 5321, 3.8)."""

_WORDS = {"(connected)": "CONNECT", "(the message)": "MESSAGE"}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a dialogue that was answered by another reply code."""

    dialogue: str
    story: str
    step: str
    """CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, MESSAGE or QUIT."""
    what: str
    """What was said."""
    before: int
    after: int
    text_before: str
    text_after: str


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Differences that are alike, how many, and one of them."""

    step: str
    before: int
    after: int
    count: int
    example: Difference


def step_of(said: str) -> str:
    """The command, without what it says."""
    return _WORDS.get(said) or said.split(maxsplit=1)[0]


def _steps(attempt: Try) -> dict[str, Reply]:
    """Replies by what was said; the sender left out, which may be another at each turn."""
    found = {}
    for reply in attempt.replies:
        step = step_of(reply.said)
        found["MAIL" if step == "MAIL" else reply.said] = reply
    return found


def differences(
    stories: Mapping[str, str], before: Mapping[str, Try], after: Mapping[str, Try]
) -> list[Difference]:
    """Every step with another reply code, in the order of the dialogues; `stories` names them all.

    A step that is not reached because an earlier one was answered otherwise is no difference of its own.
    """
    return [
        difference
        for key, story in stories.items()
        for difference in _differences(key, story, _steps(before[key]), _steps(after[key]))
    ]


def _differences(
    key: str, story: str, before: Mapping[str, Reply], after: Mapping[str, Reply]
) -> Iterable[Difference]:
    differed = False
    for said in dict.fromkeys([*before, *after]):
        old, new = before.get(said, _nothing(said)), after.get(said, _nothing(said))
        follows = differed and NOT_REACHED in (old.code, new.code)
        if old.code != new.code and not follows:
            differed = True
            yield Difference(
                dialogue=key,
                story=story,
                step=step_of(said),
                what=(old if old.code != NOT_REACHED else new).said,
                before=old.code,
                after=new.code,
                text_before=old.text,
                text_after=new.text,
            )


def _nothing(said: str) -> Reply:
    return Reply(said, NOT_REACHED, "")


def kinds(found: Iterable[Difference]) -> list[Kind]:
    """The same, counted; the most frequent first."""
    groups: dict[tuple[str, int, int], list[Difference]] = {}
    for one in found:
        groups.setdefault((one.step, one.before, one.after), []).append(one)
    made = [
        Kind(step=step, before=before, after=after, count=len(alike), example=alike[0])
        for (step, before, after), alike in groups.items()
    ]
    return sorted(made, key=lambda kind: (-kind.count, kind.step, kind.before, kind.after))


class Session(msgspec.Struct, frozen=True):
    """One connection while mail flowed."""

    who: str
    began: float
    """On the monotonic clock."""
    ended: float
    replies: tuple[Reply, ...]

    @property
    def trouble(self) -> str:
        """How it was dropped: no connection, no reply, or the server hung up; empty when it was kept."""
        for reply in self.replies:
            if reply.code in (0, CLOSING):
                return f"{self.who}: {reply.said}: {reply.code} {reply.text}".strip()
        return ""


class Code(msgspec.Struct, frozen=True, order=True):
    """A refusal, as one sender of mail saw it."""

    who: str
    step: str
    code: int
    enhanced: str


def refusals(sessions: Iterable[Session]) -> dict[Code, str]:
    """Every kind of 4xx and 5xx that came, with the whole of one such reply."""
    found: dict[Code, str] = {}
    for session in sessions:
        for reply in session.replies:
            if reply.code >= 400:
                code = Code(session.who, step_of(reply.said), reply.code, _enhanced(reply.text))
                found.setdefault(code, f"{reply.said}: {reply.code} {reply.text}")
    return found


def _enhanced(text: str) -> str:
    match = re.match(r"[245]\.\d+\.\d+", text)
    return match[0] if match else ""


def unheard_of(before: Sequence[Session], later: Sequence[Session]) -> list[str]:
    """Refusals in `later` whose code did not come to the same sender at the same step `before`."""
    known = {(code.who, code.step, code.code) for code in refusals(before)}
    return [
        f"{code.who}: {reply}"
        for code, reply in sorted(refusals(later).items())
        if (code.who, code.step, code.code) not in known or code.enhanced == "4.3.5"
    ]
