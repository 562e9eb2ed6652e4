"""What the lists of restrictions are to be, so that Postfix asks Gatepost about strangers' mail.

The asking line stands as late as it can: behind the administrator's own
restrictions, behind the permits for own clients and behind what refuses
relaying, but before anything that ends the list. The learning line stands
before the first restriction that can let somebody in (SMTPD_ACCESS_README,
SMTPD_POLICY_README; docs/stages.md has the reasons).

Pure: lists in, targets with reasons out. Raises ConfError for what cannot be
answered safely.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.restrictions import ENDS, POLICY, RELAY_CONTROL, Item
from gatepost.postfix.planning.listedit import Target
from gatepost.postfix.planning.ourline import OurLine, Purpose

OWN_CLIENTS = {
    "permit_mynetworks": "own networks",
    "permit_sasl_authenticated": "authenticated users",
}
"""Whom Gatepost exempts by itself; they are written out so that strangers alone are asked about."""
UNLISTED = "reject_unlisted_recipient"

LEARNS = "Gatepost learns whom your own users write to, so that answers to them never have to wait"
ASKS = "Gatepost is asked about strangers' mail; while it is stopped, mail passes as before (default_action)"
PERMITS = "own clients are let in before strangers are asked about"
GUARDS = (
    "relaying is refused before Gatepost is asked, whichever list Postfix runs first "
    "(smtpd_relay_before_recipient_restrictions)"
)
KNOWS = "recipients that do not exist are refused before anybody is told to come back"
BOUNCES = "bounces are greylisted at DATA, since servers that verify an address say nothing after RCPT"
MENDS = (
    "a line that asked at this place had no timeout or default_action of its own, or stood in the wrong place"
)


class Wanted(msgspec.Struct, frozen=True):
    """A list as it is to be."""

    targets: list[Target]
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _List:
    """A list of restrictions, told apart in ours and others."""

    def __init__(self, items: Sequence[Item], line: OurLine, gone: Iterable[int] = ()) -> None:
        self.items = items
        self.line = line
        self.ours = [n for n, item in enumerate(items) if line.is_ours(item)]
        gone = {*gone, *self.ours}
        self.rest = [n for n in range(len(items)) if n not in gone]

    def first(self, fits: Callable[[Item], bool]) -> int:
        """The number of the first other item that fits; that after the last when none does."""
        return next((n for n in self.rest if fits(self.items[n])), len(self.items))

    def lines_for(self, purpose: Purpose) -> list[int]:
        """Our lines that are for this, and harmless."""
        return [n for n in self.ours if self.line.purpose(self.items[n]) == purpose]

    def named(self, name: str, before: int) -> bool:
        """Whether a restriction stands before this place."""
        return any(self.items[n].name == name and not self.items[n].warns for n in self.rest if n < before)


def ends_list(item: Item) -> bool:
    """Whether no stranger's mail for us gets past this restriction."""
    return item.name in ("permit", "permit_auth_destination") or (item.name in ENDS and not item.warns)


def is_closed(items: Sequence[Item]) -> bool:
    """Whether what ends the list refuses everybody who comes so far."""
    last = next(filter(ends_list, items), None)
    return last is not None and last.name in ("reject", "defer")


def recipient_list(
    items: Sequence[Item],
    line: OurLine,
    relay: Sequence[Item],
    *,
    ask: bool,
    unlisted: bool = True,
    gone: Iterable[int] = (),
) -> Wanted:
    """smtpd_recipient_restrictions as it is to be.

    Args:
        items: as it is.
        line: where Gatepost answers.
        relay: smtpd_relay_restrictions, whose permits have to be written out where nothing refuses relaying.
        ask: whether strangers' mail comes this way; else only own users' mail is learned from.
        unlisted: whether Postfix refuses unknown recipients by itself (smtpd_reject_unlisted_recipient).
        gone: numbers of items that are taken over.

    Raises:
        ConfError: smtpd_relay_restrictions cannot be repeated here.
    """
    now = _List(items, line, gone)
    reasons: list[str] = []
    notes: list[str] = []
    learn_at, learned = _learning(now, reasons)
    end = now.first(ends_list)
    if ask and is_closed([items[n] for n in now.rest]):
        notes += _not_asked(now, end)
        ask = False
    asking, asked_at = _asking(now, relay, end, reasons, unlisted=unlisted) if ask else ([], [])
    notes += _unasked(asking, relay)
    asked_at = asked_at if ask else now.lines_for(Purpose.ASK)
    targets: list[Target] = []
    for number in range(len(items) + 1):
        if number == learn_at:
            targets += learned
        if number == end and asking:
            targets += asking
        if number < len(items) and (number in now.rest or number in asked_at or learned == [Target(number)]):
            targets.append(Target(number))
    dropped = [n for n in now.ours if Target(n) not in targets]
    if dropped:
        reasons.append(MENDS)
    return Wanted(targets, tuple(reasons), tuple(notes))


def _not_asked(now: _List, end: int) -> list[str]:
    """What has to be known of a list that ends in `reject`."""
    if any(n < end for n in now.lines_for(Purpose.ASK)):
        return []
    says = f'smtpd_recipient_restrictions ends in "{now.items[end].text}"'
    before = (now.items[n] for n in now.rest if n < end)
    by = ", ".join(item.text for item in before if lets_strangers_in([item], now.line))
    if not by:
        return [f"{says}: strangers get no mail in here"]
    sentence = (
        f"{says}: strangers' mail gets in by {by} alone, and Gatepost is not asked about it; if it should "
        f"be, write before that: {now.line.text(Purpose.ASK)}"
    )
    return [sentence]


def _learning(now: _List, reasons: list[str]) -> tuple[int, list[Target]]:
    """Where the learning line goes, and it; or the place -1, and the one that is there."""
    place = now.first(lambda item: item.can_permit)
    there = [n for n in now.lines_for(Purpose.LEARN) if n < place]
    if there:
        return -1, [Target(there[0])]
    reasons.append(LEARNS)
    return place, [Target(text=now.line.text(Purpose.LEARN))]


def _asking(
    now: _List, relay: Sequence[Item], end: int, reasons: list[str], *, unlisted: bool
) -> tuple[list[Target], list[int]]:
    """What has to be written before the end of the list; or nothing, and where it stands already."""
    guard = now.first(lambda item: item.name in RELAY_CONTROL and not item.warns)
    for place in now.lines_for(Purpose.ASK):
        permits = all(now.named(name, place) for name in OWN_CLIENTS)
        if guard < place < end and permits and (now.named(UNLISTED, place) or not unlisted):
            return [], [place]
    texts = _permits(now, relay, end, guard < end)
    if texts:
        reasons.append(PERMITS)
    if guard >= end:
        texts.append("reject_unauth_destination")
        reasons.append(GUARDS)
    if unlisted and not now.named(UNLISTED, end):
        texts.append(UNLISTED)
        reasons.append(KNOWS)
    texts.append(now.line.text(Purpose.ASK))
    reasons.append(ASKS)
    return [Target(text=text) for text in texts], []


def _unasked(asking: Sequence[Target], relay: Sequence[Item]) -> list[str]:
    """Who relays by smtpd_relay_restrictions, and is no client that is known to be our own."""
    texts = {target.text for target in asking}
    by = [i.whole for i in relay if i.whole in texts and i.can_permit and i.name not in OWN_CLIENTS]
    sentence = "Gatepost is not asked about what this lets in, since relaying is refused before it is asked"
    return [f"{sentence}: {', '.join(by)} (smtpd_relay_restrictions)"] if by else []


def _permits(now: _List, relay: Sequence[Item], end: int, guarded: bool) -> list[str]:  # noqa: FBT001
    """Permits that are missing before the end of the list.

    Where nothing refuses relaying there yet, whoever may relay by
    smtpd_relay_restrictions must be let in before it is refused.
    """
    texts = (
        []
        if guarded
        else [item.whole for item in _may_relay(relay, now.line) if not _is_there(now, item, end)]
    )
    names = {text.lower() for text in texts}
    return [*(name for name in OWN_CLIENTS if not now.named(name, end) and name not in names), *texts]


def _is_there(now: _List, item: Item, end: int) -> bool:
    return any(now.items[n].same == item.same for n in now.rest if n < end)


def _may_relay(relay: Sequence[Item], line: OurLine) -> list[Item]:
    """What lets clients relay, in order."""
    found: list[Item] = []
    for item in relay:
        if ends_list(item) or (item.name in RELAY_CONTROL and not item.warns):
            break
        if line.is_ours(item):
            continue
        if item.name == POLICY:
            raise ConfError(
                f"smtpd_relay_restrictions asks a policy service ({item.text}) who may relay, and "
                "smtpd_recipient_restrictions does not refuse relaying by itself: write "
                "reject_unauth_destination, and before it who may relay, into smtpd_recipient_restrictions"
            )
        if item.can_permit:
            found.append(item)
    return found


def data_list(
    items: Sequence[Item], line: OurLine, *, others_let_in: bool, gone: Iterable[int] = ()
) -> Wanted:
    """smtpd_data_restrictions as it is to be.

    `others_let_in`: before our line at RCPT something else can let a stranger's mail in, which must not be
    judged at DATA then.
    """
    now = _List(items, line, gone)
    purpose = Purpose.ASKED if others_let_in else Purpose.ASK
    end = now.first(lambda item: item.name in ENDS and not item.warns)
    there = next((n for n in now.lines_for(purpose) if n < end), -1)
    targets = [Target(n) for n in range(end) if n in now.rest or n == there]
    reasons = []
    if there < 0:
        targets.append(Target(text=line.text(purpose)))
        reasons.append(BOUNCES)
    targets += [Target(n) for n in now.rest if n >= end]
    if any(n != there for n in now.ours):
        reasons.append(MENDS)
    return Wanted(targets, tuple(reasons))


def lets_strangers_in(items: Sequence[Item], line: OurLine) -> bool:
    """Whether anything before our asking line can let in mail that it is then not asked about."""
    for item in items:
        if line.is_ours(item):
            if line.purpose(item) == Purpose.ASK:
                return False
        elif item.can_permit and item.name not in OWN_CLIENTS:
            return True
    return False
