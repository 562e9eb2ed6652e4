"""Policy services that Postfix asks: what happens to mail while one of them is down or slow."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import Asked, policies
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.planning.ourline import SECONDS, normal_server

LONG = 60.0
"""Seconds; longer, and senders hang up."""
OWN_SETTINGS = (3, 0)
"""Since this version a service can have settings of its own, in braces."""
ACTION, TIMEOUT = "smtpd_policy_service_default_action", "smtpd_policy_service_timeout"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

STOPS = Fault(
    "policy.stops_mail",
    Severity.WARNING,
    "A policy service that is down stops all mail",
    "Without default_action of its own Postfix answers `451 4.3.5 Server configuration problem` to "
    "everybody while the service does not answer.",
    "Give the line default_action=DUNNO, and a timeout of its own.",
)
REFUSES = Fault(
    "policy.refuses",
    Severity.SERIOUS,
    "A policy service that is down refuses all mail",
    "Its default action refuses for good: while it does not answer, mail is lost.",
    "Give the line default_action=DUNNO, and a timeout of its own.",
)
SLOW = Fault(
    "policy.slow",
    Severity.NOTE,
    "A policy service may take very long",
    "Postfix waits so long for each answer, twice, before it uses the default action; a hung service holds "
    "all sessions, and senders hang up.",
    "Give the line a timeout of its own.",
)
FAULTS = (STOPS, REFUSES, SLOW)


def look(scene: Scene) -> Iterator[Finding]:
    """Every policy service."""
    for asked in policies(scene):
        action = asked.options.get("default_action", scene.instance.value(ACTION, asked.service))
        timeout = asked.options.get("timeout", scene.instance.value(TIMEOUT, asked.service))
        place = scene.item(asked.parameter, asked.item, asked.service)
        remedy = _remedy(scene, asked)
        if action.upper().startswith(("REJECT", "5")):
            yield REFUSES.found(f"{place}; default action: {action}", remedy)
        elif action.upper().startswith(("DEFER", "4", "HOLD", "DISCARD")):
            yield STOPS.found(f"{place}; default action: {action}", remedy)
        elif seconds(timeout) > LONG:
            yield SLOW.found(f"{place}; timeout: {timeout}", remedy)


def seconds(text: str) -> float:
    """A time as Postfix writes it; 0 when it is none."""
    number, unit = (text, "s") if text[-1:].isdigit() else (text[:-1], text[-1:])
    return float(number) * _UNITS.get(unit, 0) if number.isascii() and number.isdigit() else 0.0


def _remedy(scene: Scene, asked: Asked) -> str:
    if scene.instance.release < OWN_SETTINGS:
        return f"In {scene.instance.main_file}:\n{ACTION} = DUNNO\n{TIMEOUT} = 10s"
    ours = normal_server(asked.server) == normal_server(scene.line.server)
    options = {"timeout": f"{SECONDS}s" if ours else "10s", **asked.options, "default_action": "DUNNO"}
    if seconds(options["timeout"]) > LONG:
        options["timeout"] = "10s"
    settings = ", ".join(_setting(name, value) for name, value in options.items())
    return f"Instead of {asked.item.text}:\ncheck_policy_service {{ {asked.server}, {settings} }}"


def _setting(name: str, value: str) -> str:
    """A setting within braces; one with blanks needs braces of its own."""
    return f"{{ {name} = {value} }}" if set(value) & set(" ,") else f"{name}={value}"
