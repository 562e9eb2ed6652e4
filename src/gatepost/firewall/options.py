"""Options of `gatepost firewall`."""

import re
from typing import Annotated, Literal

import msgspec

from gatepost.options import Duration, Options

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Ports = tuple[Port, ...] | Literal["all"]
MAIL_PORTS = (25, 465, 587, 110, 143, 993, 995, 4190)
"""SMTP and submission, POP3, IMAP, ManageSieve."""
STATE = "/var/lib/gatepost-firewall"

_TABLE = re.compile(r"[a-z][a-z0-9_-]{0,30}")


class FirewallOptions(Options, frozen=True):
    """How `gatepost firewall` shuts out who is banned, with nftables."""

    ports: Ports = MAIL_PORTS
    """TCP ports that are closed to those who are banned, as packets have them before any forwarding: of a
    container's port, as it is published. `"all"` closes everything, whatever the protocol."""
    widest_ipv4: Annotated[int, msgspec.Meta(ge=1, le=32)] = 24
    """The widest IPv4 network that may be shut out, as a prefix length. The firewall refuses a wider one by
    itself, whoever asks for it."""
    widest_ipv6: Annotated[int, msgspec.Meta(ge=1, le=128)] = 48
    """The same for IPv6."""
    state: str = STATE
    """Folder for the bans that it was told last, to have them at boot before the daemon is up."""
    table: str = "gatepost"
    """Name of its table of nftables (family `inet`). Other tables are never touched; what others write into
    this one is removed."""
    look: Duration = Duration(10)
    """How often it looks at the kernel. What others change there it hears at once; this is for the rest."""

    def __post_init__(self) -> None:
        if not self.ports:
            raise ValueError('ports: an empty list would close nothing; name ports, or "all"')
        if not _TABLE.fullmatch(self.table):
            raise ValueError(
                f'table: "{self.table}" is no name of a table; use small letters, digits, "_" and "-"'
            )
        if not self.state.startswith("/"):
            raise ValueError(f'state: "{self.state}" is no whole path; write for example "{STATE}"')
        if not 1 <= self.look <= 3600:
            raise ValueError("look: at least a second, at most an hour")


def parse_ports(text: str) -> list[int] | str:
    """Ports as they are said on a command line: `25,587`, or `all`.

    Raises:
        ValueError: they are not.
    """
    if text.strip() == "all":
        return "all"
    words = text.split(",")
    if not all(word.strip().isascii() and word.strip().isdigit() for word in words):
        raise ValueError(f'"{text}" is no list of ports; write for example 25,465,587, or all')
    return [int(word) for word in words]


def ports_text(ports: Ports) -> str:
    """The ports, for people."""
    return "all" if isinstance(ports, str) else ", ".join(map(str, ports))
