"""Restrictions that Postfix does not know: a word misspelt, or a class that nobody defined."""

import difflib
from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import lists_of
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import KNOWN, Item, split_items, unknown

OLD = {
    "check_relay_domains": "reject_unauth_destination",
    "permit_naked_ip_address": "permit_mynetworks",
    "reject_maps_rbl": "reject_rbl_client",
    "check_recipient_maps": "reject_unlisted_recipient",
    "reject_unknown_address": "reject_unknown_sender_domain",
}

UNKNOWN = Fault(
    "words.unknown",
    Severity.SERIOUS,
    "A restriction that Postfix does not know",
    "Postfix answers `451 4.3.5 Server configuration error` to everybody who comes to it: that mail waits, "
    "and comes back to its sender in the end.",
    "Correct the word, or take it out.",
)
CLASS = Fault(
    "words.class",
    Severity.SERIOUS,
    "A restriction class without definition",
    "smtpd ends with an error as soon as it starts when a name in smtpd_restriction_classes has no list of "
    "its own: no mail comes in at all.",
    "Define the class, or take its name out of smtpd_restriction_classes.",
)
DEPRECATED = Fault(
    "words.old",
    Severity.NOTE,
    "A restriction that is going to disappear",
    "Postfix warns of it in the log, and newer versions do not know it any more.",
    "Use what replaced it.",
)
FAULTS = (UNKNOWN, CLASS, DEPRECATED)


def look(scene: Scene) -> Iterator[Finding]:
    """Words that are none."""
    instance = scene.instance
    for name in sorted(instance.classes):
        if instance.main.find(name) is None or not instance.value(name):
            yield CLASS.found(
                f"{scene.says('smtpd_restriction_classes')}; {name} is not set",
                f"In {instance.main_file}, if it is to do nothing:\n{name} = permit_mynetworks",
            )
        else:
            yield from _words(scene, name, split_items(instance.value(name), name), None)
    for service in instance.smtp_services:
        for parameter, items in lists_of(scene, service):
            yield from _words(scene, parameter, items, service)


def _words(scene: Scene, parameter: str, items: list[Item], service: Service | None) -> Iterator[Finding]:
    for item in unknown(items, scene.instance.classes):
        close = difflib.get_close_matches(item.name, KNOWN, n=1)
        meant = f"Write {close[0]} instead of {item.text}, if that is meant." if close else ""
        yield UNKNOWN.found(scene.item(parameter, item, service), meant)
    for item in items:
        if item.name in OLD:
            place = scene.item(parameter, item, service)
            yield DEPRECATED.found(place, f"Write {OLD[item.name]} instead.")
