"""Whatever bans come and go: the kernel shuts out just the addresses that some ban covers, and as long."""

import time
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.firewall import SOON, Firewall, wait_until
from support.namespace import Namespace

NETWORKS = (
    *(
        "192.0.2.0/24",
        "192.0.2.0/25",
        "192.0.2.128/25",
        "192.0.2.6/31",
        "192.0.2.7",
        "192.0.2.8",
        "192.0.2.255",
    ),
    *("2001:db8::/48", "2001:db8::/64", "2001:db8:0:1::/64", "2001:db8::7", "2001:db8:0:ffff::/64"),
)
PROBES = {
    ip_address(int(edge) + step)
    for text in NETWORKS
    for edge in (ip_network(text)[0], ip_network(text)[-1])
    for step in (-1, 0, 1)
}
ENDS = st.sampled_from([None, 100.0, 1000.0, 5000.0])
"""Seconds from now."""
STEP = st.tuples(
    st.dictionaries(st.sampled_from(NETWORKS), ENDS, max_size=4),
    st.sets(st.sampled_from(NETWORKS), max_size=3),
)


@pytest.fixture(scope="module")
def wall(tmp_path_factory):
    with (
        Namespace() as where,
        Firewall(tmp_path_factory.mktemp("firewall"), where) as running,
    ):
        yield running


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEP, min_size=1, max_size=5))
def test_the_kernel_is_as_wanted_after_every_change(wall, steps):
    wall.control.change({}, list(wall.control.bans))
    for put, removed in steps:
        now = time.time()
        wall.control.change(
            {text: None if end is None else now + end for text, end in put.items()}, removed - put.keys()
        )
        wanted = {probe: longest(wall.control.bans, probe, now) for probe in PROBES}
        wait_until(
            lambda wanted=wanted: same(held(wall), wanted),
            SOON,
            why=lambda wanted=wanted: f"{held(wall)} instead of {wanted}:\n{wall.logged()}",
        )


def longest(bans, address, now):
    """Seconds that an address is shut out: 0 for not at all, infinity for without end."""
    return max(
        (
            float("inf") if until is None else until - now
            for text, until in bans.items()
            if address in ip_network(text)
        ),
        default=0.0,
    )


def held(wall):
    """The same, of the kernel."""
    ranges = [(*edges(text), told.get("expires", float("inf"))) for text, told in wall.kernel().items()]
    return {
        probe: next(
            (
                left
                for first, last, left in ranges
                if first.version == probe.version and first <= probe <= last
            ),
            0.0,
        )
        for probe in PROBES
    }


def edges(text):
    if "-" in text:
        first, _, last = text.partition("-")
        return ip_address(first), ip_address(last)
    return ip_network(text)[0], ip_network(text)[-1]


def same(found, wanted):
    return all(
        found[probe] == left or (left != 0 and abs(found[probe] - left) < 20)
        for probe, left in wanted.items()
    )
