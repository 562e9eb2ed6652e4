"""Whom the firewall never shuts out, whatever the daemon says. Pure."""

from bisect import bisect_right
from collections.abc import Iterable

import msgspec

from gatepost.ban.intervals import bounds_of
from gatepost.firewall.options import FirewallOptions
from gatepost.network import Address, Network, parse_network

NEVER = tuple(
    (network, why)
    for text, why in (
        ("0.0.0.0/8", "it stands for no address"),
        ("127.0.0.0/8", "it is this machine itself"),
        ("169.254.0.0/16", "it is of the local link only"),
        ("224.0.0.0/4", "nobody sends from it: multicast"),
        ("255.255.255.255/32", "nobody sends from it: broadcast"),
        ("::/127", "it is this machine itself"),
        ("fe80::/10", "it is of the local link only"),
        ("ff00::/8", "nobody sends from it: multicast"),
    )
    if (network := parse_network(text)) is not None
)
OWN = "it is an address of this machine"
SPARED = "the configuration or the daemon spares it"


class Spared:
    """Networks that are never shut out, not even in part."""

    def __init__(self, networks: Iterable[tuple[Network, str]]) -> None:
        """Take them, each with the reason for people."""
        rows = sorted(
            ((*bounds_of(one), one, why) for one, why in networks),
            key=lambda row: (row[0], row[1], -row[2]),
        )
        self._rows: list[tuple[int, int, int, Network, str]] = []
        for row in rows:  # one that lies in another says nothing new
            if not self._rows or self._rows[-1][0] != row[0] or self._rows[-1][2] < row[1]:
                self._rows.append(row)
        self._starts = [row[:2] for row in self._rows]

    def why(self, network: Network) -> str:
        """Why `network` is spared; empty when it is not."""
        version, first, last = bounds_of(network)
        place = bisect_right(self._starts, (version, last))
        if not place or self._rows[place - 1][0] != version or self._rows[place - 1][2] < first:
            return ""
        _, begin, end, spared, why = self._rows[place - 1]
        return why if begin <= first and last <= end else f"it holds {_text(spared)}: {why}"


def spared(own: Iterable[Address], never: Iterable[Network]) -> Spared:
    """Own addresses, what is spared by settings, and what is never a stranger's."""
    mine = [(network, OWN) for one in own if (network := parse_network(str(one)))]
    return Spared([*NEVER, *mine, *((network, SPARED) for network in never)])


class Judged(msgspec.Struct, frozen=True):
    """What came of the bans."""

    taken: list[tuple[Network, float | None]]
    refused: dict[str, str]
    """Why, by network."""


def judge(bans: Iterable[tuple[Network, float | None]], spare: Spared, options: FirewallOptions) -> Judged:
    """Divide the bans into those to be enforced and those that are refused."""
    widest = {4: options.widest_ipv4, 6: options.widest_ipv6}
    taken, refused = [], {}
    for network, until in bans:
        limit = widest[network.version]
        if network.prefixlen < limit:
            refused[str(network)] = (
                f"it is wider than /{limit}, see widest_ipv{network.version} in [firewall]"
            )
        elif why := spare.why(network):
            refused[_text(network)] = why
        else:
            taken.append((network, until))
    return Judged(taken, refused)


def _text(network: Network) -> str:
    """In the form that bans have: one address without its prefix."""
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)
