"""Reads what the audit has to know of the machine: tables' files, sockets, interfaces, the mail log.

Everything is bounded, and nothing raises, except when cancelled: what cannot
be read is empty in the value, and nothing is concluded from it.
"""

import asyncio
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from gatepost.ours import Ours
from gatepost.postfix import settings
from gatepost.postfix.audit import machine
from gatepost.postfix.audit.names import read_file
from gatepost.postfix.audit.restricted import flat
from gatepost.postfix.audit.scene import Facts, File, Listener, Scene
from gatepost.postfix.audit.topics import patterns
from gatepost.postfix.audit.topics.sockets import asked, candidates
from gatepost.postfix.audit.topics.tables import tables
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.restrictions import LISTS, TABLES
from gatepost.postfix.ours import DOMAIN_LISTS
from gatepost.postfix.planning.ourline import OurLine, port_of
from gatepost.postfix.program import Run
from gatepost.postfix.settings import PatternKind
from gatepost.postfix.tables import PROBE, answer_of

SECONDS = 10.0
LOG_OCTETS = 1_000_000
"""Of the end of the mail log."""
LOGS = ("/var/log/mail.log", "/var/log/maillog")
MOST_TABLES = 50
"""Access tables that are read, and domain tables that are asked."""
READABLE = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash", "cidr", "regexp", "pcre")
SIGNS = ("/.dockerenv", "/run/.containerenv")
"""Files that container engines put into every container."""


OwnerOf = Callable[[int], str]
"""Who listens at a port, `NAME (pid N)`; empty when it cannot be known."""


async def read_facts(
    instance: Instance, line: OurLine, ours: Ours, listen: Sequence[str], run: Run, owner: OwnerOf
) -> Facts:
    """What there is to know, now. `ours` is what Postfix says, `listen` where Gatepost is told to listen."""
    bare = Scene(instance, line, Facts())
    known, shown = await asyncio.gather(
        run(["postconf", "-c", instance.config_dir, "-m"], SECONDS),
        run(["ip", "-o", "address", "show"], SECONDS),
    )
    everything = await _everything(instance, run)
    log, clients = await asyncio.to_thread(_clients, instance)
    return Facts(
        types=tuple(known.out.split()) if known.code == 0 else (),
        files=await asyncio.to_thread(_files, bare),
        contents=await asyncio.to_thread(_contents, bare),
        everything=everything,
        networks=None if ours.networks is None else tuple(str(one) for one in ours.networks),
        interfaces=machine.interfaces(shown.out),
        bridges=machine.interfaces(shown.out, machine.BRIDGES),
        container=await asyncio.to_thread(_container),
        clients=clients,
        log=log,
        listeners=await asyncio.to_thread(_listeners, bare, owner),
        sockets=await asyncio.to_thread(_sockets, bare),
        listen=tuple(listen),
    )


async def _everything(instance: Instance, run: Run) -> tuple[str, ...]:
    """Tables in lists of domains that answer for a name that nobody can have."""
    found = []
    words = [word for name in DOMAIN_LISTS for word in _words(instance, name)]
    for table in list(dict.fromkeys(words))[:MOST_TABLES]:
        bare = table.removeprefix("proxy:")
        if answer_of(await run(["postmap", "-c", instance.config_dir, "-q", PROBE, bare], SECONDS)):
            found.append(table)
    return tuple(found)


def _words(instance: Instance, parameter: str) -> Iterator[str]:
    """Tables in a list of domains."""
    try:
        value = instance.value(parameter)
    except ConfError:
        return  # told by the topic that judges it
    for pattern in settings.expand(value, read_file):
        if pattern.kind is PatternKind.TABLE and not pattern.excludes:
            yield pattern.text


def _container() -> str:
    return next((f"there is {sign}" for sign in SIGNS if Path(sign).exists()), "")


# --- files --------------------------------------------------------------------------------------------


def _files(bare: Scene) -> dict[str, File]:
    try:
        paths = [path for table in tables(bare) for path in (table.path, table.made)]
        return {path: _file(path) for path in (*paths, *patterns.files(bare))}
    except ConfError:
        return {}  # told by the topic that judges it


def _file(path: str) -> File:
    try:
        return File(there=True, changed=Path(path).stat().st_mtime)
    except FileNotFoundError:
        return File(there=False)
    except (OSError, ValueError):
        return File(there=True)  # there may be one that we may not look at


def _contents(bare: Scene) -> dict[str, str]:
    """The source of every access table that a restriction asks."""
    found: dict[str, str] = {}
    for table in list(dict.fromkeys(_access_tables(bare)))[:MOST_TABLES]:
        kind, _, path = table.removeprefix("proxy:").partition(":")
        text = read_file(path) if kind in READABLE else None
        if text is not None:
            found[table] = text
    return found


def _access_tables(bare: Scene) -> Iterator[str]:
    for service in bare.instance.smtp_services:
        for parameter in LISTS:
            try:
                items = flat(bare, parameter, service)
            except ConfError:
                continue
            yield from (item.argument for item in items if item.name in TABLES)


# --- sockets ------------------------------------------------------------------------------------------


def _asked(bare: Scene) -> list[str]:
    try:
        return [server for server, _, _ in asked(bare)]
    except ConfError:
        return []


def _sockets(bare: Scene) -> dict[str, int | None]:
    paths = (server.removeprefix("unix:") for server in _asked(bare) if server.startswith("unix:"))
    return {place: _mode(place) for path in paths for place in candidates(bare, path)}


def _mode(path: str) -> int | None:
    try:
        return stat.S_IMODE(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return None


def _listeners(bare: Scene, owner: OwnerOf) -> tuple[Listener, ...]:
    """Who listens at a port where Postfix asks."""
    ports = {int(port) for server in _asked(bare) if (port := port_of(server.partition("@")[0])).isdigit()}
    texts = (read_file(name) or "" for name in ("/proc/net/tcp", "/proc/net/tcp6"))
    found: Iterable[Listener] = (one for text in texts for one in machine.listeners(text))
    return tuple(msgspec.structs.replace(one, program=owner(one.port)) for one in found if one.port in ports)


# --- the log ------------------------------------------------------------------------------------------


def _clients(instance: Instance) -> tuple[str, dict[str, int]]:
    """The mail log, and how often each address connected."""
    try:
        own = instance.value("maillog_file").strip()
    except ConfError:
        own = ""
    for path in (own,) if own else LOGS:
        try:
            with Path(path).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - LOG_OCTETS))
                return path, machine.connections(file.read(LOG_OCTETS).decode(errors="backslashreplace"))
        except (OSError, ValueError):
            continue
    return "", {}
