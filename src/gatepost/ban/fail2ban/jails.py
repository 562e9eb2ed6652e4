"""fail2ban's jails as they are in the end (jail.conf(5)): all files laid over each other. Pure.

Raises: FilterError, when the files as a whole cannot be read.
"""

from collections.abc import Mapping, Sequence

import msgspec

from gatepost.ban.fail2ban.interpolation import Interpolation
from gatepost.ban.fail2ban.layers import INCLUDES, Layers, Reader, read_layers
from gatepost.ban.fail2ban.trouble import FilterError

OPTIONS = (
    *("enabled", "filter", "port", "logpath", "backend", "maxretry", "findtime", "bantime", "ignoreip"),
    *("ignoreself", "ignorecommand", "usedns", "action", "banaction", "logencoding", "logtimezone"),
    *("failregex", "ignoreregex", "prefregex", "datepattern", "maxlines", "journalmatch"),
    *("bantime.increment", "bantime.factor", "bantime.formula", "bantime.multipliers", "bantime.maxtime"),
    *("bantime.rndtime", "bantime.overalljails"),
)
"""What a jail can say that means something for us, if only that it is not taken."""
YES = ("1", "yes", "true", "on")
DATABASE = "/var/lib/fail2ban/fail2ban.sqlite3"


class TheirJail(msgspec.Struct, frozen=True):
    """A jail that is switched on."""

    name: str
    options: Mapping[str, str]
    """Values by name, all names in them replaced; those that are not said are missing."""
    faults: tuple[str, ...] = ()
    """Options that cannot be read, with the reason."""

    def get(self, option: str, otherwise: str = "") -> str:
        """What it says."""
        return self.options.get(option, otherwise).strip()

    def is_on(self, option: str, *, otherwise: bool = False) -> bool:
        """Whether a truth is said."""
        value = self.get(option).lower()
        return value in YES if value else otherwise


class Jails(msgspec.Struct, frozen=True):
    """All jails that are switched on, and what holds for all."""

    jails: tuple[TheirJail, ...]
    defaults: TheirJail
    """What [DEFAULT] says."""


def jails_of(paths: Sequence[str], read: Reader, folder: str) -> Jails:
    """The jails that the files at `paths` make, the later over the earlier; `folder` is /etc/fail2ban."""
    layers = read_layers(paths, read)
    layers.defaults.setdefault("fail2ban_confpath", folder)
    layers.defaults.setdefault("fail2ban_version", "")
    names = [name for name in layers.sections if name != INCLUDES]
    layers.sections.setdefault(DEFAULT, {})
    switched_on = [jail for name in names if (jail := _jail(layers, name)).is_on("enabled")]
    return Jails(tuple(switched_on), _jail(layers, DEFAULT))


DEFAULT = "DEFAULT"


def _jail(layers: Layers, name: str) -> TheirJail:
    interpolation = Interpolation(layers, {})
    options, faults = {}, []
    for option in OPTIONS:
        try:
            value = interpolation.value(name, option)
        except FilterError as error:
            faults.append(str(error))
            continue
        if value is not None:
            options[option] = value
    return TheirJail(name, options, tuple(faults))


def database_of(paths: Sequence[str], read: Reader) -> str:
    """Where fail2ban.conf says that the database is; empty when it keeps none. Raises FilterError."""
    interpolation = Interpolation(read_layers(paths, read), {})
    value = interpolation.value("Definition", "dbfile")
    place = DATABASE if value is None else value.strip()
    return place if place.startswith("/") else ""
