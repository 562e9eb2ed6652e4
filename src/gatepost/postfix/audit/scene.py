"""All that the topics which judge a configuration look at, as values. Pure."""

import msgspec

from gatepost.postfix.audit.jails import Jail
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import Source, line_number
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import Item
from gatepost.postfix.planning.ourline import OurLine


class File(msgspec.Struct, frozen=True):
    """A file as it lies there."""

    there: bool
    changed: float = 0.0
    """Seconds since 1970."""


class Listener(msgspec.Struct, frozen=True):
    """A TCP port that somebody listens at."""

    address: str
    port: int
    program: str = ""
    """`NAME (pid N)`; empty when it cannot be known."""


class Probe(msgspec.Struct, frozen=True):
    """What a live server said to a stranger who wanted mail relayed."""

    text: str
    relays: bool | None = None
    """None: it could not be tried, or proves nothing."""


class Bans(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was read about bans. What could not be read is empty or None."""

    mode: str = "off"
    """`enforce`, `observe` or `off`, as `[ban]` of our configuration says."""
    jails: tuple[Jail, ...] = ()
    """Those of fail2ban that are switched on and watch mail."""
    fail2ban: bool | None = None
    """Whether fail2ban runs."""
    daemon: bool | None = None
    """Whether `gatepost run` runs."""
    firewall: bool | None = None
    """Whether `gatepost firewall` runs."""
    unit: str = ""
    """Whether its service is started at boot: `enabled`, `disabled`, `not installed` and the like."""
    user: str = ""
    """Whom our daemon runs as."""
    read: tuple[str, ...] = ()
    """Logs, of those that it is to follow, that it can read."""
    unread: tuple[str, ...] = ()
    """Those that it cannot."""


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was read of the machine, beside the configuration. What could not be read is empty or None."""

    types: tuple[str, ...] = ()
    """Kinds of tables that this Postfix knows (`postconf -m`)."""
    files: dict[str, File] = {}
    """Tables' files, by path."""
    contents: dict[str, str] = {}
    """The text of access tables, by the table's name (`hash:/etc/postfix/access`)."""
    everything: tuple[str, ...] = ()
    """Tables that hold every name they are asked for."""
    networks: tuple[str, ...] | None = None
    """mynetworks with its tables and exclusions worked out; None: only what is written out is known."""
    interfaces: tuple[str, ...] = ()
    """Own addresses with their networks: `172.17.0.1/16`."""
    bridges: tuple[str, ...] = ()
    """Those of them that are on a bridge of containers (docker0)."""
    container: str = ""
    """By what one sees that this is a container; empty when it is none, or cannot be told."""
    clients: dict[str, int] = {}
    """How often each address connected lately, from the mail log."""
    log: str = ""
    """The file that says so."""
    listeners: tuple[Listener, ...] = ()
    sockets: dict[str, int | None] = {}
    """Permissions of unix sockets, by path; None: there is none."""
    listen: tuple[str, ...] = ()
    """Where Gatepost is told to listen for Postfix."""
    probes: tuple[Probe, ...] = ()
    bans: Bans = Bans()


class Scene(msgspec.Struct, frozen=True):
    """A Postfix and its machine."""

    instance: Instance
    line: OurLine
    """Where Gatepost answers."""
    facts: Facts

    def where(self, parameter: str, service: Service | None = None) -> str:
        """`file:line` of a setting, or that nobody set it."""
        file, line = self.instance.place(parameter, service)
        override = service.override(parameter) if service else None
        if override is not None:  # a service's settings go over many lines
            line = line_number(self.instance.master.source.text, override.start)
        return f"{file}:{line}" if line else f"{file} (default)"

    def item(self, parameter: str, item: Item, service: Service | None = None) -> str:
        """A restriction, and the line where it stands; of one that came by a `$name`, where its list does."""
        source: Source = self.instance.main.source
        places: tuple[int, ...] = ()
        raw = self.instance.raw(parameter, service) or ""
        override = service.override(parameter) if service else None
        entry = self.instance.main.find(parameter)
        if override is not None:
            source, places = self.instance.master.source, override.places
        elif entry is not None:
            places = entry.places
        shown = f"{parameter} has {' '.join(item.text.split())}"
        if item.start >= len(places) or not _plain(raw[item.start : item.end]).endswith(_plain(item.text)):
            return f"{self.where(parameter, service)}: {shown}"
        file = self.where(parameter, service).rpartition(":")[0]
        return f"{file}:{line_number(source.text, places[item.start])}: {shown}"

    def says(self, parameter: str, service: Service | None = None) -> str:
        """A setting, and where it stands, as evidence."""
        value = " ".join(self.instance.value(parameter, service).split())
        by = f"{service.key} has " if service and service.override(parameter) else ""
        return f"{self.where(parameter, service)}: {by}{parameter} = {_short(value)}".rstrip()

    @property
    def outside(self) -> tuple[Service, ...]:
        """Every smtpd that strangers reach, also through something that stands before it on this machine."""
        instance = self.instance
        doors = instance.mx_services
        return tuple(s for s in instance.smtp_services if s in doors or not instance.is_internal(s))


LONGEST = 300
"""Characters of a value in evidence."""


def _plain(text: str) -> str:
    return " ".join(text.replace(",", " ").split())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
