"""Which servers are asked: what people write, what resolv.conf says, and in which order."""

from pathlib import Path

import msgspec
import pytest

from gatepost.clock import FakeClock
from gatepost.dns.open import open_dns
from gatepost.dns.options import DnsOptions
from gatepost.dns.resolvconf import Server, parse_resolv_conf, parse_server
from gatepost.dns.servers import SICK_AFTER, SICK_FOR, Servers
from gatepost.options import from_plain


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("192.0.2.1", Server("192.0.2.1", 53), "192.0.2.1:53"),
        (" 192.0.2.1:5353 ", Server("192.0.2.1", 5353), "192.0.2.1:5353"),
        ("2001:DB8::1", Server("2001:db8::1", 53), "[2001:db8::1]:53"),
        ("[2001:db8::1]", Server("2001:db8::1", 53), "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", Server("2001:db8::1", 5353), "[2001:db8::1]:5353"),
        ("fe80::1%eth0", Server("fe80::1%eth0", 53), "[fe80::1%eth0]:53"),
    ],
)
def test_a_server_is_read_and_shown(text, server, shown):
    assert parse_server(text) == server
    assert str(server) == shown
    assert parse_server(shown) == server


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dns.example.org",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:x",
        "192.0.2",
        "[::1]53",
        "[::1",
        "[192.0.2.1]:53",
        "::1:::",
        "192.0.2.1:\u0665",
    ],
)
def test_what_is_no_server_is_refused(text):
    with pytest.raises(ValueError, match="name server"):
        parse_server(text)


def test_resolv_conf_is_read_as_libc_does():
    text = """\
# nameserver 192.0.2.9
; nameserver 192.0.2.8
search example.org
nameserver 192.0.2.1
nameserver\tfe80::1%eth0   # the router
  nameserver 2001:db8::1
nameserver
nameserver nonsense
nameserver 192.0.2.1
options timeout:1 attempts:9
"""
    assert parse_resolv_conf(text) == (
        Server("192.0.2.1"),
        Server("fe80::1%eth0"),
        Server("2001:db8::1"),
    )


def test_without_servers_the_one_on_this_machine_is_meant(tmp_path: Path):
    assert parse_resolv_conf("") == (Server("127.0.0.1"),)
    dns = open_dns(DnsOptions(), FakeClock(), tmp_path / "missing")
    assert dns.stats()["live"]["servers"] == ["127.0.0.1:53"]


def test_configured_servers_come_before_resolv_conf(tmp_path: Path):
    (tmp_path / "resolv.conf").write_bytes(b"nameserver 192.0.2.1 # \xff\n")
    configured = DnsOptions(servers=("127.0.0.1:5353", "127.0.0.1:5353"))
    for options, servers in ((DnsOptions(), ["192.0.2.1:53"]), (configured, ["127.0.0.1:5353"])):
        assert open_dns(options, FakeClock(), tmp_path / "resolv.conf").stats()["live"]["servers"] == servers


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"servers": ["dns.example.org"]}, "is not a name server"),
        ({"servers": ["192.0.2.1"] * 9}, "at most 8"),
        ({"attempts": 0}, "from 1 to 5"),
        ({"in_flight": 0}, "from 1 to 4096"),
        ({"cache_entries": 1}, "from 100"),
        ({"deadline": "0s"}, "more than no time"),
        ({"probe": "a..b"}, "no name"),
        ({"canaries": ["a..b"]}, "no name"),
    ],
)
def test_options_that_cannot_work_are_refused(plain, says):
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(plain, DnsOptions, dec_hook=from_plain)


def test_a_silent_server_is_asked_last_for_a_while():
    clock = FakeClock()
    one, two = Server("192.0.2.1"), Server("192.0.2.2")
    servers = Servers([one, two], clock)
    assert list(servers.turns(2)) == [one, two, one, two]
    for _ in range(SICK_AFTER - 1):
        servers.was_silent(one)
    assert list(servers.turns(1)) == [one, two]
    servers.was_silent(one)
    assert list(servers.turns(1)) == [two, one]
    clock.advance(SICK_FOR)
    assert list(servers.turns(1)) == [one, two]
    servers.was_silent(one)
    assert (list(servers.turns(1)), servers.silent()) == ([two, one], [str(one)])
    servers.answered(one)
    assert (list(servers.turns(1)), servers.silent()) == ([one, two], [])
