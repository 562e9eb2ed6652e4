"""The order of restrictions: nothing dead, nobody asked too early, own users let in before checks."""

from collections.abc import Iterator, Sequence

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import (
    as_lines,
    flat,
    guards,
    is_ours,
    learns,
    lists_of,
    reached,
    set_to,
    told,
)
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import ENDS, POLICY, PUBLIC_LISTS, RELAY_CONTROL, Item, policy_of
from gatepost.postfix.planning.ourline import port_of

RECIPIENT = "smtpd_recipient_restrictions"
GREYLISTS = ("10023", "60000")
"""Ports of postgrey."""
STRANGERS = (PUBLIC_LISTS - {"permit_dnswl_client", "permit_rhswl_client"}) | {
    "reject_unknown_client_hostname",
    "reject_unknown_reverse_client_hostname",
    "reject_unknown_helo_hostname",
    "reject_non_fqdn_helo_hostname",
    "reject_invalid_helo_hostname",
}
"""Checks that a mail program at somebody's home does not pass."""

DEAD = Fault(
    "order.dead",
    Severity.WARNING,
    "Restrictions that are never reached",
    "What stands before them decides about every mail, so they do nothing.",
    "Move them before it, or take them out.",
)
EARLY = Fault(
    "order.policy_early",
    Severity.WARNING,
    "A policy service is asked before relaying is refused",
    "Strangers' tries to relay are greylisted and looked up like mail for us, and an OK of the service "
    "skips the rest of the list (SMTPD_POLICY_README).",
    "Write reject_unauth_destination before it.",
)
UNLISTED = Fault(
    "order.unlisted",
    Severity.WARNING,
    "Greylisting is asked before it is known whether the recipient exists",
    "Postfix looks whether a recipient exists after all restrictions have permitted; greylisting does not, "
    "so mail to nobody is told to come back, and guessed addresses fill the greylist.",
    "Write reject_unlisted_recipient before it.",
)
OWN = Fault(
    "order.own_users",
    Severity.WARNING,
    "Own users are checked like strangers",
    "They log in from homes and hotels whose addresses stand on block lists and have no good reverse name; "
    "the check comes before permit_sasl_authenticated and refuses them.",
    "Write permit_mynetworks, permit_sasl_authenticated before it.",
)
FAULTS = (DEAD, EARLY, UNLISTED, OWN)


def look(scene: Scene) -> Iterator[Finding]:
    """What stands in the wrong place."""
    for service in scene.outside:
        for parameter, items in lists_of(scene, service):
            yield from _dead(scene, service, parameter, items)
            yield from _own(scene, service, parameter)
        yield from _asked(scene, service)


def _dead(scene: Scene, service: Service, parameter: str, items: Sequence[Item]) -> Iterator[Finding]:
    """What comes after an end, or for mail to us after permit_auth_destination."""
    live = len(reached(items))
    auth = next((n for n, i in enumerate(items) if i.name == "permit_auth_destination"), len(items))
    closing = RELAY_CONTROL | ENDS
    dead = [item for item in items[live:] if item.name not in ENDS]
    dead += [item for item in items[auth + 1 : live] if item.name not in closing and not dead]
    if dead:
        end = items[min(auth, live - 1)]
        first = [item.text for item in items if item in dead]
        rest = [item.text for item in items if item not in dead]
        at = rest.index(end.text)
        remedy = set_to(scene, parameter, as_lines([*rest[:at], *first, *rest[at:]]), service)
        yield DEAD.found(
            f"{scene.where(parameter, service)}: {parameter}: after {end.text}: {told(dead)}", remedy
        )


def _asked(scene: Scene, service: Service) -> Iterator[Finding]:
    """Policy services in the recipient list that are asked too early."""
    items = reached(flat(scene, RECIPIENT, service))
    guard = next((n for n, item in enumerate(items) if guards(item)), len(items))
    relay = reached(flat(scene, "smtpd_relay_restrictions", service))
    first = scene.instance.truth("smtpd_relay_before_recipient_restrictions", service)
    refused_before = first and any(map(guards, relay))
    known = scene.instance.truth("smtpd_reject_unlisted_recipient", service)
    for number, item in enumerate(items):
        if item.name != POLICY or item.warns or learns(scene, item):
            continue
        place = scene.item(RECIPIENT, item, service)
        if number < guard and not refused_before:
            yield EARLY.found(
                f"{place} before relaying is refused",
                _before(item, "reject_unauth_destination"),
            )
        unlisted = any(one.name == "reject_unlisted_recipient" for one in items[:number])
        if known and not unlisted and _greylists(scene, item):
            remedy = _before(item, "reject_unlisted_recipient")
            yield UNLISTED.found(f"{place} without reject_unlisted_recipient before it", remedy)


def _greylists(scene: Scene, item: Item) -> bool:
    server = policy_of(item).server
    return is_ours(scene, item) or "grey" in server.lower() or port_of(server) in GREYLISTS


def _before(item: Item, *names: str) -> str:
    """What to write before an item."""
    return f"Before {' '.join(item.text.split())} write:{as_lines(names)}"


def _own(scene: Scene, service: Service, parameter: str) -> Iterator[Finding]:
    """Checks for strangers that meet users who log in here."""
    if not scene.instance.truth("smtpd_sasl_auth_enable", service):
        return
    for item in reached(flat(scene, parameter, service)):
        if item.name == "permit_sasl_authenticated":
            return
        if item.name in STRANGERS and not item.warns:
            seen = f"{scene.item(parameter, item, service)} first; {service.key} lets users log in"
            yield OWN.found(seen, _before(item, "permit_mynetworks", "permit_sasl_authenticated"))
            return
