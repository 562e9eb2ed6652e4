"""The lines of master.cf by which Postfix asks about bans before its greeting, so that nobody who is banned
comes to AUTH: for every smtpd that strangers reach, each planned by itself, or left alone with the reason.

Pure. Raises nothing but what reading the lists raises for all services.
"""

from collections.abc import Iterator

import msgspec

from gatepost.postfix.conf.expand import depends_on
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import ConfError, Splice, spliced
from gatepost.postfix.conf.mastercf import Service, read_master
from gatepost.postfix.conf.restrictions import LISTS
from gatepost.postfix.planning.draft import SettingChange, override_splice, setting_text
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.stages import CLIENT, ETRN, HELO, SENDER, Staged, is_asked, staged

DELAY = "smtpd_delay_reject"
VRFY = "disable_vrfy_command"
OLDEST = (3, 1)
"""Since Postfix 3.1 a line can say what it asks for (policy_context)."""

BEFORE = "Postfix asks nobody before RCPT unless this is no"
ASKS = (
    "a banned client is refused instead of greeted, and can try no password; while Gatepost is stopped, "
    "everybody is greeted as before (default_action)"
)
EMPTY = "what stood here is asked at MAIL, since a user who logs in has not done so before"
MOVED = "what stood in {} is asked here, after AUTH; for this service the list is no longer that of main.cf"
ETRN_TOO = "ETRN is held back by what was moved to MAIL, as before"
VRFY_TOO = "VRFY comes without MAIL, so that what was moved there would not hold it back any more"


class AtConnect(msgspec.Struct, frozen=True):
    """What is to be changed so that it asks about bans."""

    instance: Instance
    """As it will be."""
    settings: tuple[SettingChange, ...] = ()
    refused: tuple[str, ...] = ()
    """Services that are left alone, and why."""
    notes: tuple[str, ...] = ()


def doors(instance: Instance) -> list[Service]:
    """Every smtpd that strangers reach, each name once."""
    mx = instance.mx_services
    found = (s for s in instance.smtp_services if s in mx or not instance.is_internal(s))
    return [*{s.key: s for s in found if s.type in ("inet", "pass")}.values()]


def there(instance: Instance, line: OurLine) -> Iterator[str]:
    """Which services ask about bans already, and how to end that; for people."""
    for service in doors(instance):
        if is_asked(instance, line, service):
            file, number = instance.place(CLIENT, service)
            yield (
                f"{service.key} asks Gatepost about bans when a client connects ({file}:{number}); "
                "`gatepost postfix rollback` goes back to the state before that"
            )


def at_connect(instance: Instance, line: OurLine) -> AtConnect:
    """The Postfix that asks about bans wherever that changes nothing else."""
    if instance.release < OLDEST:
        why = f"Postfix {instance.version} is older than 3.1 and cannot say that it asks about bans"
        return AtConnect(instance, refused=(why,))
    settings: list[SettingChange] = []
    refused: list[str] = []
    notes: list[str] = []
    for door in doors(instance):
        service = instance.master.find(door.key) or door
        if is_asked(instance, line, service):
            continue
        try:
            wish = staged(instance, line, service)
            instance, made = _written(instance, service, wish)
        except ConfError as error:
            refused.append(f"{door.key} does not ask about bans before its greeting: {error}")
        else:
            settings += made
            notes += (f"{door.key}: {note}" for note in wish.notes)
    return AtConnect(instance, tuple(settings), tuple(refused), tuple(notes))


def _written(instance: Instance, service: Service, wish: Staged) -> tuple[Instance, list[SettingChange]]:
    """The instance with what is wished for in the lines of a service.

    Raises:
        ConfError: it cannot be written there without changing something else.
    """
    settings = [*_settings(instance, service, wish)]
    splices: list[Splice] = []
    added = []
    for one in settings:
        _refuse_names(instance, service, one)
        if override := service.override(one.parameter):
            splices.append(override_splice(instance, override, one.after))
        else:
            added.append(f"\n  -o {setting_text(one.parameter, one.after)}")
    splices.append(Splice(service.end, service.end, "".join(added)))
    text = spliced(instance.master.source.text, splices)
    after = msgspec.structs.replace(instance, master=read_master(text.encode("utf-8", "surrogateescape")))
    _prove(instance, after, service, {one.parameter: one.after for one in settings})
    return after, settings


def _settings(instance: Instance, service: Service, wish: Staged) -> Iterator[SettingChange]:
    moved = " and ".join(wish.moved)
    wanted = {}
    if instance.truth(DELAY, service):
        wanted[DELAY] = ("no", BEFORE)
    reasons = {CLIENT: ASKS, HELO: EMPTY, SENDER: MOVED.format(moved), ETRN: ETRN_TOO}
    wanted |= {name: (text, reasons[name]) for name, text in wish.lists.items()}
    if wish.moved and not instance.truth(VRFY, service):
        wanted[VRFY] = ("yes", VRFY_TOO)
    for name, (text, reason) in wanted.items():
        yield SettingChange(name, service.key, instance.raw(name, service), text, (reason,))


def _refuse_names(instance: Instance, service: Service, one: SettingChange) -> None:
    """Refuse what would be read otherwise when it is written out, or is another list from time to time."""
    raw = one.before or ""
    if "$" in one.after:
        reason = f'{one.parameter} holds a "$", which cannot be written out'
        raise instance.unclear(reason, one.parameter, service)
    if "stress" in depends_on(raw, lambda name: instance.raw(name, service)):
        raise instance.unclear(f"{one.parameter} depends on the load ($stress)", one.parameter, service)


def _prove(before: Instance, after: Instance, service: Service, wanted: dict[str, str]) -> None:
    """That each service's lists and classes are what they were, but for those that were to change."""
    new = after.master.find(service.key)
    for parameter, text in wanted.items():
        if _said(after, parameter, new) != text:
            raise before.unclear(f"{parameter} would be read otherwise than meant", parameter, service)
    for old in before.smtp_services:
        for parameter in (*LISTS, *sorted(before.classes)):
            if old.key == service.key and parameter in wanted:
                continue
            was, now = (_same(one, parameter, one.master.find(old.key)) for one in (before, after))
            if was != now:
                reason = f"{parameter} refers to a list that has to change, and would change with it"
                raise before.unclear(f"{reason}: write it out", parameter, service)


def _said(instance: Instance, parameter: str, service: Service | None) -> str:
    if parameter not in LISTS:
        return instance.value(parameter, service)
    return ", ".join(item.whole for item in instance.restrictions(parameter, service))


def _same(instance: Instance, parameter: str, service: Service | None) -> list[tuple[str, str, bool]]:
    return [item.same for item in instance.restrictions(parameter, service)]
