"""Whether a plan changes the lists that it means to change, and no others that refer to them.

`smtpd_data_restrictions = $smtpd_recipient_restrictions` changes with it. smtpd_relay_restrictions may: it is
asked at RCPT, too, and the same question twice has the same answer. Pure. Raises ConfError.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import LISTS, Item

Place = tuple[str, str]
"""A list, by parameter and service (`name/type`; empty: main.cf)."""
MAY_FOLLOW = "smtpd_relay_restrictions"


class Meant(msgspec.Struct, frozen=True):
    """What a plan means to do."""

    lists: Mapping[Place, Sequence[Item]]
    """Lists as they are to be."""
    changed: Collection[Place]
    kept: Collection[Place]
    """What is written out for a service so that it stays."""


def prove(before: Instance, after: Instance, meant: Meant) -> None:
    """Compare every list of every smtpd service, and the classes, before the plan and after it.

    Raises:
        ConfError: something else would come of it than was meant.
    """
    for (parameter, home), items in meant.lists.items():
        service = before.master.find(home) if home else None
        if parameter != MAY_FOLLOW and [item.same for item in items] != _list(after, parameter, service):
            raise _refers(before, parameter, service)
    for service in before.smtp_services:
        for parameter in (*(LISTS.keys() - {MAY_FOLLOW}), *sorted(before.classes)):
            home = service.key if service.override(parameter) else ""
            stays = (parameter, service.key) in meant.kept or (parameter, home) not in meant.changed
            if stays and _list(before, parameter, service) != _list(after, parameter, service):
                raise _refers(before, parameter, service)


def _list(instance: Instance, parameter: str, service: Service | None) -> list[tuple[str, str, bool]]:
    twin = instance.master.find(service.key) if service else None
    return [item.same for item in instance.restrictions(parameter, twin)]


def _refers(before: Instance, parameter: str, service: Service | None) -> ConfError:
    return before.unclear(
        f"{parameter} refers to another list, which has to change, and would change with it: write it out",
        parameter,
        service,
    )
