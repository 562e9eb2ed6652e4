"""Which name servers to ask: from configuration, or as resolv.conf(5) says. Pure.

Of resolv.conf only `nameserver` lines matter to us. `options timeout` and
`attempts` are not honoured: their defaults (5 s, twice) are longer than
Postfix waits for a policy server; `search` and `ndots` are not, since names
in mail are always whole.
"""

from ipaddress import AddressValueError, IPv4Address, IPv6Address

import msgspec

PORT = 53
MOST_SERVERS = 8
"""More than a question has time to try; resolv.conf(5) itself reads three."""


class Server(msgspec.Struct, frozen=True, order=True):
    """A name server's address and port."""

    host: str
    """An address; IPv6 possibly with its scope, `fe80::1%eth0`."""
    port: int = PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_server(text: str) -> Server:
    """A server as configured: `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`.

    Raises:
        ValueError: something else; a name too, since who would resolve it?
    """
    host, port = _split(text.strip())
    try:
        address = str(IPv6Address(host)) if ":" in host else str(IPv4Address(host))
    except AddressValueError:
        raise ValueError(
            f'"{text}" is not a name server; write its address, '
            'for example "192.0.2.1", "192.0.2.1:5353" or "[2001:db8::1]:5353"'
        ) from None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f'"{text}": the port of a name server is a number from 1 to 65535')
    return Server(address, int(port))


def parse_resolv_conf(text: str) -> tuple[Server, ...]:
    """The name servers in the text of a resolv.conf; lines that are not understood are skipped, as libc does.

    Without any, the server on this machine is meant (resolv.conf(5)).
    """
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            servers.append(parse_server(f"[{words[1]}]" if ":" in words[1] else words[1]))
        except ValueError:
            continue
    return tuple(dict.fromkeys(servers))[:MOST_SERVERS] or (Server("127.0.0.1"),)


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or ":" not in host or (rest and not rest.startswith(":")):
            return "", ""
        return host, rest[1:] if rest else str(PORT)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, str(PORT)
