"""Moving restrictions from Postfix into Gatepost, with the same meaning; what cannot move stays in force.

A restriction moves only when the exceptions before it in its list hold for
Gatepost too: own clients (never judged by us), access maps that we honour, and
in smtpd_recipient_restrictions whatever stands before our line anyway.

Pure. Raises ConfError for lists that cannot be read.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import Item, policy_of
from gatepost.postfix.planning.counterpart import Counterpart, counterpart
from gatepost.postfix.planning.draft import RECIPIENT, RELAY, Gone
from gatepost.postfix.planning.listedit import read_list
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.refusal import refuse_unclear
from gatepost.postfix.planning.wanted import OWN_CLIENTS, ends_list, is_closed
from gatepost.setting import Setting

LISTS = (
    "smtpd_client_restrictions",
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    RECIPIENT,
)
MAPS = {
    ("smtpd_helo_restrictions", "check_helo_access"): {"helo": "helo_access"},
    ("smtpd_client_restrictions", "check_client_access"): {
        "lists": "rbl_override",
        "ptr": "client_override",
    },
}
"""Our option for an access map, by the family of what it excepts from, by list and restriction. A later one
excepts from all before it, too."""


class Moved(msgspec.Struct, frozen=True):
    """A restriction that moves."""

    old: str
    parameter: str
    home: str
    """The service whose list it is (`name/type`); empty: main.cf."""
    number: int
    """Of the item in the list."""
    settings: tuple[Setting, ...]
    notes: tuple[str, ...] = ()
    stays: bool = False
    """It is needed in Postfix, too."""
    family: str = ""
    """Which exceptions concern it."""
    excepts: tuple[str, ...] = ()
    """Families that an access map excepts from in Gatepost."""

    def before(self, other: "Moved") -> bool:
        """Whether it stands in the same list, and comes first."""
        return (self.parameter, self.home) == (other.parameter, other.home) and self.number < other.number

    @property
    def where(self) -> str:
        """The list, for people."""
        return f"{self.parameter} of {self.home}" if self.home else self.parameter


class Left(msgspec.Struct, frozen=True):
    """A restriction that stays in Postfix though Gatepost does such things."""

    old: str
    where: str
    reason: str


class Takeover(msgspec.Struct, frozen=True):
    """Old and new, side by side."""

    moved: tuple[Moved, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    """What differs for all of them."""

    @property
    def gone(self) -> Gone:
        """What leaves Postfix."""
        found: dict[tuple[str, str], list[int]] = {}
        for one in self.moved:
            if not one.stays:
                found.setdefault((one.parameter, one.home), []).append(one.number)
        return found

    @property
    def settings(self) -> list[Setting]:
        """All that is to be said in our configuration, once; what was looked up in one list together."""
        found: list[Setting] = []
        for setting in (s for moved in self.moved for s in moved.settings):
            _merge(found, setting)
        return found


def _same(one: Setting, other: Setting) -> bool:
    """Whether both are about one thing."""
    if isinstance(one.value, dict) and isinstance(other.value, dict):
        return one.path == other.path and one.value.get("zone") == other.value.get("zone")
    return one.path == other.path and "append" not in (one.how, other.how)


class Known(msgspec.Struct, frozen=True):
    """What only the machine can tell."""

    honours: Callable[[str, str], str]
    """Why an access map cannot be honoured under an option of `[access]`; empty when it can."""
    is_postgrey: Callable[[str], bool]
    """Whether postgrey answers at a place."""
    kept: tuple[tuple[Setting, str], ...] = ()
    """Settings that our configuration says otherwise already, and what it says."""

    def says_otherwise(self, settings: Sequence[Setting]) -> str:
        """Why these cannot be said; empty when they can."""
        found = (text for one in settings for other, text in self.kept if _same(one, other))
        return next((f"our configuration is {text}" for text in found), "")


def take_over(instance: Instance, line: OurLine, known: Known) -> Takeover:
    """What Gatepost can do instead of Postfix.

    Raises:
        ConfError: the configuration cannot be understood safely; with file, line and reason.
    """
    refuse_unclear(instance, line)
    moved: list[Moved] = []
    left: list[Left] = []
    for parameter in LISTS:
        homes = {s.key if s.override(parameter) else "" for s in instance.mx_services}
        for home in sorted(homes):
            service = instance.master.find(home) if home else None
            walk = _Walk(instance, parameter, service, line, known, tuple(moved))
            if len(homes) > 1:
                left += walk.all_stay("the services at port 25 have different lists, and Gatepost has one")
                continue
            if unasked := _unasked(instance, line, parameter, home):
                left += walk.all_stay(f"{unasked} needs it: Gatepost is not asked about its strangers' mail")
                continue
            walk.walk()
            moved += walk.moved
            left += walk.left
    moved = [*map(partial(_with_breadth, moved), moved)]
    return Takeover(tuple(moved), tuple(left), tuple(_differences(instance, moved)))


def _with_breadth(moved: Sequence[Moved], one: Moved) -> Moved:
    """An exception that holds for more in Gatepost than in Postfix says so."""
    wider = [other.old for other in moved if other.family in one.excepts and not one.before(other)]
    if not wider:
        return one
    note = f"what it allows is excepted from {', '.join(dict.fromkeys(wider))} as well"
    return msgspec.structs.replace(one, notes=(*one.notes, note))


def _unasked(instance: Instance, line: OurLine, parameter: str, home: str) -> str:
    """A service that uses this list, and lets strangers in without asking Gatepost; empty when none does."""
    asking = {s.key if s.override(RECIPIENT) else "" for s in instance.mx_services}
    for service in instance.smtp_services:
        strange = service in instance.mx_services or not instance.is_internal(service)
        if not strange or home != (service.key if service.override(parameter) else ""):
            continue
        items = instance.restrictions(RECIPIENT, service)
        asked = not is_closed(items) or any(map(line.asks, items))
        asked = asked and (service.key if service.override(RECIPIENT) else "") in asking
        if not asked and not any(map(_shuts_out, _lists_of(instance, service))):
            return service.key
    return ""


def _lists_of(instance: Instance, service: Service) -> Iterator[list[Item]]:
    """The lists that can keep strangers out of a service."""
    for parameter in (*LISTS, RELAY):
        yield instance.restrictions(parameter, service)


def _shuts_out(items: Sequence[Item]) -> bool:
    """Whether the list refuses every stranger."""
    end = next((n for n, item in enumerate(items) if ends_list(item)), len(items))
    return is_closed(items) and not any(map(_is_exception, items[:end]))


def _differences(instance: Instance, moved: Sequence[Moved]) -> Iterator[str]:
    if not moved:
        return
    yield "A question to the DNS that fails refuses nobody any more."
    if any(not one.where.startswith(RECIPIENT) for one in moved):
        items = (item for s in instance.mx_services for item in instance.restrictions(RECIPIENT, s))
        for text in dict.fromkeys(item.text for item in items if _is_exception(item)):
            yield f"What {text} in {RECIPIENT} lets in is not asked about, whatever list forbade it."


def _is_exception(item: Item) -> bool:
    """Whether it lets in some strangers' mail; a policy service is trusted not to."""
    if item.name in (*OWN_CLIENTS, "check_policy_service") or ends_list(item):
        return False
    return item.can_permit


class _Walk:
    """Goes through one list from left to right."""

    def __init__(
        self,
        instance: Instance,
        parameter: str,
        service: Service | None,
        line: OurLine,
        known: Known,
        others: Sequence[Moved],
    ) -> None:
        self.others = others
        """What moves from other lists."""
        self.instance = instance
        self.parameter = parameter
        self.service = service
        self.line = line
        self.known = known
        raw = instance.raw(parameter, service) or ""
        self.items = read_list(raw, parameter, partial(instance.raw, service=service)).items
        self.moved: list[Moved] = []
        self.left: list[Left] = []
        self.gone: dict[int, str] = {}
        """Items that leave Postfix, and their family."""
        self.where = f"{parameter} of {service.key}" if service else parameter

    def candidates(self) -> Iterator[tuple[int, Item, Counterpart | str]]:
        """Restrictions that Gatepost does too, up to the end of the list."""
        value = partial(self.instance.value, service=self.service)
        for number, item in enumerate(self.items):
            if ends_list(item):
                return
            if self.line.is_ours(item) and "{" in item.argument:
                continue
            found = counterpart(item, value, is_postgrey=self._is_postgrey)
            if found is not None:
                yield number, item, found

    def _is_postgrey(self, argument: str) -> bool:
        item = Item("check_policy_service", argument, argument, 0, 0)
        return self.known.is_postgrey(policy_of(item).server)

    def all_stay(self, reason: str) -> list[Left]:
        """Nothing of the list moves."""
        return [Left(item.text, self.where, reason) for _, item, _ in self.candidates()]

    def walk(self) -> None:
        """Decide for each candidate, then for the access maps before those that moved."""
        for number, item, found in self.candidates():
            reason = found if isinstance(found, str) else self._obstacle(number, found)
            if reason or isinstance(found, str):
                self.left.append(Left(item.text, self.where, reason))
            else:
                notes = (*found.notes, *self._notes(number))
                self._move(number, found.settings, notes, family=found.family)
                self.gone[number] = found.family
        if self.gone:
            self._move_maps()

    def _obstacle(self, number: int, found: Counterpart) -> str:
        """Why a restriction must stay where it is; empty when it may move."""
        if conflict := self.known.says_otherwise(found.settings) or self._conflict(found.settings):
            return conflict
        if self.line.is_ours(self.items[number]):
            return ""  # ours takes its place in any case
        if self.parameter == RECIPIENT:
            later = next(filter(_is_exception, self.items[number + 1 :]), None)
            return f"{later.text} after it would let in, unasked, what it refuses now" if later else ""
        for item in self.items[:number]:
            if _is_exception(item) and (reason := self._not_carried(item, found.family)):
                return reason
        return ""

    def _conflict(self, settings: Sequence[Setting]) -> str:
        """Why a list cannot move beside those that move already; empty when it can."""
        moving = [s for one in (*self.others, *self.moved) for s in one.settings if isinstance(s.value, dict)]
        for new, old in ((s, o) for s in settings for o in moving if _same(s, o)):
            if new.value.get("answers") != old.value.get("answers"):
                return f"{old.comment} counts other answers, and Gatepost asks a list once"
        return ""

    def _not_carried(self, item: Item, family: str) -> str:
        option = self._options(item).get(family)
        if option is None:
            return f"{item.text} before it excepts clients from it, and would not do so in Gatepost"
        settings = self._map_settings(item, option)
        return self.known.says_otherwise(settings) or self.known.honours(option, item.argument)

    def _map_settings(self, item: Item, option: str) -> tuple[Setting, ...]:
        """The settings that an access map becomes."""
        setting = Setting(("access", option), item.argument, f"{item.text} in Postfix", how="append")
        parents = self.instance.value("parent_domain_matches_subdomains", self.service)
        if "smtpd_access_maps" in parents.replace(",", " ").split():
            return (setting,)
        exact = Setting(
            ("access", "parent_domain_matches"), False, "as parent_domain_matches_subdomains has it"
        )
        return setting, exact

    def _notes(self, number: int) -> Iterator[str]:
        before = {item.name for item in self.items[:number]}
        own = [who for name, who in OWN_CLIENTS.items() if name not in before]
        if own:
            yield f"it held for {' and '.join(own)}, too, whom Gatepost never refuses"

    def _options(self, item: Item) -> dict[str, str]:
        """Our options that an access map of this list can stand in, by family."""
        return {} if item.warns else MAPS.get((self.parameter, item.name), {})

    def _move_maps(self) -> None:
        """Access maps whose exceptions Gatepost needs; one that Postfix needs no more leaves it."""
        for number, item in enumerate(self.items):
            options = self._options(item)
            later = range(number + 1, len(self.items))
            needed = [option for family, option in options.items() if family in map(self.gone.get, later)]
            if not needed or self.known.honours(needed[-1], item.argument):
                continue
            still = [n for n in later if n not in self.gone and not self._is_idle(self.items[n])]
            stays = ("stays in Postfix, too, for what comes after it there",)
            notes = stays if still else tuple(self._notes(number))
            settings = self._map_settings(item, needed[-1])
            excepts = tuple(options)[: [*options.values()].index(needed[-1]) + 1]
            self._move(number, settings, notes, stays=bool(still), excepts=excepts)

    def _move(
        self,
        number: int,
        settings: tuple[Setting, ...],
        notes: tuple[str, ...],
        *,
        stays: bool = False,
        family: str = "",
        excepts: tuple[str, ...] = (),
    ) -> None:
        home = self.service.key if self.service else ""
        text = self.items[number].text
        self.moved.append(Moved(text, self.parameter, home, number, settings, notes, stays, family, excepts))

    def _is_idle(self, item: Item) -> bool:
        """Whether it refuses nobody, so that it needs no exception."""
        return item.name.startswith("permit")


def _merge(found: list[Setting], setting: Setting) -> None:
    """Add a setting; the same list looked up for two things is one list."""
    for number, other in enumerate(found):
        if other.path != setting.path:
            continue
        one, two = other.value, setting.value
        if isinstance(one, dict) and isinstance(two, dict) and one.get("zone") == two.get("zone"):
            looks_at = list(dict.fromkeys([*one.get("looks_at", []), *two.get("looks_at", [])]))
            value = {**one, "looks_at": looks_at} if looks_at else one
            found[number] = msgspec.structs.replace(other, value=value)
            return
        if setting.how != "append":
            if _strength(two) > _strength(one):
                found[number] = setting
            return
    if setting not in found:
        found.append(setting)


def _strength(worth: object) -> int:
    """A rule that two restrictions become is worth what the harder one says."""
    return {"reject": 2, "defer": 1}.get(str(worth), 0)
