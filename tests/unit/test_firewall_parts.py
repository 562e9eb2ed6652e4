"""Parts of the firewall: what nft is told and says, what the daemon says, who is spared, what is kept."""

import json
from ipaddress import ip_network

import pytest

from gatepost.ban.intervals import disjoint
from gatepost.firewall.judge import judge, spared
from gatepost.firewall.listing import ListingError, parse_listing
from gatepost.firewall.netlink import changed_in, made_by, messages
from gatepost.firewall.options import MAIL_PORTS, FirewallOptions, parse_ports, ports_text
from gatepost.firewall.reconcile import FEW, Wanted, plan
from gatepost.firewall.ruleset import Count, Element, range_text, table_script, time_text
from gatepost.firewall.state import Kept, State, StateError
from gatepost.firewall.told import Alive, All, Bans, Change, Row, ToldError, parse_line
from gatepost.network import parse_address

NOW = 1_790_000_000.0
TABLE = ("gatepost", (25, 587))

# As nft 1.0.6 says it.
SAID = {
    "nftables": [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "gatepost", "handle": 1}},
        {
            "set": {
                "family": "inet",
                "name": "banned4",
                "table": "gatepost",
                "type": "ipv4_addr",
                "handle": 2,
                "flags": ["interval", "timeout"],
                "elem": [
                    {
                        "elem": {
                            "val": "192.0.2.1",
                            "timeout": 60,
                            "expires": 59,
                            "counter": {"packets": 5, "bytes": 300},
                        }
                    },
                    {
                        "elem": {
                            "val": {"prefix": {"addr": "198.51.100.0", "len": 24}},
                            "counter": {"packets": 0, "bytes": 0},
                        }
                    },
                    {"elem": {"val": {"range": ["203.0.113.1", "203.0.113.6"]}, "timeout": 1, "expires": 0}},
                    "203.0.113.9",
                ],
                "stmt": [{"counter": None}],
            }
        },
        {
            "rule": {
                "family": "inet",
                "table": "gatepost",
                "chain": "banned",
                "handle": 5,
                "expr": [
                    {
                        "match": {
                            "op": "==",
                            "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                            "right": "@banned4",
                        }
                    },
                    {"counter": {"packets": 7, "bytes": 420}},
                    {"drop": None},
                ],
            }
        },
    ]
}


def said(**changed):
    """What nft says, with other words in the set."""
    told = json.loads(json.dumps(SAID))
    told["nftables"][2]["set"] |= changed
    return json.dumps(told).encode()


def bounds(text):
    network = ip_network(text)
    return network.version, int(network[0]), int(network[-1])


def wanted(**bans):
    return Wanted(disjoint([(ip_network(text), until) for text, until in bans.items()], NOW))


# --- what nft says ----------------------------------------------------------------------------------------


def test_elements_and_what_was_dropped_are_read():
    found = parse_listing(said())

    assert [
        (bounds("192.0.2.1"), 59.5, Count(5, 300)),
        (bounds("198.51.100.0/24"), None, Count()),
        ((4, int(ip_network("203.0.113.1")[0]), int(ip_network("203.0.113.6")[0])), 0.5, Count()),
        (bounds("203.0.113.9"), None, Count()),
    ] == [(key, held.seconds, held.count) for key, held in found.elements.items()]
    assert {4: Count(7, 420)} == found.dropped
    assert not found.odd


def test_elements_handles_and_counts_make_no_other_shape_and_all_else_does():
    shape = parse_listing(said()).shape

    assert shape == parse_listing(said(elem=[], handle=77)).shape
    assert shape == parse_listing(said().replace(b'"packets": 7', b'"packets": 8')).shape
    assert shape != parse_listing(said(flags=["interval"])).shape
    assert shape != parse_listing(said().replace(b'{"drop": null}', b'{"accept": null}')).shape


@pytest.mark.parametrize(
    "element", [{"elem": {"val": "192.0.2.1", "comment": "x"}}, {"concat": ["192.0.2.1", 25]}, "example.org"]
)
def test_an_element_that_we_would_never_write_is_odd(element):
    assert parse_listing(said(elem=[element])).odd


@pytest.mark.parametrize("octets", [b"", b"{}", b"[]", b'{"nftables": 1}', b'{"nftables": [1]}', b"\xff"])
def test_what_is_no_list_is_refused_with_a_sentence(octets):
    with pytest.raises(ListingError, match="nft said something else"):
        parse_listing(octets)


# --- what nft is told -------------------------------------------------------------------------------------


def test_the_table_as_text():
    elements = [Element(bounds("192.0.2.0/24"), 3723.5, Count(5, 300)), Element(bounds("2001:db8::7"), None)]

    assert (
        "add table inet gatepost\ndelete table inet gatepost\ntable inet gatepost {\n"
        "\tset banned4 {\n\t\ttype ipv4_addr; flags interval, timeout; counter;\n"
        "\t\telements = { 192.0.2.0/24 counter packets 5 bytes 300 timeout 1h2m3s500ms }\n\t}\n"
        "\tset banned6 {\n\t\ttype ipv6_addr; flags interval, timeout; counter;\n"
        "\t\telements = { 2001:db8::7 }\n\t}\n"
        "\tchain banned {\n\t\ttype filter hook prerouting priority -310; policy accept;\n"
        "\t\ttcp dport { 25, 587 } ip saddr @banned4 counter packets 7 bytes 420 drop\n"
        "\t\ttcp dport { 25, 587 } ip6 saddr @banned6 counter packets 0 bytes 0 drop\n\t}\n}\n"
    ) == table_script("gatepost", (587, 25, 25), elements, {4: Count(7, 420)})


def test_with_all_ports_the_rules_name_none():
    assert "dport" not in table_script("gatepost", "all", (), {})


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.0", "192.0.2.127", "192.0.2.0/25"),
        ("192.0.2.1", "192.0.2.2", "192.0.2.1-192.0.2.2"),
        ("192.0.2.0", "192.0.2.2", "192.0.2.0-192.0.2.2"),
        ("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
    ],
)
def test_ranges_as_text(first, last, text):
    assert text == range_text(
        (parse_address(first).version, int(parse_address(first)), int(parse_address(last)))
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1ms"), (0.25, "250ms"), (60, "1m"), (90061.001, "1d1h1m1s1ms"), (3e9, "34722d5h20m")],
)
def test_times_as_text(seconds, text):
    assert text == time_text(seconds)


# --- what has to be done ----------------------------------------------------------------------------------


def scripts(found, want, shape=None):
    what = plan(TABLE, found, found.shape if shape is None else shape, want, NOW)
    return [make() for make in what.attempts]


def test_where_all_is_right_nothing_is_told():
    found = parse_listing(said(elem=SAID["nftables"][2]["set"]["elem"][:2]))

    assert [] == scripts(found, wanted(**{"192.0.2.1": NOW + 60, "198.51.100.0/24": None}))


def test_a_new_ban_is_added_and_one_that_is_over_taken_out():
    found = parse_listing(said(elem=SAID["nftables"][2]["set"]["elem"][:2]))
    first, *_ = scripts(found, wanted(**{"192.0.2.1": NOW + 60, "2001:db8::/64": NOW + 5}))

    assert (
        "delete element inet gatepost banned4 { 198.51.100.0/24 }\n"
        "add element inet gatepost banned6 { 2001:db8::/64 timeout 5s }\n"
    ) == first


def test_another_end_keeps_the_count():
    found = parse_listing(said(elem=SAID["nftables"][2]["set"]["elem"][:1]))
    first, *_ = scripts(found, wanted(**{"192.0.2.1": NOW + 600}))

    assert (
        "delete element inet gatepost banned4 { 192.0.2.1 }\n"
        "add element inet gatepost banned4 { 192.0.2.1 counter packets 5 bytes 300 timeout 10m }\n"
    ) == first


def test_what_ends_by_itself_in_a_moment_is_left_alone_unless_it_is_in_the_way():
    found = parse_listing(said(elem=SAID["nftables"][2]["set"]["elem"][2:3]))

    assert [] == scripts(found, wanted())
    assert scripts(found, wanted(**{"203.0.113.4": None}))[0].startswith(
        "delete element inet gatepost banned4 { 203.0.113.1-203.0.113.6 }\n"
    )


def test_many_to_be_taken_out_mean_to_fill_the_set_anew():
    elements = [f"203.0.113.{number}" for number in range(0, 2 * FEW + 2, 2)]
    first, *_ = scripts(parse_listing(said(elem=elements)), wanted(**{"192.0.2.1": None}))

    assert "flush set inet gatepost banned4\nadd element inet gatepost banned4 { 192.0.2.1 }\n" == first


def test_rules_that_are_not_ours_mean_to_make_the_table_anew_with_what_was_counted():
    found = parse_listing(said(elem=SAID["nftables"][2]["set"]["elem"][:1]))
    (only,) = scripts(found, wanted(**{"192.0.2.1": NOW + 60}), "another shape")

    assert "delete table inet gatepost" in only
    assert "192.0.2.1 counter packets 5 bytes 300 timeout 1m" in only
    assert "ip saddr @banned4 counter packets 7 bytes 420 drop" in only


# --- who is spared ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "::1",
        "::",
        "169.254.1.1",
        "fe80::1",
        "224.0.0.251",
        "ff02::1",
        "255.255.255.255",
        "0.0.0.0",
    ],
)
def test_what_is_no_strangers_is_refused(text):
    judged = judge([(ip_network(text), None)], spared([], []), FirewallOptions())

    assert ([], [text]) == (judged.taken, list(judged.refused))


def test_wider_networks_are_taken_when_that_is_configured():
    bans = [(ip_network("192.0.0.0/16"), None), (ip_network("2001:db8::/32"), None)]
    options = FirewallOptions(widest_ipv4=16, widest_ipv6=32)

    assert bans == judge(bans, spared([], []), options).taken


# --- what the daemon says ---------------------------------------------------------------------------------


def test_all_and_changes_are_followed():
    bans = Bans()
    bans.take(All([Row("192.0.2.1", NOW), Row("2001:db8::/64")], ["10.0.0.0/8"]))
    bans.take(Change([Row("198.51.100.7", 5.0)], ["192.0.2.1", "203.0.113.1"]))

    assert {ip_network("2001:db8::/64"): None, ip_network("198.51.100.7"): 5.0} == bans.until
    assert (ip_network("10.0.0.0/8"),) == bans.never
    assert not bans.take(Alive())
    bans.take(All([]))
    assert ({}, ()) == (bans.until, bans.never)


def test_words_that_a_later_daemon_may_add_do_no_harm():
    told = parse_line(
        b'{"ok": {"kind": "change", "put": [{"network": "192.0.2.1", "reason": "x"}], "more": 1}}\n'
    )

    assert Change([Row("192.0.2.1")]) == told


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"error": "no such command"}', "the daemon refuses: no such command"),
        (b"{}", "the daemon refuses: without a reason"),
        (b'{"ok": {"kind": "some"}}', "does not understand"),
        (b'{"ok": {"kind": "all"}}', "does not understand"),
        (b"\xff", "does not understand"),
    ],
)
def test_what_is_not_understood_is_told(line, sentence):
    with pytest.raises(ToldError, match=sentence):
        parse_line(line)


@pytest.mark.parametrize(
    "told", [All([Row("192.0.2.1/8")]), All([], ["10.0.0.1/8"]), Change([Row("x" * 10_000)])]
)
def test_what_is_no_network_is_trouble_and_the_rest_counts(told):
    bans = Bans()
    bans.take(told)
    bans.take(Change([Row("192.0.2.7")]))

    assert "no network" in bans.trouble
    assert len(bans.trouble) < 200
    assert [ip_network("192.0.2.7")] == list(bans.until)


def test_there_is_an_end_to_how_many_bans_are_kept():
    bans = Bans(most=2)
    bans.take(All([Row(f"192.0.2.{number}") for number in range(4)]))
    bans.take(Change([Row("192.0.2.1", 5.0)]))

    assert {ip_network("192.0.2.0"): None, ip_network("192.0.2.1"): 5.0} == bans.until
    assert "more than 2 bans" in bans.trouble


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ports": ()}, "ports: an empty list would close nothing"),
        ({"table": "my table"}, 'table: "my table" is no name'),
        ({"table": "x; flush ruleset"}, "is no name of a table"),
        ({"state": "here"}, 'state: "here" is no whole path'),
        ({"look": 0}, "look: at least a second"),
    ],
)
def test_options_that_cannot_be(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        FirewallOptions(**wrong)


def test_ports_as_they_are_said():
    assert ("all", [25, 587]) == (parse_ports("all"), parse_ports("25, 587"))
    assert ("all", "25, 465, 587, 110, 143, 993, 995, 4190") == (ports_text("all"), ports_text(MAIL_PORTS))
    for wrong in ("", "25,", "smtp", "-1", "²"):
        with pytest.raises(ValueError, match="is no list of ports"):
            parse_ports(wrong)


# --- state ------------------------------------------------------------------------------------------------


def test_what_was_kept_is_read_again(tmp_path):
    kept = Kept(bans=[Row("192.0.2.1", 5.0), Row("2001:db8::/64")], never=["10.0.0.0/8"], made="x", shape="y")
    State(str(tmp_path)).write(kept)

    assert kept == State(str(tmp_path)).read()
    assert ["bans.json"] == [path.name for path in tmp_path.iterdir()]


def test_without_a_file_there_is_nothing(tmp_path):
    assert Kept() == State(str(tmp_path)).read()


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "bans.json").mkdir()
    with pytest.raises(StateError, match="cannot be read"):
        State(str(tmp_path)).read()


def test_a_file_that_is_endless_is_refused(tmp_path):
    with (tmp_path / "bans.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StateError, match="too long"):
        State(str(tmp_path)).read()


# --- netlink ----------------------------------------------------------------------------------------------

# Of a real kernel: an element of inet gatepost, the end of its transaction (process 14201), a table of ip.
ELEMENT = bytes.fromhex(
    "300000000c0a00000000000000000000010000170d00010067617465706f7374000000000c00020062616e6e65643400"
)
END = bytes.fromhex(
    "2c0000000f0a000000000000000000000000001708000100000000170800020000003779080003006e667400"
)
OTHER = bytes.fromhex("20000000000a00000000000000000000020000190a0001006f74686572000000")


def test_our_table_is_known_from_others_and_our_own_process_from_others():
    element, end, other = messages(ELEMENT + END + OTHER)

    assert [0x17, None, None] == [changed_in(one, "gatepost") for one in (element, end, other)]
    assert [None, None, None] == [changed_in(one, "gatepos") for one in (element, end, other)]
    assert [None, 0x17, None] == [made_by(one, [0x3779]) for one in (element, end, other)]
    assert made_by(end, [1]) is None
