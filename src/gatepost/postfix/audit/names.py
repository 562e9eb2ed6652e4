"""Reads what is ours in the DNS: names, domains, addresses, and the keys that mail is signed with.

Starts postconf's sister postmap, and openssl, which tells a key's public half;
no private key is kept. Raises nothing, except when cancelled.
"""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from gatepost.address import name_fault, normal_domain
from gatepost.dnslist.lists import List
from gatepost.network import Address, is_public, parse_address
from gatepost.ours import Ours
from gatepost.postfix import settings
from gatepost.postfix.audit.own import Own, SigningKey
from gatepost.postfix.audit.signers import KeyFile, signers
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.ours import DOMAIN_LISTS
from gatepost.postfix.program import Run
from gatepost.postfix.settings import PatternKind, ReadFile

SECONDS = 10.0
MAX_FILE = 1_000_000
"""Octets read of a file."""
MOST_DOMAINS = 1000
"""Domains taken of one table."""
LISTABLE = ("hash", "btree", "lmdb", "cdb", "dbm", "sdbm")
"""Tables whose keys `postmap -s` can list."""


async def read_own(
    instance: Instance, ours: Ours, lists: Sequence[List], run: Run, read: ReadFile | None = None
) -> Own:
    """Our side of the Internet; `read` gives the configurations of DKIM signers."""
    hostname = normal_domain(instance.value("myhostname"))
    helo = normal_domain(instance.value("smtp_helo_name")) or hostname
    listed = await _listed(instance, run)
    origin = normal_domain(await asyncio.to_thread(_origin, instance))
    domains = _worth_asking((*(ours.domains or ()), *listed, origin), {hostname, helo})
    made = await asyncio.to_thread(signers, read or read_file, domains)
    return Own(
        hostname=hostname,
        helo_name=helo,
        addresses=_sending(instance, ours),
        domains=domains,
        names=frozenset((hostname, helo, *(ours.names or ()))),
        signers=made.files,
        keys=tuple(await asyncio.gather(*(_key(one, run) for one in made.keys))),
        lists=tuple(lists),
    )


def _origin(instance: Instance) -> str:
    """The domain of mail from this machine; `/etc/mailname` is the file that holds it (postconf(5))."""
    value = instance.value("myorigin").strip()
    text = (read_file(value) or "") if value.startswith("/") else value
    return text.split("\n", 1)[0].strip()


def _sending(instance: Instance, ours: Ours) -> tuple[Address, ...]:
    """Public addresses that mail comes from: smtp_bind_address, else those of each IP version in use."""
    protocols = instance.value("inet_protocols").replace(",", " ").split()
    found: list[Address] = []
    for version, bound in ((4, "smtp_bind_address"), (6, "smtp_bind_address6")):
        if "all" in protocols or f"ipv{version}" in protocols:
            one = parse_address(instance.value(bound).strip().strip("[]"))
            own = sorted(a for a in ours.addresses if a.version == version)
            found += [one] if one is not None and is_public(one) else own
    return tuple(found)


def _worth_asking(names: Iterable[str], hosts: set[str]) -> tuple[str, ...]:
    """Domains without the names that only this machine has; a host's own name alone is better than none."""
    whole = sorted({name for name in names if "." in name and not name_fault(name)})
    real = [name for name in whole if not name.startswith("localhost.")]
    return tuple(name for name in real if name not in hosts) or tuple(real)


async def _listed(instance: Instance, run: Run) -> list[str]:
    """Domains in tables that can be listed."""
    found: list[str] = []
    for parameter in DOMAIN_LISTS:
        patterns = await asyncio.to_thread(settings.expand, instance.value(parameter), read_file)
        for pattern in patterns:
            if pattern.kind is PatternKind.TABLE and not pattern.excludes:
                found += (await _keys(pattern.text, instance.config_dir, run))[:MOST_DOMAINS]
    return found


async def _keys(table: str, config_dir: str, run: Run) -> list[str]:
    """The domains among the keys of a table; none when it cannot be listed."""
    kind, _, path = table.removeprefix("proxy:").partition(":")
    if kind == "texthash":
        text = await asyncio.to_thread(read_file, path) or ""
    elif kind in LISTABLE:
        text = (await run(["postmap", "-c", config_dir, "-s", f"{kind}:{path}"], SECONDS)).out
    else:
        return []
    keys = (line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#"))
    names = (normal_domain(key) for key in keys if "@" not in key and "." in key)
    return [name for name in names if not name_fault(name) and not parse_address(name)]


async def _key(key: KeyFile, run: Run) -> SigningKey:
    """A key with its public half, as openssl tells it."""
    ran = await run(["openssl", "pkey", "-in", key.path, "-pubout", "-passin", "pass:"], SECONDS)
    public = "".join(line for line in ran.out.splitlines() if not line.startswith("-"))
    algorithm = "ed25519" if public.startswith("MCowBQYDK2Vw") else "rsa"  # its frame has always these octets
    return SigningKey(key.domain, key.selector, key.where, public if ran.code == 0 else "", algorithm)


def read_file(path: str) -> str | None:
    """The beginning of a file; None when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_FILE).decode(errors="backslashreplace")
    except (OSError, ValueError):
        return None
