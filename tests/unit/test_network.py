"""Addresses and networks: what counts as one, and which can be reached from anywhere."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest

from gatepost.network import NetworkSet, group, is_public, parse_address, parse_network


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", IPv4Address("192.0.2.1")),
        ("2001:DB8::1", IPv6Address("2001:db8::1")),
        ("IPv6:2001:db8::1", IPv6Address("2001:db8::1")),
        ("::ffff:192.0.2.1", IPv4Address("192.0.2.1")),
        ("::ffff:c000:201", IPv4Address("192.0.2.1")),
        ("::192.0.2.1", IPv6Address("::c000:201")),
    ],
)
def test_addresses_are_read(text, address):
    assert address == parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "unknown",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.01",
            " 192.0.2.1",
            "192.0.2.1/32",
            "0x7f.1",
            "2130706433",
        ),
        *("fe80::1%eth0", "fe80::1%", "IPv6:192.0.2.1", "IPv6:", "[192.0.2.1]", ":::", "1:2:3:4:5:6:7:8:9"),
        *("\u0661.0.0.1", "192.0.2.1\n", "9" * 5000),
    ],
)
def test_what_is_no_address_is_none(text):
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.1", "192.0.2.1/32"),
        (" [2001:db8::]/32 ", "2001:db8::/32"),
        ("[::1]", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("[::ffff:127.0.0.0]/104", "127.0.0.0/8"),
        ("::/0", "::/0"),
    ],
)
def test_networks_are_read(text, network):
    assert ip_network(network) == parse_network(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "192.0.2.1/24",
            "192.0.2.0/33",
            "192.0.2.0/255.255.255.0",
            "192.0.2.0/0.0.0.255",
            "192.0.2.0/",
            "192.0.2",
        ),
        *(
            "[2001:db8::/32",
            "2001:db8::]/32",
            "[192.0.2.0/24]",
            "example.org",
            "/24",
            "fe80::%1/64",
            "1",
            "192.0.2.0/-1",
        ),
    ],
)
def test_what_is_no_network_is_none(text):
    assert parse_network(text) is None


@pytest.mark.parametrize(
    ("address", "v4", "v6", "text"),
    [
        ("192.0.2.130", 24, 64, "192.0.2.0/24"),
        ("192.0.2.130", 32, 64, "192.0.2.130"),
        ("192.0.2.130", 0, 64, "0.0.0.0/0"),
        ("192.0.2.130", 99, 64, "192.0.2.130"),
        ("2001:db8:1:2:3::4", 24, 64, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", 24, 128, "2001:db8:1:2:3::4"),
        ("2001:db8:1:2:3::4", 24, -1, "::/0"),
    ],
)
def test_a_group_is_the_first_bits(address, v4, v6, text):
    assert text == group(ip_address(address), v4, v6)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "8.8.8.8",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "100.63.255.255",
            "100.128.0.0",
        ),
        *(
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2001:db8::1",
            "2a00:1450::1",
            "3fff::1",
            "2606:4700::1111",
        ),
        *("2002:c000:201::1", "64:ff9b::808:808"),
    ],
)
def test_public_addresses(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.1.1",
            "172.16.0.1",
        ),
        *("172.31.255.255", "192.0.0.1", "192.88.99.1", "192.168.1.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
        *(
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
        ),
        *(
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2001::1",
            "2001:20::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
        ),
        *("ff02::1", "5f00::1", "4000::1"),
    ],
)
def test_addresses_that_cannot_be_reached_from_everywhere(address):
    assert not is_public(ip_address(address))


def test_a_network_set_tells_the_families_apart():
    networks = NetworkSet([ip_network("0.0.0.0/0"), ip_network("2001:db8::/32")])
    assert ip_address("192.0.2.1") in networks
    assert ip_address("2001:db8:ffff::1") in networks
    assert ip_address("::c000:201") not in networks
    assert ["0.0.0.0/0", "2001:db8::/32"] == [str(n) for n in networks]


def test_an_empty_network_set_is_false_and_holds_nothing():
    assert not NetworkSet()
    assert ip_address("192.0.2.1") not in NetworkSet()
