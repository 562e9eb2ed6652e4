"""A plan in the making: which setting is changed where, collected as changes of the two files' text.

Pure. Raises ConfError, with file and line, for what cannot be changed safely.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from gatepost.postfix.conf.expand import depends_on
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import BLANKS, ConfError, Splice, spliced
from gatepost.postfix.conf.maincf import Entry
from gatepost.postfix.conf.mastercf import Override, Service
from gatepost.postfix.conf.restrictions import LISTS, Item, split_items, unknown
from gatepost.postfix.planning import listedit
from gatepost.postfix.planning.listedit import Target, Written
from gatepost.postfix.planning.ourline import OurLine, Purpose
from gatepost.postfix.planning.wanted import Wanted, data_list, lets_strangers_in, recipient_list

RECIPIENT = "smtpd_recipient_restrictions"
DATA = "smtpd_data_restrictions"
RELAY = "smtpd_relay_restrictions"
HELO = "smtpd_helo_required"
HEADING = "# Gatepost: gatepost postfix plan says why; gatepost postfix rollback takes it back."
HELO_REQUIRED = "a client that gives no HELO name could not be judged by it"
STAYS = "only this machine hands in mail there (a content filter, for example): it goes on as before"
ELSEWHERE = (
    "Gatepost is asked in smtpd_recipient_restrictions; a line without default_action stops mail with it"
)
TAKEN = "Gatepost does this now (see what is taken over)"

Gone = Mapping[tuple[str, str], Sequence[int]]
"""Numbers of items that are taken over, by list and service (empty: main.cf)."""


class SettingChange(msgspec.Struct, frozen=True):
    """One setting, before and after, not expanded."""

    parameter: str
    service: str
    """`name/type` when it is set for that service alone, in master.cf; empty: main.cf."""
    before: str | None
    after: str
    reasons: tuple[str, ...]


class Draft:
    """A plan in the making."""

    def __init__(self, instance: Instance, line: OurLine, gone: Gone) -> None:
        self.instance = instance
        self.line = line
        self.gone = gone
        self.main: list[Splice] = []
        self.master: list[Splice] = []
        self.added: list[str] = []
        """Settings to be added at the end of main.cf."""
        self.overrides: dict[str, list[str]] = {}
        """`-o` settings to be added, by service."""
        self.settings: list[SettingChange] = []
        self.lists: dict[tuple[str, str], list[Item]] = {}
        """Lists as they are to be, by parameter and service (empty: main.cf)."""
        self.notes: list[str] = [
            f"{instance.main_file}:{number}: Postfix ignores this line, since it begins with a blank"
            for number in instance.main.source.stray
        ]

    # --- lists ---

    def note_classes(self) -> None:
        """Classes that ask at our place, where they are left alone."""
        for name in sorted(self.instance.classes):
            for item in self.instance.restrictions(name):
                if self.line.is_ours(item) and self.line.purpose(item) is None:
                    self.notes.append(
                        f"the restriction class {name} asks at {self.line.server}, too; a stopped Gatepost "
                        f"stops its mail, unless it says {self.line.text(Purpose.ASK)}"
                    )

    def plan_list(self, parameter: str) -> None:
        """One list, wherever it is in force."""
        for home, users in self._homes(parameter).items():
            service = self.instance.master.find(home) if home else None
            gone = self.gone.get((parameter, home), ())
            if parameter in (RECIPIENT, DATA) or gone:
                self._refuse_two_meanings(parameter, home, users)
            if parameter in (RECIPIENT, DATA):
                self._change_list(parameter, service, partial(self._wanted, parameter, users, gone))
            else:
                self._change_list(parameter, service, partial(_without, gone, self.line))

    def _refuse_two_meanings(self, parameter: str, home: str, users: Iterable[Service]) -> None:
        """A list of main.cf with a $name that a service of strangers has a value of its own for."""
        read = self.instance.restrictions
        for service in users:
            if home or service not in self.instance.mx_services:
                continue
            if [i.same for i in read(parameter)] != [i.same for i in read(parameter, service)]:
                raise self.instance.unclear(
                    f"{parameter} comes to something else in {service.key}, which has another value for a "
                    "$name in it: write it out there (-o)",
                    parameter,
                )

    def _homes(self, parameter: str) -> dict[str, list[Service]]:
        """Where a list is written that counts for strangers or own users (empty: main.cf), and for whom."""
        instance = self.instance
        users = [*instance.mx_services, *filter(instance.is_submission, instance.smtp_services)]
        homes: dict[str, list[Service]] = {}
        for service in users:
            homes.setdefault(service.key if service.override(parameter) else "", []).append(service)
        return homes

    def _wanted(
        self, parameter: str, users: Sequence[Service], gone: Iterable[int], written: Written
    ) -> Wanted:
        strangers = [service for service in users if service in self.instance.mx_services]
        gone = [*gone]
        if parameter == DATA:
            if not strangers:
                return Wanted([Target(n) for n in range(len(written.items)) if n not in gone])
            return data_list(
                written.items, self.line, others_let_in=self._others_let_in(strangers), gone=gone
            )
        relays = [self.instance.restrictions(RELAY, service) for service in strangers]
        if len({tuple(item.same for item in relay) for relay in relays}) > 1:
            raise ConfError(
                f"{', '.join(s.key for s in strangers)} share {RECIPIENT}, but not {RELAY}: write out for "
                "each in master.cf who may relay"
            )
        return recipient_list(
            written.items,
            self.line,
            relays[0] if relays else (),
            ask=bool(strangers),
            unlisted=all(self.instance.truth("smtpd_reject_unlisted_recipient", s) for s in strangers),
            gone=gone,
        )

    def _others_let_in(self, services: Sequence[Service]) -> bool:
        homes = {service.key if service.override(RECIPIENT) else "" for service in services}
        return any(lets_strangers_in(self.lists[RECIPIENT, home], self.line) for home in homes)

    def _change_list(
        self, parameter: str, service: Service | None, wanted: Callable[[Written], Wanted]
    ) -> None:
        """Bring one list, at one place, to what is wanted."""
        instance = self.instance
        raw = instance.raw(parameter, service) or ""
        try:
            written = listedit.read_list(raw, parameter, partial(instance.raw, service=service))
            wish = wanted(written)
            change = listedit.edit(written, wish.targets)
            self.lists[parameter, service.key if service else ""] = _items(written, wish.targets)
        except ConfError as error:
            raise error if error.file else instance.unclear(error.reason, parameter, service) from None
        self.notes += (note for note in wish.notes if note not in self.notes)
        if change is None:
            return
        for item in unknown(written.items, instance.classes):
            reason = f'"{item.text}" is no restriction that Postfix knows'
            raise instance.unclear(reason, parameter, service)
        if "stress" in depends_on(raw, partial(instance.raw, service=service)):
            raise instance.unclear(f"{parameter} depends on the load ($stress)", parameter, service)
        self._write(parameter, service, written, change, wish.reasons)

    def _write(
        self,
        parameter: str,
        service: Service | None,
        written: Written,
        change: listedit.Edit,
        reasons: tuple[str, ...],
    ) -> None:
        entry = self.instance.main.find(parameter)
        after = listedit.one_line(written, change)
        if service is not None and (override := service.override(parameter)):
            self.master.append(override_splice(self.instance, override, after))
        elif entry is not None:
            self.main += listedit.in_place(self.instance.main.source.text, entry.places, written, change)
        else:
            parts = [word.text for word in written.words]
            items = [text for number in range(len(parts) + 1) for text in change.before.get(number, [])]
            assert not parts, "a list that is not set has no words"
            self.added.append(f"{parameter} =\n" + "".join(f"{listedit.INDENT}{item}\n" for item in items))
        before = self.instance.raw(parameter, service)
        self.settings.append(SettingChange(parameter, service.key if service else "", before, after, reasons))

    # --- other settings ---

    def require_helo(self) -> None:
        """`smtpd_helo_required = yes`, where strangers come in."""
        name = "smtpd_helo_required"
        lax = [s for s in self.instance.mx_services if not self.instance.truth(name, s)]
        for service in lax:
            if override := service.override(name):
                self.master.append(override_splice(self.instance, override, "yes"))
                self.settings.append(
                    SettingChange(name, service.key, override.value, "yes", (HELO_REQUIRED,))
                )
        if any(not service.override(name) for service in lax):
            self._set(name, "yes", HELO_REQUIRED)

    def _set(self, parameter: str, value: str, reason: str) -> None:
        entry = self.instance.main.find(parameter)
        if entry is None:
            self.added.append(f"{parameter} = {value}\n")
        else:
            self.main.append(_value_splice(entry, value))
        self.settings.append(SettingChange(parameter, "", entry.value if entry else None, value, (reason,)))

    def shield_internal(self) -> None:
        """Services that only this machine reaches keep the lists that they had from main.cf."""
        changed = [s.parameter for s in self.settings if not s.service and s.parameter in LISTS]
        for service in self.instance.smtp_services:
            if service in self.instance.mx_services or self.instance.is_submission(service):
                continue
            inherits = [parameter for parameter in changed if not service.override(parameter)]
            if not self.instance.is_internal(service):
                self.notes += (
                    f"{service.key} uses {parameter} of main.cf, so that it asks Gatepost, too"
                    for parameter in inherits
                    if parameter == RECIPIENT
                )
                continue
            for parameter in inherits:
                before = self.instance.raw(parameter) or ""
                value = " ".join(before.split())
                self.overrides.setdefault(service.key, []).append(setting_text(parameter, value))
                self.settings.append(SettingChange(parameter, service.key, None, value, (STAYS,)))

    # --- the result ---

    def main_text(self) -> str:
        """main.cf with all changes."""
        text = spliced(self.instance.main.source.text, self.main)
        if not self.added:
            return text
        newline = "" if text.endswith("\n") or not text else "\n"
        heading = "" if HEADING in text else f"\n{HEADING}\n"
        return "".join((text, newline, heading, *self.added))

    def master_text(self) -> str:
        """master.cf with all changes."""
        splices = list(self.master)
        for key, settings in self.overrides.items():
            service = self.instance.master.find(key)
            assert service is not None, "it was found there"
            splices.append(Splice(service.end, service.end, "".join(f"\n  -o {one}" for one in settings)))
        return spliced(self.instance.master.source.text, splices)


def _without(gone: Iterable[int], line: OurLine, written: Written) -> Wanted:
    """A list without what is taken over, and without lines to our place that would stop mail with us."""
    taken = set(gone)
    bare = {n for n, item in enumerate(written.items) if line.is_ours(item) and line.purpose(item) is None}
    reasons = [reason for reason, numbers in ((TAKEN, taken - bare), (ELSEWHERE, bare)) if numbers]
    targets = [Target(n) for n in range(len(written.items)) if n not in taken | bare]
    return Wanted(targets, tuple(reasons))


def _items(written: Written, targets: Iterable[Target]) -> list[Item]:
    """The list as it will be."""
    items: list[Item] = []
    for target in targets:
        if target.old is not None:
            items.append(written.items[target.old])
        else:
            items += split_items(target.text, written.parameter)
    return items


def _value_splice(entry: Entry, value: str) -> Splice:
    blank = "" if entry.value else " "
    return Splice(entry.places[0], entry.places[-1], f"{blank}{value}")


def override_splice(instance: Instance, override: Override, value: str) -> Splice:
    """Another value for a setting of one service.

    Raises:
        ConfError: a comment stands amid it, and would be lost.
    """
    source = instance.master.source.text
    rows = source[override.start : override.end].split("\n")
    if any(row.strip(BLANKS).startswith("#") for row in rows):
        raise ConfError("a comment stands amid this setting", override.line, instance.master_file)
    apart = "" if source[override.start - 1] in BLANKS else " "  # -oname=value
    return Splice(override.start, override.end, f"{apart}{setting_text(override.name, value)}")


def setting_text(parameter: str, value: str) -> str:
    """A setting as an argument of `-o`."""
    plain = not set(value) & set(" \t,{}")
    return f"{parameter}={value}" if plain else f"{{ {parameter} = {value} }}"
