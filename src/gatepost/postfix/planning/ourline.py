"""The lines by which Postfix asks Gatepost, and how to recognise them (SMTPD_POLICY_README).

Pure. Raises nothing but what `restrictions` raises.
"""

from enum import StrEnum

import msgspec

from gatepost.network import parse_address
from gatepost.postfix.conf.restrictions import POLICY, Item, policy_of

SECONDS = 6
"""How long Postfix waits for us; our own deadline is below it."""


class Purpose(StrEnum):
    """What a line asks for; the value is its policy_context."""

    ASK = ""
    LEARN = "learn"
    ASKED = "asked"
    """At DATA: judge only what was asked about at RCPT, so that whom another restriction let in stays in."""
    BAN = "ban"
    """At CONNECT: only whether the client is banned, so that it is refused before it can try a password."""


class OurLine(msgspec.Struct, frozen=True):
    """Where Gatepost answers, as Postfix names it: `inet:127.0.0.1:10023` or `unix:/path`."""

    server: str

    def text(self, purpose: Purpose) -> str:
        """The restriction. A stopped Gatepost costs no mail with it."""
        context = f", policy_context={purpose}" if purpose else ""
        return f"{POLICY} {{ {self.server}, timeout={SECONDS}s, default_action=DUNNO{context} }}"

    def is_ours(self, item: Item) -> bool:
        """Whether this restriction asks Gatepost, in whatever form."""
        return item.name == POLICY and normal_server(policy_of(item).server) == normal_server(self.server)

    def purpose(self, item: Item) -> Purpose | None:
        """What one of our lines is for; None when it lacks what makes a stopped Gatepost harmless."""
        options = policy_of(item).options
        if options.get("default_action", "").upper() != "DUNNO" or not options.get("timeout") or item.warns:
            return None
        try:
            return Purpose(options.get("policy_context", ""))
        except ValueError:
            return None

    def asks(self, item: Item) -> bool:
        """Whether strangers' mail is judged by this restriction."""
        return self.is_ours(item) and self.purpose(item) is Purpose.ASK


def normal_server(server: str) -> str:
    """One text for all ways to name a place: `localhost`, brackets, `inet:` left out."""
    kind, _, rest = server.partition(":")
    if kind.lower() == "unix":
        return f"unix:{rest}"
    host, _, port = (rest if kind.lower() == "inet" else server).rpartition(":")
    host = host.strip("[]").lower()
    address = parse_address("127.0.0.1" if host == "localhost" else host)
    return f"inet:{address or host}:{port}"


def port_of(server: str) -> str:
    """The TCP port of a place; empty for a unix socket."""
    name = normal_server(server)
    return "" if name.startswith("unix:") else name.rpartition(":")[2]


def address_version(server: str) -> str:
    """`ipv4` or `ipv6` for a place that is an address; empty for a name or a unix socket."""
    address = parse_address(normal_server(server).removeprefix("inet:").rpartition(":")[0])
    return f"ipv{address.version}" if address else ""
