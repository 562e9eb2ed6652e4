"""postscreen (postscreen(8)): whether it keeps anybody out, and whether it makes honest servers wait."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import set_to
from gatepost.postfix.audit.scene import Scene

DENY = ("postscreen_denylist_action", "postscreen_blacklist_action")
DEEP = (
    "postscreen_pipelining_enable",
    "postscreen_non_smtp_command_enable",
    "postscreen_bare_newline_enable",
)

WATCHES = Fault(
    "postscreen.watches",
    Severity.WARNING,
    "postscreen only watches",
    "With the action `ignore`, which is the default of every test, it logs what it finds and lets "
    "everybody in.",
    "Set the actions to enforce.",
)
IGNORED = Fault(
    "postscreen.lists_ignored",
    Severity.WARNING,
    "postscreen asks block lists and ignores the answers",
    "postscreen_dnsbl_action is `ignore`, its default.",
    "Set the action to enforce, or take the lists out.",
)
TESTS = Fault(
    "postscreen.deep",
    Severity.NOTE,
    "postscreen sends every stranger away once",
    "The tests after the greeting need a whole session, so a server that passes them is told `450` all the "
    "same; large providers come back from other addresses, and mail can be late by hours.",
    "Switch these tests off, and let greylisting decide who has to come back.",
)
FAULTS = (WATCHES, IGNORED, TESTS)


def look(scene: Scene) -> Iterator[Finding]:
    """Every postscreen that strangers reach."""
    instance = scene.instance
    for service in instance.master.services:
        if service.program != "postscreen" or service.type != "inet":
            continue

        def acts(name: str, of: object = service) -> bool:
            value = instance.value(name, of)  # type: ignore[arg-type]
            return bool(value) and value.lower() != "ignore"

        greets, lists = acts("postscreen_greet_action"), acts("postscreen_dnsbl_action")
        sites = instance.value("postscreen_dnsbl_sites", service).strip()
        if not greets and not lists and not any(map(acts, DENY)):
            remedy = set_to(scene, "postscreen_greet_action", "enforce", service)
            seen = f"{instance.master_file}:{service.line}: {service.key}; all actions are ignore"
            yield WATCHES.found(seen, f"{remedy}\npostscreen_dnsbl_action = enforce")
        elif sites and not lists:
            says = scene.says("postscreen_dnsbl_sites", service)
            seen = f"{says}; {scene.says('postscreen_dnsbl_action', service)}"
            yield IGNORED.found(seen, set_to(scene, "postscreen_dnsbl_action", "enforce", service))
        deep = [name for name in DEEP if instance.truth(name, service)]
        if deep:
            seen = "; ".join(scene.says(name, service) for name in deep)
            remedy = "\n".join((f"In {instance.main_file}:", *(f"{name} = no" for name in deep)))
            yield TESTS.found(seen, remedy)
