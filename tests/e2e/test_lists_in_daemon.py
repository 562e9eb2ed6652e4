"""Public lists in the real daemon: what a refusal says, what status tells, and a key that shows nowhere."""

import json
import subprocess

import pytest

from support.daemon import Daemon, gatepost
from support.nsd import nsd, root_zone

KEY = "k3yk3yk3yk3yk3yk3yk3yk3y26"
KEYED, WILD, REFUSING = "zen.dq.spamhaus.net", "wild.example.org", "refusing.example.org"
TABLE = {
    f"2.0.0.127.{KEY}.{KEYED} A": "127.0.0.2",
    f"10.2.0.192.{KEY}.{KEYED} A": "127.0.0.4",
    f"10.2.0.192.{KEY}.{KEYED} TXT": f"ask about 10.2.0.192.{KEY}.{KEYED}",
    f"2.0.0.127.{WILD} A": "127.0.0.2",
    f"*.{WILD} A": "127.0.0.2",
    f"*.{REFUSING} A": "127.255.255.254",
    "test.dbl.spamhaus.org A": "127.0.1.2",
}
UNKNOWN = {"client_name": "unknown", "reverse_client_name": "unknown"}


@pytest.fixture(scope="module")
def server():
    with nsd({".": root_zone(TABLE)}) as running:
        yield running


def config(*lists):
    sections = "".join(f"[[dnsbl]]\n{text}\n" for text in lists)
    return f"dnswl = []\n#tables\n{sections}[greylist]\nwhen = 'never'\n"


def test_a_key_stands_in_no_reply_log_command_or_file(server, tmp_path):
    key_file = tmp_path / "dqs.key"
    key_file.write_text(f"{KEY}\n")
    lists = config(f'zone = "{KEYED}"\nkey_file = "{key_file}"')
    with gatepost(tmp_path / "daemon", lists, dns=server.server) as daemon:
        reply = daemon.ask(client_address="192.0.2.10", **UNKNOWN)
        seen = [
            daemon.command(*words)[1]
            for words in (
                ("status",),
                ("status", "--json"),
                ("explain", "192.0.2.10"),
                ("explain", "192.0.2.10", "--json"),
                ("config", "show"),
            )
        ]
        assert daemon.stop() == 0
        files = subprocess.run(["grep", "-rl", KEY, str(daemon.folder)], check=False, capture_output=True)

    assert reply.startswith(f"554 5.7.1 your address [192.0.2.10] is listed by {KEYED} (XBL)")
    assert f"ask about 10.2.0.192.***.{KEYED}" in reply
    assert [text for text in (reply, *seen, daemon.logged()) if KEY in text.lower()] == []
    assert files.stdout == b""


def test_lists_that_misbehave_refuse_nobody_and_status_says_why(server, tmp_path):
    lists = config(f'zone = "{WILD}"', f'zone = "{REFUSING}"')
    with gatepost(tmp_path, lists, dns=server.server) as daemon:
        reply = daemon.ask(client_address="192.0.2.10", **UNKNOWN)
        _, output = daemon.command("status", "--json", check=0)
    stands = {entry["zone"]: entry for entry in json.loads(output)["lists"]}

    assert not reply.startswith("5")
    assert "it may list everything" in stands[WILD]["reason"]
    assert "it answers 127.255.255.254" in stands[REFUSING]["reason"]
    assert (stands[WILD]["state"], stands["dbl.spamhaus.org"]["state"]) == ("aside", "well")
    assert daemon.logged().count(f"gatepost.dnslist: list {REFUSING} is put aside") == 1


def test_a_dead_list_in_the_configuration_is_refused_with_the_reason(tmp_path):
    daemon = Daemon(tmp_path, config('zone = "dnsbl.sorbs.net"'))
    _, output = daemon.command("run", check=2)

    assert "dnsbl[0].zone: dnsbl.sorbs.net is dead and must not be asked: SORBS was shut down" in output
