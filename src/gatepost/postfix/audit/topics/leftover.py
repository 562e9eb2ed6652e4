"""Settings for trying things out, or for the time after an upgrade, that were never taken back."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import lists_of, set_to
from gatepost.postfix.audit.scene import Scene

SOFT = Fault(
    "leftover.soft_bounce",
    Severity.WARNING,
    "Every refusal is only for a while",
    "With soft_bounce = yes Postfix says 4xx where it means 5xx: spammers and honest senders alike try for "
    "days, and the sender of a mistyped address learns of it a week later.",
    "Set soft_bounce = no.",
)
WARNS = Fault(
    "leftover.warns",
    Severity.NOTE,
    "A restriction only warns",
    "Behind warn_if_reject it refuses nobody, and only logs.",
    "Take warn_if_reject away when the log shows that the restriction is right.",
)
LEVEL = Fault(
    "leftover.compatibility",
    Severity.WARNING,
    "Postfix uses defaults of versions before 3.0",
    "Without compatibility_level services run in a chroot, the whole network of an interface counts as our "
    "own (mynetworks_style = subnet), and relaying is refused only after smtpd_recipient_restrictions.",
    "Set compatibility_level, after a look at what changes (COMPATIBILITY_README).",
)
TWICE = Fault(
    "leftover.twice",
    Severity.NOTE,
    "A setting stands twice in main.cf",
    "The last one counts; the other does nothing, and misleads whoever reads it.",
    "Remove the one that does nothing.",
)
FAULTS = (SOFT, WARNS, LEVEL, TWICE)


def look(scene: Scene) -> Iterator[Finding]:
    """What was left over."""
    instance = scene.instance
    for service in (None, *instance.smtp_services):
        if instance.truth("soft_bounce", service):
            yield SOFT.found(scene.says("soft_bounce", service), set_to(scene, "soft_bounce", "no", service))
    for service in instance.smtp_services:
        for parameter, items in lists_of(scene, service):
            for item in items:
                if item.warns:
                    seen = f"{scene.item(parameter, item, service)} behind warn_if_reject"
                    yield WARNS.found(seen, f"Instead of warn_if_reject {item.text}:\n{item.text}")
    if instance.release >= (3, 0) and instance.main.find("compatibility_level") is None:
        level = "3.6" if instance.release >= (3, 6) else "2"
        seen = f"{instance.main_file}: compatibility_level is not set"
        yield LEVEL.found(seen, set_to(scene, "compatibility_level", level))
    for entry in instance.main.duplicates:
        counts = scene.where(entry.name)
        seen = f"{instance.main_file}:{entry.line}: {entry.name} = {' '.join(entry.value.split())[:200]}"
        yield TWICE.found(
            f"{seen}; what counts: {counts}", f"Remove line {entry.line} of {instance.main_file}."
        )
