"""Milters: what happens to mail while one of them is down."""

from collections.abc import Iterator

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import as_lines, milters, set_to
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.expand import whole_reference
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.words import inner_words

OWN_SETTINGS = (3, 0)
LISTS = ("smtpd_milters", "non_smtpd_milters")

STOPS = Fault(
    "milter.stops_mail",
    Severity.WARNING,
    "A milter that is down stops all mail",
    "Its default action is tempfail: while it does not answer everybody is told to come back.",
    "Give the milter default_action=accept, and timeouts of its own. A signer that is down then lets mail "
    "out unsigned, and a filter lets it in unseen.",
)
REFUSES = Fault(
    "milter.refuses",
    Severity.SERIOUS,
    "A milter that is down refuses all mail",
    "Its default action is reject: while it does not answer, mail is lost.",
    "Give the milter default_action=accept or tempfail.",
)
FAULTS = (STOPS, REFUSES)


def look(scene: Scene) -> Iterator[Finding]:
    """Every milter of every service."""
    for service in scene.instance.smtp_services:
        yield from _list(scene, LISTS[0], service)
    if whole_reference(scene.instance.raw(LISTS[1]) or "") != LISTS[0]:  # else told already
        yield from _list(scene, LISTS[1], None)


def _list(scene: Scene, parameter: str, service: Service | None) -> Iterator[Finding]:
    """The milters of a list whose default action is not to accept, together."""
    by_default = scene.instance.value("milter_default_action", service)
    better: list[str] = []
    actions: dict[str, str] = {}
    for text in milters(scene, parameter, service):
        name, *rest = inner_words(text)
        options = {key.strip(): value.strip() for key, _, value in (word.partition("=") for word in rest)}
        action = options.get("default_action", by_default).lower()
        if action != "accept":
            actions[name] = action
        better.append(text if action == "accept" else _better(name, options))
    if not actions:
        return
    remedy = set_to(scene, parameter, as_lines(better), service)
    if scene.instance.release < OWN_SETTINGS:
        remedy = f"In {scene.instance.main_file}:\nmilter_default_action = accept"
    told = ", ".join(f"{action} for {name}" for name, action in actions.items())
    fault = REFUSES if "reject" in actions.values() else STOPS
    yield fault.found(f"{scene.says(parameter, service)}; default action: {told}", remedy)


def _better(name: str, options: dict[str, str]) -> str:
    times = {"connect_timeout": "10s", "command_timeout": "30s", "content_timeout": "120s"}
    settings = {**times, **options, "default_action": "accept"}
    return f"{{ {name}, {', '.join(f'{key}={value}' for key, value in settings.items())} }}"
