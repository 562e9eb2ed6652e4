"""Lists of networks and domains (`mynetworks`, `mydestination`): written so that Postfix understands them."""

import re
from collections.abc import Iterator
from ipaddress import ip_interface

from gatepost.network import parse_address
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.ours import DOMAIN_LISTS
from gatepost.postfix.settings import split_list

NETWORKS = "mynetworks"
_NETWORK = re.compile(r"(?P<open>\[?)(?P<address>[0-9A-Fa-f.:]+)\]?/(?P<bits>\d{1,3})", re.ASCII)

HOST_BITS = Fault(
    "patterns.host_bits",
    Severity.SERIOUS,
    "A network has bits beside its mask",
    "Postfix answers `451 4.3.0 Temporary lookup failure` to every client that is compared with it.",
    "Write the network's first address.",
)
BRACKETS = Fault(
    "patterns.brackets",
    Severity.SERIOUS,
    "An IPv6 network stands without brackets",
    "Postfix takes what stands before the colon for a kind of table, and smtpd ends as soon as it starts.",
    "Write the address in brackets.",
)
NO_FILE = Fault(
    "patterns.no_file",
    Severity.SERIOUS,
    "A file that a list names is missing",
    "Postfix answers `451 4.3.0 Temporary lookup failure` wherever the list is asked: that mail waits, and "
    "comes back in the end.",
    "Make the file, or take its name out.",
)
FAULTS = (HOST_BITS, BRACKETS, NO_FILE)


def look(scene: Scene) -> Iterator[Finding]:
    """Every list, of every service that has its own."""
    for service in scene.instance.smtp_services:
        for parameter in (NETWORKS, *DOMAIN_LISTS):
            yield from _list(scene, parameter, service)


def files(scene: Scene) -> Iterator[str]:
    """Files that a list names."""
    for service in scene.instance.smtp_services:
        for parameter in (NETWORKS, *DOMAIN_LISTS):
            yield from filter(_is_file, _words(scene, parameter, service))


def _words(scene: Scene, parameter: str, service: Service) -> list[str]:
    return [word.lstrip("!") for word in split_list(scene.instance.value(parameter, service))]


def _is_file(word: str) -> bool:
    return word.startswith("/")


def _list(scene: Scene, parameter: str, service: Service) -> Iterator[Finding]:
    says = scene.says(parameter, service)
    for word in _words(scene, parameter, service):
        file = scene.facts.files.get(word) if _is_file(word) else None
        if file is not None and not file.there:
            yield NO_FILE.found(f"{says}; there is no {word}", f"touch {word}")
        elif parameter == NETWORKS and (found := _NETWORK.fullmatch(word)):
            yield from _network(says, word, found)


def _network(says: str, word: str, found: re.Match[str]) -> Iterator[Finding]:
    address = parse_address(found["address"])
    if address is None or int(found["bits"]) > address.max_prefixlen:
        return
    network = ip_interface(f"{address}/{found['bits']}").network
    right = f"[{network.network_address}]/{found['bits']}" if network.version == 6 else str(network)
    if network.version == 6 and not found["open"]:
        yield BRACKETS.found(f"{says}; {word} is in it", f"Write {right} instead of {word}")
    elif network.network_address != address:
        yield HOST_BITS.found(f"{says}; {word} is in it", f"Write {right} instead of {word}")
