"""`gatepost postfix audit --dns` with a real Postfix configuration, a real name server, and real keys."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from gatepost.clock import SystemClock
from gatepost.dns.open import open_dns
from gatepost.dns.options import DnsOptions
from gatepost.ours import Ours
from gatepost.postfix.audit.examine import ask_around
from gatepost.postfix.audit.names import read_own
from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.program import run_program
from support.daemon import ROOT
from support.nsd import nsd, root_zone

pytestmark = pytest.mark.e2e

MAIN = """\
compatibility_level = 3.6
myhostname = mx.example.org
mydestination = $myhostname, localhost
virtual_mailbox_domains = texthash:{folder}/domains
proxy_interfaces = 192.0.2.25
inet_interfaces = loopback-only
disable_vrfy_command = yes
smtpd_helo_required = yes
alias_maps =
alias_database =
"""
CONFIG = '[dns]\nservers = ["{server}"]\ntimeout = "300ms"\nattempts = 1\ndeadline = "600ms"\n'
LISTS = {
    "2.0.0.127.zen.spamhaus.org A": ["127.0.0.2", "127.0.0.4"],
    "test.dbl.spamhaus.org A": "127.0.1.2",
    "2.0.0.127.list.dnswl.org A": "127.0.10.0",
}
GOOD = LISTS | {
    "25.2.0.192.in-addr.arpa PTR": "mx.example.org",
    "mx.example.org A": "192.0.2.25",
    "example.org MX": "10 mx.example.org",
    "example.org TXT": ["v=spf1 mx -all", "other text"],
    "_dmarc.example.org TXT": "v=DMARC1; p=reject; rua=mailto:d@example.org",
    "s1._domainkey.example.org TXT": "v=DKIM1; p=AAAA",
    "example.net MX": "10 mx.example.org",
    "example.net TXT": "v=spf1 redirect=example.org",
    "_dmarc.example.net TXT": "v=DMARC1; p=reject; rua=mailto:d@example.org",
    "s1._domainkey.example.net TXT": "v=DKIM1; p=AAAA",
}
BAD = LISTS | {
    "mx.example.org A": "192.0.2.26",
    "example.org MX": ["0 mx.example.org", "5 192.0.2.25"],
    "example.org TXT": ["v=spf1 a:nowhere.example.org -all"],
    "example.net A": "192.0.2.80",
    "_dmarc.example.net TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
    "25.2.0.192.zen.spamhaus.org A": "127.0.0.4",
    "2.0.0.127.list.dnswl.org A": "127.0.0.255",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "main.cf").write_text(MAIN.format(folder=tmp_path))
    (tmp_path / "master.cf").write_text("smtp inet n - n - - smtpd\n")
    (tmp_path / "domains").write_text("example.org x\nexample.net x\n")
    return tmp_path


def audit(folder, server):
    """Exit status, and the findings; not those about bans, which depend on what runs on this machine."""
    (folder / "gatepost.toml").write_text(CONFIG.format(server=server))
    command = [sys.executable, "-m", "gatepost", "postfix", "audit", "--json", "--dns", "--no-probe"]
    done = subprocess.run(
        [*command, "-c", str(folder), "--config", str(folder / "gatepost.toml")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert "" == done.stderr
    found = json.loads(done.stdout)["findings"]
    return done.returncode, [one for one in found if not one["name"].startswith("bans.")]


def test_a_server_whose_names_are_in_order(folder):
    with nsd({".": root_zone(GOOD)}) as server:
        assert (0, []) == audit(folder, server.server)


def test_a_server_whose_names_are_in_disorder(folder):
    with nsd({".": root_zone(BAD)}) as server:
        status, findings = audit(folder, server.server)
    assert sorted(
        [
            *("reverse.missing", "helo.elsewhere", "listed.ourselves", "listed.refused"),
            *("mx.address", "spf.not_us", "dmarc.missing", "dkim.none"),  # example.org
            *("mx.missing", "spf.missing", "dmarc.several", "dkim.none"),  # example.net
        ]
    ) == sorted(one["name"] for one in findings)
    assert 1 == status
    remedies = "\n".join(one["remedy"] for one in findings)
    for line in (
        "25.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.org.",
        "example.net. 3600 IN MX 10 mx.example.org.",
        'example.net. 3600 IN TXT "v=spf1 mx a:mx.example.org ~all"',
        'example.org. 3600 IN TXT "v=spf1 a:nowhere.example.org ip4:192.0.2.25 -all"',
        '_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.org"',
    ):
        assert line in remedies


def zone_of(name, table):
    """The text of a zone of its own."""
    head = f"{name}. 60 IN SOA ns.{name}. h.{name}. 1 2 3 4 60\n{name}. 60 IN NS ns.elsewhere.example.\n"
    records = root_zone({key: value for key, value in table.items() if f"{name} " in key}).splitlines()[3:]
    return head + "\n".join(records) + "\n"


def test_a_name_server_that_refuses_says_nothing_of_us(folder):
    with nsd({"elsewhere.example": zone_of("elsewhere.example", {})}) as server:
        status, findings = audit(folder, server.server)
    assert ["dns.ill"] == [one["name"] for one in findings]
    assert 0 == status


def test_a_name_server_that_knows_our_zones_alone_is_good_enough(folder):
    with nsd({"example.org": zone_of("example.org", GOOD)}) as server:
        status, findings = audit(folder, server.server)
    assert ["dns.silent"] == [one["name"] for one in findings]
    assert "example.net MX (refused)" in findings[0]["evidence"]
    assert 0 == status


def test_records_that_are_proposed_are_taken_by_a_name_server_and_put_all_right(folder):
    with nsd({".": root_zone(BAD)}) as server:
        _, findings = audit(folder, server.server)
    kept = ("mx.missing", "spf.missing", "spf.not_us", "dmarc.missing", "reverse.missing")
    lines = [
        line
        for one in findings
        if one["name"] in kept
        for line in one["remedy"].splitlines()
        if " 3600 IN " in line
    ]
    again = {
        name: value for name, value in BAD.items() if name not in ("example.org TXT", "mx.example.org A")
    }
    zone = root_zone(again | {"mx.example.org A": "192.0.2.25"}) + "\n".join(lines) + "\n"
    with nsd({".": zone}) as server:
        _, findings = audit(folder, server.server)
    assert set(kept).isdisjoint(one["name"] for one in findings)


# --- keys ---------------------------------------------------------------------------------------------


def keys(folder):
    """Findings about DKIM, with a signer whose configuration says so."""

    def read(path):
        texts = {
            "/etc/opendkim.conf": "KeyTable /kt\nSigningTable /st\n",
            "/kt": f"one example.org:rsa:{folder}/rsa.key\ntwo example.org:ed:{folder}/ed.key\n",
        }
        return texts.get(path)

    async def ask(server):
        own = await read_own(read_instance(str(folder)), Ours(domains=["example.org"]), (), run_program, read)
        dns = open_dns(DnsOptions(servers=(server,)), SystemClock())
        try:
            return [one for one in await ask_around(own, dns.resolver) if one.name.startswith("dkim.")]
        finally:
            await dns.close()

    return ask


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def test_records_of_real_keys_are_proposed_and_then_found_right(folder):
    openssl("genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder / "rsa.key")
    openssl("genpkey", "-algorithm", "ed25519", "-out", folder / "ed.key")
    (folder / "domains").write_text("example.org x\n")
    with nsd({".": root_zone(GOOD)}) as server:
        found = asyncio.run(keys(folder)(server.server))
    assert ["dkim.missing", "dkim.missing"] == [one.name for one in found]
    records = [one.remedy for one in found]
    assert " ".join(records).count('" "') == 1, "a key of 2048 bits is longer than one string"
    with nsd({".": root_zone(GOOD) + "\n".join(records) + "\n"}) as server:
        assert [] == asyncio.run(keys(folder)(server.server))
    openssl("genpkey", "-algorithm", "ed25519", "-out", folder / "ed.key")
    with nsd({".": root_zone(GOOD) + "\n".join(records) + "\n"}) as server:
        assert ["dkim.differs"] == [one.name for one in asyncio.run(keys(folder)(server.server))]
