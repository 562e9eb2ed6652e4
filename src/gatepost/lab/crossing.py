"""Three namespaces joined by cables: strangers outside, the mail server's host, a container behind that host.

Packets from outside cross a real interface of the host, as they do on a machine: a firewall meets them before
any forwarding. The second address of ours leads to the container (DNAT).

Raises: LabError.
"""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gatepost.lab import cast, processes
from gatepost.lab.internet import Internet, internet
from gatepost.lab.processes import LabError, search_path

INSIDE = "10.254.0.2"
"""The container's address."""
FORWARDED = 25
_CABLES = (
    ("outside", "host", ("10.255.0.2/30", "fd00:255::2/64"), ("10.255.0.1/30", "fd00:255::1/64")),
    ("inside", "host", (f"{INSIDE}/30",), ("10.254.0.1/30",)),
)
_ROUTES = (
    ("outside", "10.255.0.1"),
    ("outside", "fd00:255::1"),
    ("inside", "10.254.0.1"),
    ("host", "10.255.0.2"),
    ("host", "fd00:255::2"),
)
_FORWARD = """\
table ip lab_forward {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
        ip daddr {address} tcp dport {port} dnat to {inside}:{port}
    }}
}}
"""


class Crossing(NamedTuple):
    """The namespaces."""

    outside: Internet
    host: Internet
    inside: Internet


@contextlib.contextmanager
def crossing(strangers: Iterable[str]) -> Iterator[Crossing]:
    """Make them, with our addresses on the host and those of strangers outside; take them away afterwards."""
    if not shutil.which("nft", path=search_path()):
        raise LabError("Not installed: nft (Debian and Ubuntu: apt install nftables).")
    ours = (cast.OUR_ADDRESS, cast.OUR_SECOND_ADDRESS, cast.OUR_ADDRESS_V6, cast.NAME_SERVER)
    with contextlib.ExitStack() as stack:
        made = Crossing(
            stack.enter_context(internet(strangers, cast.NAME_SERVER, "-outside")),
            stack.enter_context(internet(ours, cast.NAME_SERVER)),
            stack.enter_context(internet((), cast.NAME_SERVER, "-inside")),
        )
        for one, other, mine, theirs in _CABLES:
            _join(getattr(made, one), getattr(made, other), mine, theirs)
        for where, gateway in _ROUTES:
            getattr(made, where).run("ip", "route", "add", "default", "via", gateway)
        made.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        forward(made.host)
        yield made


def forward(host: Internet) -> None:
    """Let mail to our second address go to the container; again after somebody flushed the rules."""
    rules = _FORWARD.format(address=cast.OUR_SECOND_ADDRESS, port=FORWARDED, inside=INSIDE)
    processes.run(["ip", "netns", "exec", host.name, "nft", "-f", "-"], rules)


def _join(one: Internet, other: Internet, mine: Iterable[str], theirs: Iterable[str]) -> None:
    """A cable between two namespaces, with the addresses at both ends."""
    ends = (f"to{other.name[-8:]}", f"to{one.name[-8:]}")
    processes.run(
        ["ip", "-n", one.name, "link", "add", ends[0], "type", "veth", "peer", ends[1], "netns", other.name]
    )
    for where, end, addresses in ((one, ends[0], mine), (other, ends[1], theirs)):
        for address in addresses:
            flag = ["nodad"] if ":" in address else []
            processes.run(["ip", "-n", where.name, "address", "add", address, "dev", end, *flag])
        processes.run(["ip", "-n", where.name, "link", "set", end, "up"])
