"""Lists of restrictions as Postfix goes through them: classes taken apart, policies with settings.

Pure. Raises ConfError for lists that cannot be understood.
"""

from collections.abc import Iterator, Sequence

import msgspec

from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import (
    ENDS,
    LISTS,
    POLICY,
    RELAY_CONTROL,
    Item,
    policy_of,
    split_items,
)
from gatepost.postfix.conf.words import split_words
from gatepost.postfix.planning.ourline import normal_server

DEEPEST = 5
"""Classes within classes."""
LEARN = "learn"
LOOPBACK = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128"
"""The networks of this machine alone, as postconf(5) writes them."""


class Asked(msgspec.Struct, frozen=True):
    """A check_policy_service in force."""

    item: Item
    server: str
    options: dict[str, str]
    parameter: str
    service: Service


def flat(scene: Scene, parameter: str, service: Service | None = None) -> list[Item]:
    """The restrictions of a list, with what stands in classes instead of these."""
    return list(_open(scene, scene.instance.restrictions(parameter, service), service, 0))


def _open(scene: Scene, items: Sequence[Item], service: Service | None, depth: int) -> Iterator[Item]:
    classes = {name.lower(): name for name in scene.instance.classes}
    for item in items:
        name = classes.get(item.name)
        if name is None or depth >= DEEPEST:
            yield item
        else:
            inside = split_items(scene.instance.value(name, service), name)
            yield from _open(scene, inside, service, depth + 1)


def lists_of(scene: Scene, service: Service) -> Iterator[tuple[str, list[Item]]]:
    """Every list that is not empty, by name, classes left as they are."""
    for parameter in LISTS:
        if items := scene.instance.restrictions(parameter, service):
            yield parameter, items


def reached(items: Sequence[Item]) -> Sequence[Item]:
    """The items up to the first that ends the list whoever comes, this one included."""
    end = next((n for n, item in enumerate(items) if item.name in ENDS and not item.warns), len(items))
    return items[: end + 1]


def guards(item: Item) -> bool:
    """Whether a stranger cannot have mail relayed past this restriction."""
    closes = RELAY_CONTROL | {"reject", "defer", "defer_if_permit", "check_relay_domains"}
    return item.name in closes and not item.warns


def policies(scene: Scene) -> Iterator[Asked]:
    """Every policy service that an smtpd asks, each place once."""
    seen = set()
    for service in scene.instance.smtp_services:
        for parameter in LISTS:
            place = scene.where(parameter, service)
            for item in flat(scene, parameter, service):
                if item.name == POLICY and (place, item.text) not in seen:
                    seen.add((place, item.text))
                    policy = _policy(scene, item, parameter, service)
                    yield Asked(item, policy[0], policy[1], parameter, service)


def _policy(scene: Scene, item: Item, parameter: str, service: Service) -> tuple[str, dict[str, str]]:
    try:
        policy = policy_of(item)
    except ConfError as error:
        raise scene.instance.unclear(error.reason, parameter, service) from None
    return policy.server, policy.options


def milters(scene: Scene, parameter: str, service: Service | None) -> list[str]:
    """The milters of a list, each with its braces; `none` is the empty list."""
    text = scene.instance.value(parameter, service)
    return [] if text.strip().lower() == "none" else [word.text for word in split_words(text)]


def is_ours(scene: Scene, item: Item) -> bool:
    """Whether this asks Gatepost, which never says OK."""
    return item.name == POLICY and normal_server(policy_of(item).server) == normal_server(scene.line.server)


def learns(scene: Scene, item: Item) -> bool:
    """Whether this is Gatepost's line that only learns, and always answers DUNNO."""
    return is_ours(scene, item) and policy_of(item).options.get("policy_context") == LEARN


def set_to(scene: Scene, parameter: str, value: str, service: Service | None = None) -> str:
    """How to set something, where it is set now."""
    if service is not None and service.override(parameter):
        return f"In {scene.instance.master_file}, at {service.key}:\n  -o {{ {parameter} = {value} }}"
    blank = "" if value.startswith("\n") else " "
    return f"In {scene.instance.main_file}:\n{parameter} ={blank}{value}"


def as_lines(texts: Sequence[str]) -> str:
    """A list's value, one restriction a line."""
    return "".join(f"\n    {text}" for text in texts)


def told(items: Sequence[Item], most: int = 5) -> str:
    """Some restrictions, as evidence."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(" ".join(item.text.split()) for item in items[:most]) + more
