"""Where a probe knocks, and whom it writes to: from what postconf says. Pure.

The door is what master.cf has on port 25 (master(5)): smtpd, or postscreen
before it.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gatepost.address import name_fault, normal_domain
from gatepost.network import Address, parse_address
from gatepost.postfix import settings

OUR_DOMAINS = ("mydestination", "virtual_mailbox_domains", "virtual_alias_domains", "relay_domains")
PARAMETERS = (
    "mail_version",
    "queue_directory",
    "inet_interfaces",
    "inet_protocols",
    "mynetworks",
    "myhostname",
    "smtpd_upstream_proxy_protocol",
    "postscreen_upstream_proxy_protocol",
    *OUR_DOMAINS,
)
PORT_25 = ("25", "smtp", "mail")
OUTSIDE = ("example.com", "example.net", "example.org", "gatepost-probe.test")
"""Domains that are nobody's (RFC 2606). The first that is not the server's own is written to."""
MOST = 8
"""Doors that are probed; a server with more has them all alike."""


class Target(msgspec.Struct, frozen=True):
    """One door of the server, and whom to write to there."""

    host: str
    port: int = 25
    recipient: str = "postmaster@localhost"
    """A local one, as RCPT TO has it."""
    domain: str = ""
    """One of the server's own, for addresses that hide another in their local part; "" when none is known."""
    outside: str = OUTSIDE[0]
    """A domain that is not the server's."""
    postscreen: bool = False
    proxied: bool = False
    """It expects the line of a HAProxy before anything else."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def targets(services: str, parameters: Mapping[str, str]) -> list[Target]:
    """The doors on port 25, as `postconf -M` and `postconf -x` tell them."""
    found: dict[tuple[str, int], Target] = {}
    for fields in _services(services):
        host, _, port = fields[0].rpartition(":")
        if fields[1] != "inet" or port not in PORT_25 or fields[7] not in ("smtpd", "postscreen"):
            continue
        for place in _hosts(host.strip("[]"), parameters):
            target = target_at(place, 25, parameters)
            target = msgspec.structs.replace(
                target, postscreen=fields[7] == "postscreen", proxied=_proxied(fields, parameters)
            )
            found.setdefault((place, 25), target)
    return list(found.values())[:MOST]


def target_at(host: str, port: int, parameters: Mapping[str, str]) -> Target:
    """A door at a place that somebody named."""
    domains = _domains(parameters)
    # Never without a domain: Postfix lets <postmaster> pass all restrictions.
    recipient = f"postmaster@{domains[0] if domains else parameters.get('myhostname') or 'localhost'}"
    outside = next((name for name in OUTSIDE if not _within(name, domains)), OUTSIDE[-1])
    return Target(host, port, recipient, domains[0] if domains else "", outside)


def _services(text: str) -> Iterable[Sequence[str]]:
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 8 and not line.startswith(("#", " ", "\t")):
            yield fields


def _hosts(host: str, parameters: Mapping[str, str]) -> list[str]:
    """Addresses to connect to: as the service says, else the first of inet_interfaces, else loopback."""
    if address := parse_address(host):
        return [str(_reachable(address))]
    words = settings.split_list(parameters.get("inet_interfaces", "all"))
    listed = [address for word in words if (address := parse_address(word.strip("[]")))]
    if listed and not host:
        return [str(address) for address in listed]
    only_v6 = parameters.get("inet_protocols", "all").strip() == "ipv6"
    return ["::1" if only_v6 else "127.0.0.1"]


def _reachable(address: Address) -> Address | str:
    """The wildcard address is listened on, and not connected to."""
    if not address.is_unspecified:
        return address
    return "::1" if address.version == 6 else "127.0.0.1"


def _proxied(fields: Sequence[str], parameters: Mapping[str, str]) -> bool:
    name = f"{fields[7]}_upstream_proxy_protocol"
    given = [word.partition("=")[2] for word in fields[8:] if word.startswith(f"{name}=")]
    return (given[-1] if given else parameters.get(name, "")).strip() == "haproxy"


def _domains(parameters: Mapping[str, str]) -> list[str]:
    """Own domains that are written out and whose mail somebody reads; full names come first."""
    words = settings.split_list(" ".join(parameters.get(name, "") for name in OUR_DOMAINS))
    names = [normal_domain(word) for word in words if "/" not in word and not settings.is_table(word)]
    usable = [n for n in dict.fromkeys(names) if not name_fault(n) and not n.startswith("localhost")]
    return sorted(usable, key=lambda name: "." not in name)


def _within(name: str, domains: Iterable[str]) -> bool:
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)
