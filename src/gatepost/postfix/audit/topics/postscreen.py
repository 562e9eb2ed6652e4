"""postscreen (postscreen(8)): whether it keeps anybody out, and whether it makes honest servers wait."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import set_to
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service

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
    for service in scene.instance.master.services:
        if service.program == "postscreen" and service.type == "inet":
            yield from _actions(scene, service)
            yield from _deep(scene, service)


def _acts(scene: Scene, name: str, service: Service) -> bool:
    """Whether a test does more than look."""
    value = scene.instance.value(name, service).strip().lower()
    return value not in ("", "ignore")


def _actions(scene: Scene, service: Service) -> Iterator[Finding]:
    lists = _acts(scene, "postscreen_dnsbl_action", service)
    others = any(_acts(scene, name, service) for name in ("postscreen_greet_action", *DENY))
    if not lists and not others:
        remedy = set_to(scene, "postscreen_greet_action", "enforce", service)
        seen = f"{scene.instance.master_file}:{service.line}: {service.key}; all actions are ignore"
        yield WATCHES.found(seen, f"{remedy}\npostscreen_dnsbl_action = enforce")
    elif not lists and scene.instance.value("postscreen_dnsbl_sites", service).strip():
        says = scene.says("postscreen_dnsbl_sites", service)
        seen = f"{says}; {scene.says('postscreen_dnsbl_action', service)}"
        yield IGNORED.found(seen, set_to(scene, "postscreen_dnsbl_action", "enforce", service))


def _deep(scene: Scene, service: Service) -> Iterator[Finding]:
    deep = [name for name in DEEP if scene.instance.truth(name, service)]
    if deep:
        seen = "; ".join(scene.says(name, service) for name in deep)
        remedy = "\n".join((f"In {scene.instance.main_file}:", *(f"{name} = no" for name in deep)))
        yield TESTS.found(seen, remedy)
