"""Public lists that Postfix asks by itself: alive, asked what they know, errors not taken for listings."""

from collections.abc import Iterator
from itertools import groupby

import msgspec

from gatepost.dnslist import definition
from gatepost.dnslist.definition import Definition
from gatepost.dnslist.notation import parse
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import lists_of
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.restrictions import PUBLIC_LISTS
from gatepost.postfix.settings import split_list

GENERAL = "127.0.[0..255].[0..255]"
"""Every answer of a list whose answers nobody knows, error answers (127.255.255.x) left out."""
SITES = "postscreen_dnsbl_sites"

DEAD = Fault(
    "lists.dead",
    Severity.SERIOUS,
    "A list that is dead is asked",
    "A dead list answers nothing, at best; when its domain lapses it lists the whole world, and Postfix "
    "refuses everybody.",
    "Take it out.",
)
UNFILTERED = Fault(
    "lists.unfiltered",
    Severity.SERIOUS,
    "A list's error answers count as listings",
    "This list answers 127.255.255.x when it refuses to answer, for example to a public resolver. Without "
    "a filter Postfix takes that for a listing and refuses all mail.",
    "Write the answers that count behind the list's name.",
)
NO_FILTER = Fault(
    "lists.no_filter",
    Severity.WARNING,
    "Any answer of a list counts as a listing",
    "Lists use answers for other things, too: errors, a lapsed domain that leads everywhere.",
    "Write the answers that count behind the list's name.",
)
MISUSED = Fault(
    "lists.misused",
    Severity.WARNING,
    "A list is asked what it does not know",
    "It holds addresses and is asked about names, or the other way round, or it is an allow list that "
    "refuses: it finds nobody, or the wrong ones.",
    "Use the restriction that fits the list.",
)
FAULTS = (DEAD, UNFILTERED, NO_FILTER, MISUSED)

_FIT = {
    "dnsbl": "reject_rbl_client",
    "rhsbl": "reject_rhsbl_sender",
    "dnswl": "permit_dnswl_client",
}


class Use(msgspec.Struct, frozen=True):
    """A place where a list is asked."""

    place: str
    how: str
    zone: str
    filtered: bool
    purpose: str
    tail: str = ""
    """What follows the filter: the weight."""


def look(scene: Scene) -> Iterator[Finding]:
    """Every list in use."""
    for use in dict.fromkeys((*_in_restrictions(scene), *_in_postscreen(scene))):
        yield from _judge(use)


def _in_restrictions(scene: Scene) -> Iterator[Use]:
    for service in scene.instance.smtp_services:
        for parameter, items in lists_of(scene, service):
            for item in items:
                if item.name in PUBLIC_LISTS and not item.warns:
                    zone, equals, _ = item.argument.partition("=")
                    place = scene.item(parameter, item, service)
                    yield Use(place, item.name, zone.lower().rstrip("."), bool(equals), _purpose(item.name))


def _purpose(restriction: str) -> str:
    if restriction.startswith("permit"):
        return "dnswl"
    return "dnsbl" if restriction == "reject_rbl_client" else "rhsbl"


def _in_postscreen(scene: Scene) -> Iterator[Use]:
    for service in scene.instance.master.services:
        if service.program == "postscreen":
            for word in split_list(scene.instance.value(SITES, service)):
                site, star, weight = word.partition("*")
                zone, equals, _ = site.partition("=")
                purpose = "dnswl" if weight.startswith("-") else "dnsbl"
                place = f"{scene.where(SITES, service)}: {SITES} has {word}"
                yield Use(place, SITES, zone.lower().rstrip("."), bool(equals), purpose, star + weight)


def _judge(use: Use) -> Iterator[Finding]:
    if reason := definition.why_dead(use.zone):
        yield DEAD.found(f"{use.place}: {reason}", f"Take out: {_as_used(use, '')}")
        return
    base = definition.key_in_zone(use.zone) or use.zone
    known = definition.find(base, use.purpose)
    if known is None and (other := next((d for d in definition.living() if d.zone == base), None)):
        fit = f"{_FIT[other.purpose]} {use.zone}={answers_of(other)}"
        yield MISUSED.found(
            f"{use.place}; {base} is a list for {_FIT[other.purpose]}", f"Write instead:\n{fit}"
        )
        return
    if not use.filtered:
        wanted = f"Write instead:\n{_as_used(use, answers_of(known) if known else GENERAL)}"
        yield (UNFILTERED if known and known.error else NO_FILTER).found(use.place, wanted)


def _as_used(use: Use, answers: str) -> str:
    site = f"{use.zone}={answers}" if answers else use.zone
    return f"{site}{use.tail}" if use.how == SITES else f"{use.how} {site}"


def answers_of(known: Definition) -> str:
    """The answers of a list that are listings, as one pattern of Postfix's."""
    texts = [known.answers] if known.answers else [code.answers for code in known.code if code.answers]
    merged: dict[tuple[frozenset[int], ...], set[int]] = {}
    for pattern in map(parse, texts):
        merged.setdefault(tuple(pattern.octets[:3]), set()).update(pattern.octets[3])
    if len(merged) != 1:
        return GENERAL if known.purpose != "dnswl" else "127.0.[0..255].[1..3]"
    ((head, last),) = merged.items()
    return ".".join(map(_octet, (*head, frozenset(last))))


def _octet(numbers: frozenset[int]) -> str:
    """One octet of a pattern: a number, or ranges in brackets."""
    if len(numbers) == 1:
        return str(*numbers)
    runs = []
    for _, group in groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}")
    return f"[{';'.join(runs)}]"
