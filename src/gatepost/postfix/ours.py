"""Reads what is ours from Postfix (`postconf`, `postmap`) and the interfaces.

Never raises: what cannot be read is None in the value, and a sentence says which
rules are off and what to do. `mydomain` is not taken for ours by itself: on a
rented server it is often the provider's.
"""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from gatepost.address import name_fault, normal_domain
from gatepost.clock import Clock
from gatepost.network import Address, Network, NetworkSet, is_public, parse_address, parse_network
from gatepost.options import Options
from gatepost.ours import DomainLookup, Ours
from gatepost.postfix import settings
from gatepost.postfix.program import Run, run_program
from gatepost.postfix.settings import Pattern, PatternKind
from gatepost.postfix.tables import Tables

POSTCONF_SECONDS = 10.0
MAX_FILE = 1_000_000
"""Octets read of a file that a list names."""

DOMAIN_LISTS = ("mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains")
PARAMETERS = (
    "myhostname",
    "smtp_helo_name",
    "mynetworks",
    "inet_interfaces",
    "proxy_interfaces",
    *DOMAIN_LISTS,
)

PROC = Path("/proc/self/net")
"""Where Linux lists the addresses of its interfaces."""

EVERYBODYS = frozenset({"localhost", "localdomain"})

_OFF = {
    "names": "helo.ours is off for our host names",
    "domains": "sender_domain.ours is off",
    "networks": "clients in our networks are checked like strangers",
}


class OursOptions(Options, frozen=True):
    """What belongs to this server. What is set here replaces what would be read from Postfix."""

    names: tuple[str, ...] = ()
    """Our own host names, which no stranger may give as his HELO name. Empty: `myhostname` and
    `smtp_helo_name` of Postfix."""
    domains: tuple[str, ...] = ()
    """Domains whose mail ends here or is relayed by us. Empty: `mydestination`, `virtual_mailbox_domains`,
    `virtual_alias_domains` and `relay_domains` of Postfix; their tables are asked through postmap."""
    networks: tuple[str, ...] = ()
    """Networks whose clients are never checked. Empty: `mynetworks` of Postfix."""
    addresses: tuple[str, ...] = ()
    """Our own addresses, which no stranger may give as his HELO name. Empty: `inet_interfaces` and
    `proxy_interfaces` of Postfix; where that is `all`, or Postfix is not read, those of all interfaces."""
    postfix_config_dir: str = ""
    """Folder of main.cf. Empty: where postconf looks by itself."""
    read_postfix: bool = True
    """Whether Postfix's settings are read at all."""

    def __post_init__(self) -> None:
        for text in self.networks:
            if parse_network(text) is None:
                raise ValueError(
                    f'"{text}" is no network; write for example "192.0.2.0/24" or "2001:db8::/32"'
                )
        for text in self.addresses:
            if parse_address(text) is None:
                raise ValueError(f'"{text}" is no address; write for example "192.0.2.1" or "2001:db8::1"')
        for name in (*self.names, *self.domains):
            if name_fault(name):
                raise ValueError(f'"{name}" is no name: {name_fault(name)}')


async def read_ours(options: OursOptions, clock: Clock, run: Run = run_program, proc: Path = PROC) -> Ours:
    """What is ours, now. `run` starts programs; `proc` is where Linux lists its addresses."""
    missing: list[str] = []
    parameters = await _parameters(options, run, missing)
    names, networks = options.names or None, _network_set(options.networks)
    domains: Sequence[str] | None = options.domains or None
    lookup = None
    if parameters is not None:
        names = names or _names(parameters)
        if networks is None:
            networks = await _networks(parameters["mynetworks"], options, run, missing)
        if domains is None:
            domains, lookup = await _domains(parameters, options, clock, run, missing)
    return Ours(
        names=names,
        domains=domains,
        networks=networks,
        addresses=await _addresses(options, parameters, proc),
        lookup=lookup,
        missing=missing,
    )


async def _parameters(options: OursOptions, run: Run, missing: list[str]) -> dict[str, str] | None:
    """What postconf says; None when it is not wanted, not needed or does not answer."""
    unset = [part for part in _OFF if not getattr(options, part)]
    if not unset and options.addresses:
        return None
    why = "read_postfix is off"
    if options.read_postfix:
        config = ["-c", options.postfix_config_dir] if options.postfix_config_dir else []
        ran = await run(["postconf", *config, "-x", *PARAMETERS], POSTCONF_SECONDS)
        found = settings.parse_parameters(ran.out)
        if ran.code == 0 and all(name in found for name in PARAMETERS):
            return found
        why = (ran.err.strip().splitlines() or ["postconf did not say all that was asked"])[-1]
    missing += (
        f"our own {part} are not known ({why}): {_OFF[part]}; set [ours] {part}, or let Gatepost run postconf"
        for part in unset
    )
    return None


def _names(parameters: dict[str, str]) -> tuple[str, ...]:
    words = (parameters["myhostname"], parameters["smtp_helo_name"], *_interfaces(parameters))
    return tuple(word for word in words if "." in word and not name_fault(word))


def _interfaces(parameters: dict[str, str]) -> list[str]:
    """Elements of inet_interfaces and proxy_interfaces, IPv6 without its brackets."""
    words = settings.split_list(f"{parameters['inet_interfaces']} {parameters['proxy_interfaces']}")
    return [word.strip("[]") for word in words]


async def _addresses(options: OursOptions, parameters: dict[str, str] | None, proc: Path) -> list[Address]:
    """Own addresses: as configured, else those Postfix listens on, else those of all interfaces."""
    words = list(options.addresses) or (_interfaces(parameters) if parameters else ["all"])
    found = [address for word in words if (address := parse_address(word))]
    if "all" in words:
        found += await asyncio.to_thread(interface_addresses, proc)
    return found


def _network_set(texts: Iterable[str]) -> NetworkSet | None:
    networks = [network for text in texts if (network := parse_network(text))]
    return NetworkSet(networks) if networks else None


# --- mynetworks ---------------------------------------------------------------------------------------


async def _networks(text: str, options: OursOptions, run: Run, missing: list[str]) -> NetworkSet:
    patterns = await asyncio.to_thread(settings.expand, text, _read_file)
    tables = {p.text for p in patterns if p.kind is PatternKind.TABLE}
    found = {table: await _networks_in_table(table, options, run) for table in sorted(tables)}
    read = settings.networks_of(patterns, found.__getitem__)
    missing += (
        f"{pattern} in mynetworks cannot be read: its clients are checked like strangers; "
        "set [ours] networks to spare them"
        for pattern in read.unread
    )
    return NetworkSet(read.networks)


async def _networks_in_table(table: str, options: OursOptions, run: Run) -> Sequence[Network] | None:
    """A cidr table is a file to be read; of others that can list their keys, the keys."""
    kind, _, path = table.partition(":")
    if kind == "cidr":
        text = await asyncio.to_thread(_read_file, path)
        return None if text is None else settings.parse_cidr_table(text)
    config = ["-c", options.postfix_config_dir] if options.postfix_config_dir else []
    ran = await run(["postmap", *config, "-s", table], POSTCONF_SECONDS)
    return settings.parse_table_keys(ran.out) if ran.code == 0 else None


# --- domains ------------------------------------------------------------------------------------------


async def _domains(
    parameters: dict[str, str], options: OursOptions, clock: Clock, run: Run, missing: list[str]
) -> tuple[tuple[str, ...], DomainLookup | None]:
    """Domains that are written out, and how to ask for those in tables."""
    names: list[str] = []
    tables: list[str] = []
    for parameter in DOMAIN_LISTS:
        patterns = await asyncio.to_thread(settings.expand, parameters[parameter], _read_file)
        names += _written_out(patterns)
        tables += (p.text for p in patterns if p.kind is PatternKind.TABLE and not p.excludes)
        missing += (
            f"{p.text} in {parameter} cannot be read: helo.ours and sender_domain.ours are off for its "
            "domains; let Gatepost read it, or set [ours] domains"
            for p in patterns
            if p.kind is PatternKind.FILE
        )
    asked = Tables(tuple(dict.fromkeys(tables)), options.postfix_config_dir, clock, run)
    missing += await asked.probe()
    return tuple(dict.fromkeys(names)), asked.holds if tables else None


def _written_out(patterns: Iterable[Pattern]) -> list[str]:
    """Names that no earlier `!name` excludes.

    Patterns for sub-domains (`.example.org`) are left out, and so are the names
    that every machine has (`localhost.localdomain`).
    """
    excluded: set[str] = set()
    names = []
    for pattern in patterns:
        name = normal_domain(pattern.text)
        if pattern.kind is not PatternKind.NAME or name_fault(name) or name.rpartition(".")[2] in EVERYBODYS:
            continue
        if pattern.excludes:
            excluded.add(name)
        elif name not in excluded:
            names.append(name)
    return names


# --- files --------------------------------------------------------------------------------------------


def _read_file(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_FILE).decode(errors="backslashreplace")
    except (OSError, ValueError):
        return None


def interface_addresses(proc: Path = PROC) -> list[Address]:
    """Addresses of our interfaces; where there is no such list, none."""
    v4 = _read_file(str(proc / "fib_trie")) or ""
    v6 = _read_file(str(proc / "if_inet6")) or ""
    return settings.parse_fib_trie(v4) + settings.parse_if_inet6(v6)


def machine_addresses(proc: Path = PROC) -> list[Address]:
    """Addresses of our interfaces, and of gateways in private networks.

    Where a container's ports are published, all strangers may seem to come from its gateway. A
    provider's router is a stranger like any other.
    """
    v4 = settings.parse_route(_read_file(str(proc / "route")) or "")
    v6 = settings.parse_ipv6_route(_read_file(str(proc / "ipv6_route")) or "")
    inside = (address for address in (*v4, *v6) if not is_public(address))
    return list(dict.fromkeys([*interface_addresses(proc), *inside]))
