"""Whatever the name servers do, no mail is refused or kept waiting for it, and the daemon goes on.

The client has a name and a HELO that do not exist in these zones, and a
sender domain without MX: were any of these answers believed, `strict` would
refuse. The profile's greylisting is off, so that 250 means: nothing counted.
"""

import time

import dns.rcode
import pytest

from support import mute_dns
from support.dns_liar import Liar
from support.door import Door
from support.nsd import nsd, root_zone

TOP = 'profile = "strict"'
TABLES = '[greylist]\nwhen = "never"\n'


def judged(door):
    """Reply, and the journal's entry, of an honest mail."""
    reply = door.mail()
    entries = [e for e in door.gatepost.journal("192.0.2.7") if e["stage"] == "RCPT"]
    return reply, entries[0]


def counted(entry):
    """Rules that were found and not taken out of the sum."""
    return {
        f["rule"] for f in entry["findings"] if not f["excused_by"] and not f["rule"].startswith("error.")
    }


def the_mail_went_on(door, word=""):
    started = time.monotonic()
    reply, entry = judged(door)

    assert reply.startswith("250")
    assert time.monotonic() - started < 20
    assert set() == counted(entry)
    assert "DUNNO" == entry["reply"]
    assert word in " ".join(entry["notes"])
    assert door.gatepost.running()


def test_a_dead_dns_server(tmp_path):
    with Door(tmp_path, TOP, TABLES, dns="127.0.0.1:9") as door:
        the_mail_went_on(door, "no usable answers")


def test_a_slow_dns_server(tmp_path):
    with Liar(mute_dns.slow(7)) as server, Door(tmp_path, TOP, TABLES, dns=server.server) as door:
        started = time.monotonic()
        replies = door.rcpt()
        entry = door.gatepost.journal("192.0.2.7")[0]

        assert replies[0].startswith("250")
        assert time.monotonic() - started < 6
        assert entry["ms"] < 5000
        assert set() == counted(entry)


def test_a_dns_server_that_stops(tmp_path):
    zone = root_zone({"mail.example.org A": "192.0.2.7", "example.org MX": "10 mail.example.org"})
    with nsd({".": zone}) as server, Door(tmp_path, TOP, TABLES, dns=server.server) as door:
        assert door.mail().startswith("250")
        assert door.mail(helo="gone.example.org").startswith("450 4.7.1")
        server.stop()
        the_mail_went_on(door)
        assert door.mail(helo="also-gone.example.org").startswith("250")


@pytest.fixture
def ill(tmp_path, request):
    with Liar(request.param) as server, Door(tmp_path, TOP, TABLES, dns=server.server) as door:
        yield door


@pytest.mark.parametrize("ill", [mute_dns.says(dns.rcode.SERVFAIL)], indirect=True, ids=["SERVFAIL"])
def test_servfail(ill):
    the_mail_went_on(ill, "no usable answers")


@pytest.mark.parametrize("ill", [mute_dns.says(dns.rcode.REFUSED)], indirect=True, ids=["REFUSED"])
def test_refused(ill):
    the_mail_went_on(ill, "no usable answers")


@pytest.mark.parametrize("ill", [mute_dns.truncated], indirect=True, ids=["TC"])
def test_truncated_without_tcp(ill):
    the_mail_went_on(ill)


@pytest.mark.parametrize("ill", [mute_dns.of_another_name], indirect=True, ids=["other"])
def test_another_names_answer(ill):
    the_mail_went_on(ill)


@pytest.mark.parametrize("ill", [mute_dns.everything], indirect=True, ids=["everything"])
def test_everything_resolves(ill):
    the_mail_went_on(ill, "cannot exist")
