"""What a service's lists have to be so that Postfix asks Gatepost before its greeting.

Postfix asks nobody before RCPT while smtpd_delay_reject = yes. With `no` the list of the client is asked when
it connects, that of HELO at HELO and that of the sender at MAIL (postconf(5)). A user who will log in has not
done so when he connects, so that what stood in the first two lists moves to that of the sender: MAIL comes
after AUTH.

Pure: lists in, lists out. Raises ConfError for what would not mean the same.
"""

from collections.abc import Iterator, Sequence

import msgspec

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import ENDS, POLICY, TABLES, Item, split_items, unknown
from gatepost.postfix.planning.joined import join
from gatepost.postfix.planning.ourline import OurLine, Purpose

CLIENT = "smtpd_client_restrictions"
HELO = "smtpd_helo_restrictions"
SENDER = "smtpd_sender_restrictions"
ETRN = "smtpd_etrn_restrictions"
OWN = "permit_mynetworks"
DEEPEST = 5
"""Classes within classes."""

_AT_CONNECT = frozenset(
    (
        *(OWN, "permit_inet_interfaces", "permit_dnswl_client", "permit_rhswl_client"),
        *("reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_reverse_client", "sleep"),
        *("reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname"),
        *ENDS,
    )
)
AT_ONCE = {
    CLIENT: _AT_CONNECT,
    HELO: _AT_CONNECT
    | {
        *("reject_invalid_helo_hostname", "reject_non_fqdn_helo_hostname", "reject_unknown_helo_hostname"),
        "reject_rhsbl_helo",
    },
}
"""What says the same at its own stage as at RCPT. An access map is not among it: what else than OK and REJECT
it may say (PREPEND, HOLD, FILTER) is passed over there (access(5))."""
_NO_MAIL_YET = frozenset(
    (
        *("reject_unauth_destination", "defer_unauth_destination", "permit_auth_destination"),
        *("permit_mx_backup", "check_relay_domains", "reject_multi_recipient_bounce", "check_etrn_access"),
        "reject_unauth_pipelining",
    )
)


class Staged(msgspec.Struct, frozen=True):
    """Lists as they are to be."""

    lists: dict[str, str]
    """Text by parameter, of those that change."""
    moved: tuple[str, ...] = ()
    """Parameters whose restrictions are asked at MAIL from now on."""
    notes: tuple[str, ...] = ()


def is_asked(instance: Instance, line: OurLine, service: Service) -> bool:
    """Whether this service asks about bans when a client connects."""
    if instance.truth("smtpd_delay_reject", service):
        return False
    items = instance.restrictions(CLIENT, service)
    return any(_is_ban(item, line) for item in items[: _end(items)])


def staged(instance: Instance, line: OurLine, service: Service) -> Staged:
    """The lists of a service that does not ask about bans yet.

    Raises:
        ConfError: something would be judged otherwise than before; with file, line and reason.
    """
    client = [i for i in instance.restrictions(CLIENT, service) if not _is_ban(i, line)]
    if not instance.truth("smtpd_delay_reject", service):
        return Staged({CLIENT: _text(_asking(client, line))})
    lists = {CLIENT: client} | {name: instance.restrictions(name, service) for name in (HELO, SENDER, ETRN)}
    for parameter, items in lists.items():
        if parameter != ETRN:
            _refuse_rcpt(instance, service, parameter, items)
    for staying in ((), (CLIENT,), (HELO,), (CLIENT, HELO)):
        if all(_can_stay(instance, service, name, lists[name]) for name in staying) and (
            found := _arranged(lists, line, staying)
        ):
            return found
    raise instance.unclear(
        f"{CLIENT} and {HELO} cannot be asked before AUTH, and together with {SENDER} they make no one list: "
        "what permits in one of them would skip the others (--take-over moves much of this into Gatepost)",
        CLIENT if client else HELO,
        service,
    )


def _arranged(lists: dict[str, list[Item]], line: OurLine, staying: Sequence[str]) -> Staged | None:
    """The lists when those of `staying` stay where they are; None when that would not be the same."""
    moving = [name for name in (CLIENT, HELO) if name not in staying and lists[name]]
    joined = join([lists[name] for name in (*moving, SENDER)])
    etrn = join([lists[name] for name in (*moving, ETRN)])
    if joined is None or etrn is None:
        return None
    found = {CLIENT: _text(_asking(lists[CLIENT] if CLIENT in staying else [], line))}
    if HELO in moving:
        found[HELO] = ""
    if moving:
        found |= {SENDER: _text(joined.items), ETRN: _text(etrn.items)}
    before = {name: _text(items) for name, items in lists.items()}
    changed = {name: text for name, text in found.items() if text != before[name]}
    return Staged(changed, tuple(moving), tuple(_notes(staying, in_order=joined.in_order)))


def _notes(staying: Sequence[str], *, in_order: bool) -> Iterator[str]:
    for name in staying:
        when = "a client connects" if name == CLIENT else "it says HELO"
        yield f"{name} is looked at when {when}, and no more at RCPT"
    if not in_order:
        yield "a mail that several restrictions refuse may be told another of their reasons than before"


def _can_stay(instance: Instance, service: Service, parameter: str, items: Sequence[Item]) -> bool:
    """Whether a list says the same at its own stage, which comes for every client."""
    comes = parameter == CLIENT or instance.truth("smtpd_helo_required", service)
    return comes and bool(items) and all(item.name in AT_ONCE[parameter] for item in items)


def _text(items: Sequence[Item] | Sequence[str]) -> str:
    return ", ".join(item if isinstance(item, str) else item.whole for item in items)


# --- where we ask -------------------------------------------------------------------------------------


def _is_ban(item: Item, line: OurLine) -> bool:
    return line.is_ours(item) and line.purpose(item) is Purpose.BAN


def _end(items: Sequence[Item]) -> int:
    """The number of what ends the list whoever comes; that after the last when nothing does."""
    return next((n for n, item in enumerate(items) if item.name in ENDS and not item.warns), len(items))


def _asking(items: Sequence[Item], line: OurLine) -> list[str]:
    """The list of the client with our line: behind own networks, before what ends the list."""
    texts = [item.whole for item in items]
    end = _end(items)
    ask = line.text(Purpose.BAN)
    own = next((n + 1 for n, item in enumerate(items[:end]) if item.name == OWN), 0)
    if own:
        return [*texts[:own], ask, *texts[own:]]
    if end < len(items) and items[end].name != "permit":  # own networks must not be let in by us
        return [ask, *texts]
    return [*texts[:end], OWN, ask, *texts[end:]]


# --- what cannot be asked before RCPT -----------------------------------------------------------------


def _refuse_rcpt(instance: Instance, service: Service, parameter: str, items: Sequence[Item]) -> None:
    """Refuse what at MAIL would not know what it knows at RCPT."""
    for item in unknown(items, instance.classes):
        reason = f'"{item.text}" is no restriction that Postfix knows'
        raise instance.unclear(reason, parameter, service)
    every = [*_open(instance, service, items, 0)]
    if any(item.name in TABLES for item in every):  # which may answer with the name of a class
        classes = (_class(instance, name, service) for name in sorted(instance.classes))
        every += (one for inside in classes for one in _open(instance, service, inside, 0))
    for item in every:
        if why := _why_not_at_mail(item):
            where = parameter if item in items else f"a restriction class ({parameter} can come to it)"
            text = " ".join(item.text.split())
            raise instance.unclear(
                f"{text} in {where} {why}, and would be asked at MAIL: move it to "
                "smtpd_recipient_restrictions",
                parameter,
                service,
            )


def _why_not_at_mail(item: Item) -> str:
    if item.name == POLICY:
        return "asks a policy service, which is told the recipient now"
    if item.name == "reject_unauth_pipelining":
        return "looks for commands that come too early after RCPT"
    return "needs the recipient" if "recipient" in item.name or item.name in _NO_MAIL_YET else ""


def _open(instance: Instance, service: Service, items: Sequence[Item], depth: int) -> Iterator[Item]:
    """The restrictions, and those in classes among them."""
    for item in items:
        yield item
        if item.text in instance.classes and depth < DEEPEST:
            yield from _open(instance, service, _class(instance, item.text, service), depth + 1)


def _class(instance: Instance, name: str, service: Service) -> list[Item]:
    return split_items(instance.value(name, service), name)
