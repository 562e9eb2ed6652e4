"""Containers and proxies that hide the client's address, so that every client looks like one of our own."""

from collections.abc import Iterator
from ipaddress import ip_interface

from gatepost.network import is_public
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.clients import PROXY, only_client, own_networks
from gatepost.postfix.audit.restricted import LOOPBACK, set_to
from gatepost.postfix.audit.scene import Scene

RELAYS = Fault(
    "hidden.relays",
    Severity.SERIOUS,
    "Every client seems to be one of our own",
    "All connections come from one private address, and it is in mynetworks: something in front (a "
    "container's gateway, NAT, a proxy) hides who connects, and everybody may relay.",
    "Let the client's address through, and take that address out of mynetworks.",
)
HIDES = Fault(
    "hidden.clients",
    Severity.WARNING,
    "Every client has the same address",
    "All connections come from one private address: something in front hides who connects. Block lists, "
    "reverse names, greylisting and bans all judge that one address.",
    "Let the client's address through: publish the port without a userland proxy or in the host's network, "
    "or use the PROXY protocol.",
)
BRIDGE = Fault(
    "hidden.bridge",
    Severity.WARNING,
    "A container network counts as our own",
    "Connections from outside can come from the gateway of such a network (userland proxy, IPv6 without "
    "NAT rules); then strangers look like own clients and may relay.",
    "Take it out of mynetworks; name the one container that sends mail, or let it log in.",
)
FAULTS = (RELAYS, HIDES, BRIDGE)


def look(scene: Scene) -> Iterator[Finding]:
    """What the log and the interfaces say of who connects."""
    if any(scene.instance.value(name).strip() for name in PROXY):
        return
    yield from _one_client(scene)
    yield from _bridge(scene)


def _one_client(scene: Scene) -> Iterator[Finding]:
    found = only_client(scene)
    if found is None:
        return
    address, count = found
    seen = f"{scene.facts.log}: the latest {count} connections all come from {address}"
    if any(address in network for network in own_networks(scene)):
        seen += f", which is in mynetworks ({scene.where('mynetworks')})"
        yield RELAYS.found(seen, set_to(scene, "mynetworks", LOOPBACK))
    else:
        yield HIDES.found(seen, f"{HIDES.remedy} For HAProxy:\n{set_to(scene, PROXY[0], 'haproxy')}")


def _bridge(scene: Scene) -> Iterator[Finding]:
    """Networks of bridges, or in a container any private network of its interfaces."""
    inside = scene.facts.container
    own = [ip_interface(text).ip for text in (scene.facts.interfaces if inside else scene.facts.bridges)]
    private = [address for address in own if not address.is_loopback and not is_public(address)]
    for network in own_networks(scene):
        there = [str(address) for address in private if address in network]
        if network.num_addresses > 1 and there:
            why = inside or f"a bridge of containers on this machine has {', '.join(there)}"
            seen = f"{scene.where('mynetworks')}: mynetworks holds {network}; {why}"
            yield BRIDGE.found(seen, set_to(scene, "mynetworks", LOOPBACK))
