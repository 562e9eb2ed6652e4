"""Small switches of the SMTP dialogue that make spammers' lives easy."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import flat, set_to
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service

VRFY = Fault(
    "smtp.vrfy",
    Severity.WARNING,
    "VRFY tells strangers which addresses exist",
    "Address harvesters ask for names without sending anything; no honest server uses the command.",
    "Set disable_vrfy_command = yes.",
)
HELO = Fault(
    "smtp.helo_optional",
    Severity.WARNING,
    "Clients need not say a HELO name",
    "Restrictions about the HELO name are skipped for a client that says none.",
    "Set smtpd_helo_required = yes.",
)
AT_ONCE = Fault(
    "smtp.at_once",
    Severity.NOTE,
    "Refusals come before the recipient is known",
    "With smtpd_delay_reject = no the log lacks sender and recipient of what was refused, exceptions by "
    "recipient do not work, and some clients retry for ever.",
    "Set smtpd_delay_reject = yes, unless you mean it.",
)
UNLISTED = Fault(
    "smtp.unlisted",
    Severity.WARNING,
    "Mail for recipients that do not exist is taken",
    "It has to be sent back later, to whomever a spammer named as sender: that is how one gets onto block "
    "lists.",
    "Set smtpd_reject_unlisted_recipient = yes.",
)
FAULTS = (VRFY, HELO, AT_ONCE, UNLISTED)


SWITCHES = (
    (VRFY, "disable_vrfy_command"),
    (HELO, "smtpd_helo_required"),
    (AT_ONCE, "smtpd_delay_reject"),
)
"""What should be `yes`."""
LISTS = ("smtpd_recipient_restrictions", "smtpd_relay_restrictions")


def look(scene: Scene) -> Iterator[Finding]:
    """Every service that strangers reach."""
    for service in scene.instance.mx_services:
        for fault, name in SWITCHES:
            yield from _switch(scene, service, fault, name)
        items = [item.name for name in LISTS for item in flat(scene, name, service)]
        if "reject_unlisted_recipient" not in items:
            yield from _switch(scene, service, UNLISTED, "smtpd_reject_unlisted_recipient")


def _switch(scene: Scene, service: Service, fault: Fault, name: str) -> Iterator[Finding]:
    if not scene.instance.truth(name, service):
        yield fault.found(scene.says(name, service), set_to(scene, name, "yes", service))
