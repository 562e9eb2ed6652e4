"""Who connects, as the mail log tells it. Pure."""

from gatepost.network import Address, Network, is_public, parse_address, parse_network
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.settings import split_list

ENOUGH = 20
"""Connections in the log from which it tells something."""
PROXY = ("smtpd_upstream_proxy_protocol", "postscreen_upstream_proxy_protocol")


def own_networks(scene: Scene) -> list[Network]:
    """mynetworks, as far as it is known."""
    known = scene.facts.networks
    texts = known if known is not None else split_list(scene.instance.value("mynetworks"))
    return [network for text in texts if (network := parse_network(text))]


def only_client(scene: Scene) -> tuple[Address, int] | None:
    """The private address that all connections come from, and how many; None when there are others."""
    if any(scene.instance.value(name).strip() for name in PROXY):
        return None
    clients = {
        a: n for text, n in scene.facts.clients.items() if (a := parse_address(text)) and not a.is_loopback
    }
    if len(clients) != 1 or sum(clients.values()) < ENOUGH:
        return None
    ((address, count),) = clients.items()
    return None if is_public(address) else (address, count)
