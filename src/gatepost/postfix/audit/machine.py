"""What Linux and the mail log say, as values (proc(5), ip-address(8), smtpd(8)). Pure; raises nothing."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_interface

from gatepost.postfix.audit.scene import Listener

LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp."""
LATEST = 1000
"""Connections that are counted."""
_CONNECT = re.compile(
    r"(?:/smtpd\[\d+\]: connect from [^\s\[]*|/postscreen\[\d+\]: CONNECT from )"
    r"\[(?P<address>[0-9A-Fa-f.:]+)\]"
)
_INTERFACE = re.compile(r"^\d+: +(?P<name>\S+) +inet6? (?P<text>[0-9A-Fa-f.:]+/\d+)", re.ASCII | re.MULTILINE)
BRIDGES = r"docker|br-|podman|cni|lxc|lxd|incus|virbr"
"""Names of bridges that container engines make."""


def connections(log: str) -> dict[str, int]:
    """How often each address connected, in the latest part of a mail log; own users' ports left out."""
    lines = (line for line in log.splitlines() if "/submission/" not in line and "/smtps/" not in line)
    found = deque((match["address"] for line in lines if (match := _CONNECT.search(line))), LATEST)
    return dict(Counter(found))


def interfaces(shown: str, names: str = "") -> tuple[str, ...]:
    """Own addresses with their networks, from `ip -o address show`; of interfaces whose name fits `names`."""
    found = []
    for match in _INTERFACE.finditer(shown):
        try:
            if re.match(names, match["name"]):
                found.append(str(ip_interface(match["text"])))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def listeners(table: str) -> Iterator[Listener]:
    """Who listens, from /proc/net/tcp or tcp6."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == LISTEN:
            digits, _, port = fields[1].rpartition(":")
            try:
                yield Listener(_address(digits), int(port, 16))
            except ValueError:
                continue


def _address(digits: str) -> str:
    """An address as the kernel prints it: words of four octets, each in the machine's order."""
    octets = bytes.fromhex(digits)
    whole = b"".join(octets[at : at + 4][::-1] for at in range(0, len(octets), 4))
    return str(IPv4Address(whole) if len(whole) == 4 else IPv6Address(whole))
