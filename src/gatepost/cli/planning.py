"""What `gatepost postfix plan` and `apply` share: reading both configurations, and the plan for them."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gatepost.access.files import AccessFile, wanted_files
from gatepost.access.options import AccessOptions
from gatepost.cli.arguments import configured
from gatepost.cli.trouble import CommandError
from gatepost.config.edit import Edited, EditError, with_settings
from gatepost.config.load import parse
from gatepost.config.places import SYSTEM_CONFIG, here
from gatepost.config.problem import ConfigError
from gatepost.config.schema import Config
from gatepost.postfix.conf.instance import MX_PORTS, Instance
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.reading import ask_postconf, read_instance
from gatepost.postfix.conf.restrictions import POLICY, policy_of
from gatepost.postfix.planning.change import FileChange
from gatepost.postfix.planning.draft import RECIPIENT
from gatepost.postfix.planning.ourline import OurLine, normal_server, port_of
from gatepost.postfix.planning.plan import Plan, make_plan, unified
from gatepost.postfix.planning.takeover import Known, Takeover, take_over
from gatepost.server.owner import owner_of_port
from gatepost.server.place import Inet, Unix, place
from gatepost.setting import Setting

POSTGREY_PORTS = ("10023", "60000")
"""Where Debian and upstream let postgrey listen."""
EVERYWHERE = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that mean all of the machine, and the one to ask at."""


class Planned(msgspec.Struct, frozen=True):
    """A plan, and what it was made from."""

    instance: Instance
    line: OurLine
    plan: Plan
    takeover: Takeover
    owner: str
    """Who listens where Gatepost is to answer, `NAME (pid N)`; empty when nobody does or it is not known."""
    ours: FileChange | None = None
    """Our own configuration with what is taken over."""
    beside: str = ""
    """Where Postfix goes on asking postgrey, beside Gatepost; empty when it does not."""

    @property
    def probe_at(self) -> tuple[str, int] | None:
        """Host and port to probe where nobody listens at port 25; None where somebody does."""
        services = [s for s in self.instance.mx_services if s.type == "inet"]
        if not services or services[0].port in MX_PORTS or not services[0].port.isdigit():
            return None
        return services[0].host or "127.0.0.1", int(services[0].port)

    @property
    def changes(self) -> tuple[FileChange, ...]:
        """All files that change. Ours first: what Postfix does no more must be done by then."""
        return ((self.ours,) if self.ours else ()) + self.plan.changes

    @property
    def diff(self) -> str:
        """All changes as a unified diff."""
        return "".join(map(unified, self.changes))

    @property
    def postgrey_holds(self) -> bool:
        """Whether postgrey answers where Gatepost is to answer."""
        return self.owner.startswith("postgrey")


def config_folder(given: Path | None) -> str:
    """The folder of main.cf; the one that postconf finds by itself when none is given.

    Raises:
        CommandError: postconf cannot tell.
    """
    try:
        return str(given.absolute()) if given else ask_postconf("-h", "config_directory").strip()
    except ConfError as error:
        raise CommandError(str(error)) from None


def planned(config_dir: str, config_file: Path | None, *, take: bool, ban: bool = False) -> Planned:
    """The plan for the Postfix in a folder and our configuration.

    Args:
        config_dir: where main.cf is.
        config_file: our configuration; None: where it usually is.
        take: whether Gatepost takes over what it can do itself.
        ban: whether Postfix is to ask about bans before its greeting.

    Raises:
        CommandError: one of them cannot be understood safely.
    """
    config = configured(config_file)
    line = our_line(config)
    port = port_of(line.server)
    owner = owner_of_port(int(port)) if port.isdigit() else ""
    try:
        instance = read_instance(config_dir)
        takeover, ours = _taken_over(instance, line, config_file) if take else (Takeover(), None)
        plan = make_plan(instance, line, takeover.gone, ban=ban)
    except ConfError as error:
        raise CommandError([str(error), "Nothing was changed."]) from None
    beside = "" if take else _postgrey_beside(instance, line)
    return Planned(instance, line, plan, takeover, owner, ours, beside)


def _postgrey_beside(instance: Instance, line: OurLine) -> str:
    """Where a postgrey is asked that is not at our place."""
    known = _known(line)
    for service in instance.mx_services:
        for item in instance.restrictions(RECIPIENT, service):
            if item.name == POLICY and not line.is_ours(item):
                server = policy_of(item).server
                if known.is_postgrey(server):
                    return server
    return ""


def _taken_over(
    instance: Instance, line: OurLine, config_file: Path | None
) -> tuple[Takeover, FileChange | None]:
    """What moves, and our own configuration with it; what that says otherwise already does not move."""
    path = config_file or SYSTEM_CONFIG
    before = path.read_bytes() if path.exists() else None
    text = (before or b"").decode()
    known = _known(line)
    try:
        takeover = take_over(instance, line, known)
        edited = with_settings(text, takeover.settings)
        while kept := [pair for pair in _kept(edited) if pair not in known.kept]:
            known = msgspec.structs.replace(known, kept=(*known.kept, *kept))
            takeover = take_over(instance, line, known)  # anew: exceptions go with what they are from
            edited = with_settings(text, takeover.settings)
        parse(edited.text, str(path), {}, here())
    except EditError as error:
        raise CommandError([f"{path}: {error}", "Nothing was changed."]) from None
    except ConfigError as error:
        raise CommandError([f"what would be taken over makes no configuration: {error}"]) from None
    reasons = tuple(f"{one.where}: {one.old}" for one in takeover.moved)
    change = FileChange(str(path), before, edited.text.encode(), reasons)
    return takeover, None if edited.text == text else change


def _kept(edited: Edited) -> Iterator[tuple[Setting, str]]:
    """What our configuration says otherwise already, and what it says."""
    return ((one.setting, one.text) for one in edited.outcomes if not one.done)


def our_line(config: Config) -> OurLine:
    """Where Postfix is to ask: the first port that we listen at, else the first socket."""
    places = [place(text) for text in config.listen.policy]
    inet = next((one for one in places if isinstance(one, Inet)), None)
    if inet is not None:
        return OurLine(str(Inet(EVERYWHERE.get(inet.host, inet.host), inet.port)))
    unix = next((one for one in places if isinstance(one, Unix)), None)
    if unix is None:
        raise CommandError("[listen] policy names no place where Postfix could ask Gatepost")
    return OurLine(str(unix))


def _known(line: OurLine) -> Known:
    def is_postgrey(server: str) -> bool:
        if normal_server(server) == normal_server(line.server):
            return True  # a line without a default action of its own is as postgrey's users write it
        if "postgrey" in server:
            return True
        port = port_of(server)
        found = owner_of_port(int(port)) if port.isdigit() else ""
        return found.startswith("postgrey") or (not found and port in POSTGREY_PORTS)

    return Known(honours, is_postgrey)


def honours(option: str, table: str) -> str:
    """Why the access map `table` cannot be followed under an option of `[access]`; empty when it can."""
    (wanted,) = wanted_files(msgspec.structs.replace(AccessOptions(), **{option: (table,)}))
    file = AccessFile(wanted, time.time)
    file.refresh(at_once=True)
    if file.missing:
        return f"{wanted.path} {file.missing}"
    wrong = [f"{trouble.file}:{trouble.line}: {trouble.text}" for trouble in file.errors]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{wrong[0]}{more}" if wrong else ""
