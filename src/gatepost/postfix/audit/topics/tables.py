"""Look-up tables in files: of a kind that this Postfix knows, there, and up to date."""

import re
from collections.abc import Iterator

import msgspec

from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service

ENDINGS = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "dbm": ".pag", "sdbm": ".pag"}
"""Tables that postmap makes of a source file, and how the result is called."""
PLAIN = ("texthash", "cidr", "regexp", "pcre")
"""Tables that are read as they are."""
SERVED = ("mysql", "pgsql", "ldap", "sqlite")
"""Tables in databases; the file says how they are asked."""
BERKELEY = ("hash", "btree")
PACKAGED = ("cdb", "ldap", "lmdb", "mysql", "pcre", "pgsql", "sqlite")
"""Kinds that Debian and Ubuntu have in packages of their own."""
_TABLE = re.compile(
    rf"(?:^|[\s,{{=:!])(?P<kind>{'|'.join((*ENDINGS, *PLAIN, *SERVED))}):(?P<path>/[^\s,{{}}]+)", re.ASCII
)
BUILT_IN = ("alias_maps", "alias_database")
"""Defaults that name a file."""
MOST = 500

NO_TYPE = Fault(
    "tables.no_type",
    Severity.SERIOUS,
    "A table of a kind that this Postfix does not know",
    "Postfix answers `451 4.3.5` wherever it is asked, or does not start. Distributions take Berkeley DB "
    "(hash:, btree:) out of Postfix.",
    "Write lmdb: instead, and make the table anew.",
)
MISSING = Fault(
    "tables.missing",
    Severity.SERIOUS,
    "A table's file is missing",
    "Postfix answers `451 4.3.5` wherever the table is asked: that mail waits, and comes back in the end.",
    "Make it with postmap, or take the table out.",
)
STALE = Fault(
    "tables.stale",
    Severity.WARNING,
    "A table is older than its source",
    "What was changed in the source is not in force until postmap is run.",
    "Run postmap.",
)
FAULTS = (NO_TYPE, MISSING, STALE)


class Table(msgspec.Struct, frozen=True):
    """A table that a setting names."""

    kind: str
    path: str
    place: str
    """The setting and where it stands."""
    parameter: str

    @property
    def made(self) -> str:
        """The file that Postfix reads."""
        return self.path + ENDINGS.get(self.kind, "")


def tables(scene: Scene) -> list[Table]:
    """Every table in files that some setting names, each once."""
    found: dict[tuple[str, str], Table] = {}
    names = dict.fromkeys((*(entry.name for entry in scene.instance.main.entries), *BUILT_IN))
    for name in names:
        for table in _tables(scene, name, None):
            found.setdefault((table.kind, table.path), table)
    for service in scene.instance.master.services:
        for override in service.overrides:
            for table in _tables(scene, override.name, service):
                found.setdefault((table.kind, table.path), table)
    return list(found.values())[:MOST]


def _tables(scene: Scene, name: str, service: Service | None) -> Iterator[Table]:
    place = f"{scene.where(name, service)}: {name} has"
    for match in _TABLE.finditer(scene.instance.value(name, service)):
        yield Table(match["kind"], match["path"], f"{place} {match['kind']}:{match['path']}", name)


def look(scene: Scene) -> Iterator[Finding]:
    """Every table."""
    known = scene.facts.types
    for table in tables(scene):
        if known and table.kind not in known:
            seen = f"{table.place}; postconf -m knows {', '.join(known)}"
            yield NO_TYPE.found(seen, _other_kind(scene, table))
        else:
            yield from _file(scene, table)


def _other_kind(scene: Scene, table: Table) -> str:
    """How to do without a kind of table, or get it."""
    if table.kind in PACKAGED:
        return f"apt-get install postfix-{table.kind}"
    if "lmdb" not in scene.facts.types:
        return f"Write texthash:{table.path} instead."
    return f"Write lmdb:{table.path} instead, and then:\n{_command(scene, table, 'lmdb')}"


def _file(scene: Scene, table: Table) -> Iterator[Finding]:
    made, source = (scene.facts.files.get(path) for path in (table.made, table.path))
    if made is None:
        return
    if not made.there:
        is_default = scene.instance.main.find(table.parameter) is None and "/dev/" not in table.place
        if is_default and source is not None and not source.there:
            return  # nobody asked for it, and nobody made it
        yield MISSING.found(f"{table.place}; there is no {table.made}", _command(scene, table, table.kind))
    elif source is not None and source.there and source.changed > made.changed and table.kind in ENDINGS:
        yield STALE.found(f"{table.place}; {table.path} is newer", _command(scene, table, table.kind))


def _command(scene: Scene, table: Table, kind: str) -> str:
    if table.parameter.startswith("alias_"):
        return "newaliases"
    if kind in (*PLAIN, *SERVED):
        return f"touch {table.path}"
    return f"postmap -c {scene.instance.config_dir} {kind}:{table.path}"
