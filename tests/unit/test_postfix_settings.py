"""What Postfix's settings say is read as Postfix reads it; what is not understood is handed back."""

import sys
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.postfix.settings import (
    Pattern,
    PatternKind,
    expand,
    is_table,
    networks_of,
    parse_cidr_table,
    parse_fib_trie,
    parse_if_inet6,
    parse_ipv6_route,
    parse_parameters,
    parse_route,
    parse_table_keys,
    split_list,
)

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.25
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.0
        /32 link BROADCAST
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.0.2.25
        /32 host LOCAL
"""
IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000025 02 40 00 80     eth0
"""


def nothing_read(path):
    return None


def networks(text, files=None, tables=None):
    patterns = expand(text, (files or {}).get)
    return networks_of(patterns, (tables or {}).get)


def as_text(found):
    return [str(n) for n in found.networks]


def test_parameters_are_read_as_postconf_prints_them():
    text = "myhostname = mx.example.org\nrelay_domains =\nmynetworks = 127.0.0.0/8, [::1]/128\na b = c = d\n"
    assert {
        "myhostname": "mx.example.org",
        "relay_domains": "",
        "mynetworks": "127.0.0.0/8, [::1]/128",
        "a b": "c = d",
    } == parse_parameters(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" , ", []),
        ("a, b\tc\n d,,e", ["a", "b", "c", "d", "e"]),
        ("a, inline:{b=1, c=2} d", ["a", "inline:{b=1, c=2}", "d"]),
        ("a } b", ["a", "}", "b"]),
        ("{a b", ["{a b"]),
    ],
)
def test_lists_are_split_at_commas_and_blanks(text, words):
    assert words == split_list(text)


@pytest.mark.parametrize(
    "text", ["hash:/etc/postfix/domains", "proxy:mysql:/etc/x.cf", "inline:{a=b}", "cidr:/x"]
)
def test_tables_are_told_from_names(text):
    assert is_table(text)


@pytest.mark.parametrize(
    "text", ["example.org", "[::1]/128", "::1", "2001:db8::/32", "192.0.2.0/24", "/file"]
)
def test_names_and_networks_are_no_tables(text):
    assert not is_table(text)


def test_files_are_replaced_by_what_is_in_them():
    files = {"/a": "one.org two.org # not three.org\n# four.org\n/b\n", "/b": "five.org, hash:/x"}
    assert ["one.org", "two.org", "five.org", "hash:/x", "six.org"] == [
        p.text for p in expand("/a six.org", files.get)
    ]


def test_an_exclamation_mark_turns_what_is_in_a_file():
    files = {"/a": "one.org !two.org"}
    assert [("one.org", True), ("two.org", False), ("three.org", False)] == [
        (p.text, p.excludes) for p in expand("!/a !!three.org", files.get)
    ]


def test_a_file_that_cannot_be_read_is_handed_back():
    assert [Pattern(PatternKind.FILE, "/a"), Pattern(PatternKind.NAME, "b")] == expand("/a b", nothing_read)


def test_a_file_that_names_itself_comes_to_an_end():
    assert PatternKind.FILE in {p.kind for p in expand("/a", {"/a": "/a"}.get)}


def test_networks_of_a_plain_list():
    assert ["127.0.0.0/8", "192.0.2.1/32", "::1/128"] == as_text(networks("127.0.0.0/8, 192.0.2.1 [::1]/128"))


def test_what_is_excluded_first_is_taken_out():
    found = networks("!192.168.0.1, 192.168.0.0/30")
    assert ["192.168.0.0/32", "192.168.0.2/31"] == sorted(as_text(found))


def test_what_is_excluded_too_late_stays_in():
    assert ["192.168.0.0/30"] == as_text(networks("192.168.0.0/30, !192.168.0.1"))


def test_an_exclusion_that_covers_all_leaves_nothing():
    assert [] == as_text(networks("!10.0.0.0/8 10.1.0.0/16 10.0.0.0/8"))


def test_exclusions_of_the_other_family_do_not_matter():
    assert ["192.0.2.0/24"] == as_text(networks("!::/0 192.0.2.0/24"))


def test_networks_come_from_tables_as_well():
    found = networks(
        "cidr:/a !cidr:/b 10.0.0.0/8", tables={"cidr:/a": [ip_network("192.0.2.0/24")], "cidr:/b": []}
    )
    assert ["192.0.2.0/24", "10.0.0.0/8"] == as_text(found)


def test_names_unread_files_and_unread_tables_are_handed_back():
    assert (".example.org", "/gone", "ldap:x") == networks(".example.org /gone ldap:x").unread


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 255), st.integers(24, 32)), max_size=8),
    st.integers(0, 255),
)
@settings(max_examples=300, deadline=None)
def test_the_first_pattern_that_fits_decides(parts, last):
    nets = [(no, ip_network((f"192.0.2.{octet}", bits), strict=False)) for no, octet, bits in parts]
    address = ip_address(f"192.0.2.{last}")
    expected = next((not no for no, net in nets if address in net), False)
    found = networks(" ".join(("!" if no else "") + str(net) for no, net in nets))
    assert expected == any(address in net for net in found.networks)


def test_a_cidr_table_is_its_networks():
    text = "# ours\n192.0.2.0/24 OK\n\n  and more text\n2001:db8::/32\tyes\n"
    assert ["192.0.2.0/24", "2001:db8::/32"] == [str(n) for n in parse_cidr_table(text)]


@pytest.mark.parametrize("line", ["!192.0.2.0/24 OK", "if 192.0.2.0/24", "endif", "192.0.2.1/24 OK"])
def test_a_cidr_table_with_other_forms_is_not_guessed(line):
    assert parse_cidr_table(f"192.0.2.0/24 OK\n{line}\n") is None


def test_keys_of_a_table_that_are_addresses_count():
    assert ["192.0.2.1/32", "2001:db8::1/128"] == [
        str(n) for n in parse_table_keys("192.0.2.1\tOK\nexample.org\tOK\n192.0.2\tOK\n2001:db8::1\tx y\n\n")
    ]


def test_own_addresses_are_found_where_linux_lists_them():
    assert ["192.0.2.25", "127.0.0.1"] == [str(a) for a in parse_fib_trie(FIB_TRIE)]
    assert ["::1", "2001:db8::25"] == [str(a) for a in parse_if_inet6(IF_INET6)]


def test_gateways_are_found_where_linux_lists_them():
    gateway = int.from_bytes(bytes([172, 17, 0, 1]), sys.byteorder)
    head = "Iface\tDestination\tGateway\tFlags\n"
    v4 = f"{head}eth0\t00000000\t{gateway:08X}\t0003\neth0\t000011AC\t00000000\t0001\n"
    nothing = "0" * 32
    v6 = (
        f"{nothing} 00 {nothing} 00 fd000000000000000000000000000001 00000400 00000001 0 00000003 eth0\n"
        f"fd{'0' * 30} 40 {nothing} 00 {nothing} 00000100 00000001 00000000 00000001 eth0\n"
    )

    assert ["172.17.0.1"] == [str(a) for a in parse_route(v4)]
    assert ["fd00::1"] == [str(a) for a in parse_ipv6_route(v6)]


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_no_text_makes_a_parser_raise(text):
    parse_route(f"x x {text}")
    parse_ipv6_route(f"x x x x {text}")
    parse_parameters(text)
    parse_cidr_table(text)
    parse_table_keys(text)
    parse_fib_trie(text)
    parse_if_inet6(text)
    networks_of(expand(text, {"/a": text}.get), nothing_read)
