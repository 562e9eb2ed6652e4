"""What is ours is read from a real Postfix configuration, by the real postconf and postmap."""

import asyncio
import subprocess
from ipaddress import ip_address

import pytest

from gatepost.clock import FakeClock
from gatepost.postfix.ours import OursOptions, read_ours


@pytest.fixture
def config(tmp_path):
    """A configuration folder with everything that can stand in it."""
    (tmp_path / "relay").write_text("relay.org OK\n")
    (tmp_path / "virtual").write_text("virtual.org anything\npost@virtual.org anna\n")
    (tmp_path / "mailboxes").write_text("/^box[0-9]+\\.org$/ OK\n")
    (tmp_path / "nets").write_text("198.51.100.0/24\n")
    (tmp_path / "nets.cidr").write_text("203.0.113.0/25 OK\n")
    (tmp_path / "hosts").write_text("192.0.2.9 OK\n")
    (tmp_path / "master.cf").write_text("")
    (tmp_path / "main.cf").write_text(
        f"""\
compatibility_level = 3.6
myhostname = mx.example.org
mydestination = $myhostname, localhost.$mydomain, localhost, $mydomain,
    plain.org
relay_domains = hash:{tmp_path}/relay
virtual_alias_maps = hash:{tmp_path}/virtual
virtual_mailbox_domains = regexp:{tmp_path}/mailboxes
mynetworks = !198.51.100.7, 127.0.0.0/8 [::1]/128 {tmp_path}/nets
    cidr:{tmp_path}/nets.cidr hash:{tmp_path}/hosts
inet_interfaces = 127.0.0.1
proxy_interfaces = 203.0.113.200
"""
    )
    for table in ("relay", "virtual", "hosts"):
        subprocess.run(["postmap", "-c", str(tmp_path), f"hash:{tmp_path}/{table}"], check=True)
    return tmp_path


def read(config):
    return asyncio.run(read_ours(OursOptions(postfix_config_dir=str(config)), FakeClock()))


def owned(ours, *domains):
    async def ask():
        return [await ours.owns_domain(domain) for domain in domains]

    return asyncio.run(ask())


def test_names_domains_networks_and_addresses_of_a_real_configuration(config):
    ours = read(config)
    assert () == ours.missing
    assert {"mx.example.org"} == ours.names
    assert {"mx.example.org", "localhost.example.org", "example.org", "plain.org"} == ours.domains
    assert {"203.0.113.200"} == {str(a) for a in ours.addresses}
    inside = ["127.0.0.1", "::1", "198.51.100.8", "203.0.113.1", "192.0.2.9"]
    assert inside == [a for a in inside if ours.is_client(ip_address(a))]
    outside = ["198.51.100.7", "203.0.113.129", "192.0.2.10", "2001:db8::1"]
    assert [] == [a for a in outside if ours.is_client(ip_address(a))]


def test_domains_in_tables_are_asked_through_postmap(config):
    domains = ("relay.org", "virtual.org", "box17.org", "elsewhere.org", "sub.relay.org")
    assert [True, True, True, False, False] == owned(read(config), *domains)


def test_a_table_whose_file_is_gone_is_told_and_not_taken_for_no(config):
    (config / "relay.db").unlink()
    ours = read(config)
    assert [None, True] == owned(ours, "relay.org", "virtual.org")
    assert f"the table hash:{config}/relay cannot be asked" in ours.missing[0]


def test_a_table_that_goes_away_later_is_not_taken_for_no(config):
    ours = read(config)
    (config / "relay.db").unlink()
    assert [None] == owned(ours, "relay.org")


def test_a_folder_without_configuration_is_told(tmp_path):
    ours = read(tmp_path / "nowhere")
    assert (None, None, None) == (ours.names, ours.domains, ours.networks)
    assert 3 == len(ours.missing)
    assert all("main.cf" in sentence for sentence in ours.missing)
