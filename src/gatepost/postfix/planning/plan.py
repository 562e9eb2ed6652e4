"""What would change in somebody's Postfix, with a reason for each thing; nothing is written.

Pure: an `Instance` in, a `Plan` out. Raises ConfError for a configuration that
cannot be understood safely: nothing is guessed.
"""

import difflib
from collections.abc import Iterable

import msgspec

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master
from gatepost.postfix.conf.restrictions import LISTS
from gatepost.postfix.planning.atconnect import AtConnect, at_connect, there
from gatepost.postfix.planning.change import FileChange
from gatepost.postfix.planning.draft import STAYS, Draft, Gone, SettingChange
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.proof import Meant, prove
from gatepost.postfix.planning.refusal import refuse_unclear


class Plan(msgspec.Struct, frozen=True):
    """What was found, and what would change."""

    config_dir: str
    found: tuple[str, ...]
    notes: tuple[str, ...]
    settings: tuple[SettingChange, ...]
    changes: tuple[FileChange, ...]
    refused: tuple[str, ...] = ()
    """Services that will not ask about bans before their greeting, and why."""

    @property
    def diff(self) -> str:
        """The changes of Postfix's files as a unified diff."""
        return "".join(map(unified, self.changes))


def unified(change: FileChange) -> str:
    """A file's change as a unified diff; octets that are no UTF-8 as backslash escapes."""
    before, after = (_lines(octets or b"") for octets in (change.before, change.after))
    name = "/dev/null" if change.before is None else change.path
    return "".join(difflib.unified_diff(before, after, name, change.path))


def _lines(octets: bytes) -> list[str]:
    lines = octets.decode("utf-8", "backslashreplace").split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([f"{last}\n\\ No newline at end of file\n"] if last else [])


# --- making it ----------------------------------------------------------------------------------------


def make_plan(instance: Instance, line: OurLine, gone: Gone | None = None, *, ban: bool = False) -> Plan:
    """What would change.

    Args:
        instance: the Postfix.
        line: where Gatepost answers.
        gone: restrictions that are taken over, and leave Postfix.
        ban: whether Postfix is to ask about bans before its greeting.

    Raises:
        ConfError: the configuration cannot be understood safely; with file, line and reason.
    """
    refuse_unclear(instance, line)
    draft = Draft(instance, line, gone or {})
    for parameter in LISTS:
        draft.plan_list(parameter)
    draft.note_classes()
    draft.require_helo()
    draft.shield_internal()
    after = _proved(draft)
    asking = at_connect(after, line) if ban else AtConnect(after, notes=tuple(there(after, line)))
    settings = (*draft.settings, *asking.settings)
    return Plan(
        config_dir=instance.config_dir,
        found=tuple(_found(instance)),
        notes=(*draft.notes, *asking.notes),
        settings=settings,
        changes=tuple(_changes(instance, asking.instance, settings)),
        refused=asking.refused,
    )


def _proved(draft: Draft) -> Instance:
    """The Postfix as it will be, when nothing changes but what was meant to."""
    places = {(one.parameter, one.service): one.reasons == (STAYS,) for one in draft.settings}
    planned, kept = ({place for place in places if places[place] is stays} for stays in (False, True))
    after = msgspec.structs.replace(
        draft.instance,
        main=read_main(_octets(draft.main_text())),
        master=read_master(_octets(draft.master_text())),
    )
    prove(draft.instance, after, Meant(draft.lists, planned, kept))
    return after


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _changes(before: Instance, after: Instance, settings: Iterable[SettingChange]) -> Iterable[FileChange]:
    files = (
        (before.main_file, before.main.source, after.main.source, False),
        (before.master_file, before.master.source, after.master.source, True),
    )
    for path, old, new, of_service in files:
        reasons = [r for s in settings if bool(s.service) == of_service for r in s.reasons]
        if new.octets != old.octets:
            yield FileChange(path, old.octets, new.octets, tuple(dict.fromkeys(reasons)))


def _found(instance: Instance) -> Iterable[str]:
    """What was found, for people."""
    yield f"Postfix {instance.version}, {instance.config_dir}"
    for service in instance.mx_services:
        behind = ", behind postscreen" if service.type == "pass" else ""
        yield f"{service.key}: mail from strangers{behind} (master.cf line {service.line})"
    for service in filter(instance.is_submission, instance.smtp_services):
        yield f"{service.key}: mail of own users (master.cf line {service.line})"
    for entry in instance.main.duplicates:
        if entry.name in LISTS:
            yield f"{entry.name} is set twice; the one in line {entry.line} does not count"
    for folder in instance.others:
        yield f"another instance, which is planned by itself: gatepost postfix plan -c {folder}"
