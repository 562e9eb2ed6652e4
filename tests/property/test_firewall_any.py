"""The firewall's pure parts: whatever comes in, nothing unforeseen comes out."""

import json
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from gatepost.ban.intervals import disjoint
from gatepost.firewall.judge import judge, spared
from gatepost.firewall.listing import Held, Listing, ListingError, parse_listing
from gatepost.firewall.netlink import attributes, messages
from gatepost.firewall.options import FirewallOptions
from gatepost.firewall.reconcile import Wanted, by_network, plan
from gatepost.firewall.ruleset import Count, range_text, time_text
from gatepost.firewall.state import Kept, State, StateError
from gatepost.firewall.told import MAX_REPORT, Bans, Report, ToldError, parse_line, report_line
from gatepost.network import parse_network

V4 = st.builds(
    lambda address, prefix: IPv4Network((address >> (32 - prefix) << (32 - prefix), prefix)),
    st.integers(0, 2**32 - 1),
    st.integers(8, 32),
)
V6 = st.builds(
    lambda address, prefix: IPv6Network((address >> (128 - prefix) << (128 - prefix), prefix)),
    st.integers(0, 2**128 - 1),
    st.integers(16, 128),
)
NETWORKS = V4 | V6
FEW = st.sampled_from(
    [
        IPv4Network(text)
        for text in (
            "192.0.2.0/24",
            "192.0.2.0/25",
            "192.0.2.7",
            "192.0.2.6/31",
            "198.51.100.9",
            "192.0.2.200",
        )
    ]
    + [IPv6Network(text) for text in ("2001:db8::/48", "2001:db8::/64", "2001:db8::1", "2001:db8:1::/64")]
)
NOW = 1_790_000_000.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["nftables", "set", "elem", "name", "val", "prefix", "range", "rule", "expr", "counter"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_what_nft_says_is_a_list_or_no_list(octets):
    with suppress(ListingError):
        assert isinstance(parse_listing(octets), Listing)


@given(JSON)
def test_what_nft_says_of_a_set_is_a_list_or_no_list(value):
    told = {"nftables": [{"set": {"name": "banned4", "elem": value}}, {"rule": {"expr": value}}]}
    with suppress(ListingError):
        assert isinstance(parse_listing(json.dumps(told).encode()), Listing)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps({"ok": value}).encode()))
def test_what_the_daemon_says_is_understood_or_not(octets):
    with suppress(ToldError):
        Bans().take(parse_line(octets))


@given(st.binary(max_size=300))
def test_any_octets_are_messages_with_attributes_or_are_cut(octets):
    for message in messages(octets):
        assert len(message.body) <= len(octets)
        assert sum(map(len, attributes(message.body).values())) <= len(message.body)


@given(octets=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_state_is_read_or_refused(tmp_path_factory, octets):
    folder = tmp_path_factory.mktemp("state")
    (folder / "bans.json").write_bytes(octets)
    with suppress(StateError):
        assert isinstance(State(str(folder)).read(), Kept)


@given(
    st.lists(st.tuples(NETWORKS, st.none()), max_size=20),
    st.lists(NETWORKS, max_size=5),
    st.lists(st.ip_addresses(), max_size=5),
)
def test_nothing_that_is_taken_meets_what_is_spared_or_is_too_wide(bans, never, own):
    options = FirewallOptions()
    judged = judge(bans, spared(own, never), options)

    assert {str(network) for network, _ in bans} == {str(network) for network, _ in judged.taken} | {
        str(parse_network(text)) for text in judged.refused
    }
    for network, _ in judged.taken:
        assert network.prefixlen >= (options.widest_ipv4 if network.version == 4 else options.widest_ipv6)
        assert not any(one.version == network.version and one.overlaps(network) for one in never)
        assert not any(address in network for address in own)


@given(st.floats(0.001, 3e9))
def test_nft_would_read_the_time_that_is_written(seconds):
    text, total = time_text(seconds), 0
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1000)):
        before, found, after = text.partition(unit)
        digits = before[len(before.rstrip("0123456789")) :]
        if found and digits:
            assert len(digits) <= 7
            total += int(digits) * size
            text = before[: len(before) - len(digits)] + after
    assert ("", max(1, round(seconds * 1000))) == (text, total)


@given(NETWORKS)
def test_a_network_is_written_as_a_network(network):
    bounds = (network.version, int(network.network_address), int(network.broadcast_address))

    assert network == parse_network(range_text(bounds))


@given(
    st.lists(st.tuples(FEW, st.none() | st.integers(5, 99).map(lambda s: NOW + s)), max_size=8),
    st.lists(st.tuples(FEW, st.none() | st.integers(5, 99).map(lambda s: NOW + s)), max_size=8),
)
def test_what_is_right_is_left_alone_and_no_count_of_what_stays_shut_out_is_lost(before, after):
    held = {
        one.bounds: Held(None if one.until is None else one.until - NOW, Count(3, 100))
        for one in disjoint(before, NOW)
    }
    found = Listing("right", held, {}, odd=False)
    wanted = Wanted(disjoint(after, NOW))
    what = plan(("gatepost", (25,)), found, "right", wanted, NOW)

    same = {one.bounds: one.until for one in disjoint(before, NOW)} == {
        one.bounds: one.until for one in wanted.intervals
    }
    assert what.attempts == () if same else not what.remakes
    kept = sum(held[bounds].count.packets for bounds in held if wanted.meeting(bounds))
    assert kept == sum(count.packets for count in by_network(found, wanted).values())
    if what.attempts:
        whole = what.attempts[-1]()
        assert kept == 3 * whole.count("packets 3 ") + 3 * sum(
            number * whole.count(f"packets {3 * number} ") for number in range(2, 9)
        )


@given(
    st.dictionaries(
        st.text("0123456789abcdef:./", min_size=40, max_size=43), st.integers(0, 2**63), max_size=1500
    ),
    st.text(max_size=3000),
)
def test_a_report_always_fits(networks, text):
    report = Report(
        in_kernel=1,
        packets=2,
        bytes=3,
        ports="25",
        trouble=text,
        networks=networks,
        refused=dict.fromkeys(list(networks)[:500], text[:50]),
    )
    line = report_line(report)

    assert len(line) <= MAX_REPORT
    assert line.endswith(b"\n")
    told = json.loads(line)
    assert "firewall.report" == told["command"]
    assert told["networks"].items() <= networks.items()
