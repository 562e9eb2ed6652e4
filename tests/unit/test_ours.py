"""What is ours is read once, asked where it stands in tables, and never guessed.

Programs are played by `Programs`; tests/e2e/test_ours_of_postfix.py asks the real ones.
"""

import asyncio
import sys
from ipaddress import ip_address

import msgspec
import pytest

from gatepost.clock import FakeClock
from gatepost.ours import Ours
from gatepost.postfix.ours import OursOptions, machine_addresses, read_ours
from gatepost.postfix.program import Ran, run_program
from gatepost.postfix.tables import KEEP, KEEP_FAILURE, PROBE, Tables, answer_of

MAIN_CF = {
    "myhostname": "mx.example.org",
    "smtp_helo_name": "out.example.org",
    "mynetworks": "127.0.0.0/8 192.0.2.0/24",
    "inet_interfaces": "all",
    "proxy_interfaces": "203.0.113.9",
    "mydestination": "example.org localhost.localdomain, localhost !not.example.org not.example.org .sub.org",
    "virtual_mailbox_domains": "",
    "virtual_alias_domains": "",
    "relay_domains": "hash:/relay",
}
FATAL = Ran(1, err="postmap: fatal: open /relay: Permission denied\n")


class Programs:
    """Plays postconf and postmap: a table holds domains, or fails with a Ran of its own."""

    def __init__(self, main_cf=None, tables=None, networks=None):
        self.main_cf = {**MAIN_CF, **(main_cf or {})}
        self.tables = tables if tables is not None else {"hash:/relay": {"relay.org"}}
        self.networks = networks or {}
        self.started = []

    async def __call__(self, arguments, seconds):
        self.started.append(list(arguments))
        if arguments[0] == "postconf":
            return Ran(0, "".join(f"{name} = {value}\n" for name, value in self.main_cf.items()))
        if "-s" in arguments:
            keys = self.networks.get(arguments[-1])
            return FATAL if keys is None else Ran(0, "".join(f"{key}\tOK\n" for key in keys))
        held = self.tables[arguments[-1]]
        if isinstance(held, Ran):
            return held
        return Ran(0, "OK\n") if arguments[-2] in held else Ran(1)


def read(tmp_path, options=None, **programs):
    return asyncio.run(read_ours(options or OursOptions(), FakeClock(), Programs(**programs), tmp_path))


def owns(ours, domain):
    return asyncio.run(ours.owns_domain(domain))


def test_names_networks_and_addresses_come_from_postfix_and_the_interfaces(tmp_path):
    (tmp_path / "fib_trie").write_text("|-- 192.0.2.25\n   /32 host LOCAL\n|-- 10.0.0.5\n   /32 host LOCAL\n")
    (tmp_path / "if_inet6").write_text("20010db8000000000000000000000025 02 40 00 80     eth0\n")
    ours = read(tmp_path)
    assert {"mx.example.org", "out.example.org"} == ours.names
    assert ours.is_client(ip_address("192.0.2.77"))
    assert not ours.is_client(ip_address("198.51.100.1"))
    assert {"192.0.2.25", "2001:db8::25", "203.0.113.9"} == {str(a) for a in ours.addresses}
    assert () == ours.missing


@pytest.mark.parametrize(("gateway", "counts"), [("172.17.0.1", True), ("203.0.113.1", False)])
def test_a_gateway_within_is_of_this_machine_and_a_providers_router_is_not(tmp_path, gateway, counts):
    digits = f"{int.from_bytes(ip_address(gateway).packed, sys.byteorder):08X}"
    (tmp_path / "fib_trie").write_text("|-- 192.0.2.25\n   /32 host LOCAL\n")
    (tmp_path / "route").write_text(f"Iface Destination Gateway\neth0 00000000 {digits} 0003\n")

    assert counts == (ip_address(gateway) in machine_addresses(tmp_path))
    assert ip_address("192.0.2.25") in machine_addresses(tmp_path)


def test_only_where_postfix_listens_is_ours_when_it_says_so(tmp_path):
    (tmp_path / "fib_trie").write_text("|-- 192.0.2.25\n   /32 host LOCAL\n")
    ours = read(tmp_path, main_cf={"inet_interfaces": "192.0.2.26, [2001:db8::26], loopback-only"})
    assert {"192.0.2.26", "2001:db8::26", "203.0.113.9"} == {str(a) for a in ours.addresses}


def test_domains_are_those_written_out_and_those_in_tables(tmp_path):
    ours = read(tmp_path)
    assert {"example.org"} == ours.domains
    assert owns(ours, "Example.ORG.") is True
    assert owns(ours, "relay.org") is True
    assert owns(ours, "elsewhere.org") is False


@pytest.mark.parametrize("domain", ["localhost", "localhost.localdomain", "not.example.org", "a.sub.org"])
def test_everybodys_names_and_excluded_ones_are_not_ours(tmp_path, domain):
    assert owns(read(tmp_path), domain) is False


def test_a_table_that_cannot_be_asked_is_told_and_never_taken_for_no(tmp_path):
    ours = read(tmp_path, tables={"hash:/relay": FATAL})
    assert owns(ours, "example.org") is True
    assert owns(ours, "relay.org") is None
    (sentence,) = ours.missing
    assert "hash:/relay cannot be asked (postmap: fatal: open /relay: Permission denied)" in sentence
    assert "sender_domain.ours" in sentence


def test_a_table_that_holds_everything_is_not_believed(tmp_path):
    ours = read(tmp_path, tables={"hash:/relay": {PROBE, "anything.org"}})
    assert owns(ours, "anything.org") is False
    assert ["the table hash:/relay holds every domain, so it is not asked which are ours"] == list(
        ours.missing
    )


def test_a_proxied_table_that_only_postfix_may_ask_is_read_directly(tmp_path):
    ours = read(
        tmp_path,
        main_cf={"relay_domains": "proxy:hash:/relay"},
        tables={"proxy:hash:/relay": FATAL, "hash:/relay": {"relay.org"}},
    )
    assert owns(ours, "relay.org") is True
    assert () == ours.missing


def test_networks_come_from_files_and_tables(tmp_path):
    (tmp_path / "nets").write_text("198.51.100.0/24 # the office\n!198.51.100.7\n")
    (tmp_path / "cidr").write_text("203.0.113.0/25 OK\n")
    text = f"!198.51.100.7 {tmp_path}/nets cidr:{tmp_path}/cidr hash:/hosts"
    ours = read(tmp_path, main_cf={"mynetworks": text}, networks={"hash:/hosts": ["192.0.2.9"]})
    inside = [a for a in ("198.51.100.8", "203.0.113.1", "192.0.2.9") if ours.is_client(ip_address(a))]
    assert ["198.51.100.8", "203.0.113.1", "192.0.2.9"] == inside
    assert not ours.is_client(ip_address("198.51.100.7"))
    assert not ours.is_client(ip_address("203.0.113.200"))


def test_networks_that_cannot_be_read_are_told(tmp_path):
    ours = read(tmp_path, main_cf={"mynetworks": "127.0.0.0/8 /gone ldap:x .example.org cidr:/gone"})
    assert ["127.0.0.0/8"] == [str(n) for n in ours.networks]
    assert ["/gone", "ldap:x", ".example.org", "cidr:/gone"] == [s.split()[0] for s in ours.missing]


def test_what_is_configured_replaces_what_would_be_read(tmp_path):
    options = OursOptions(
        names=("mx.example.net",),
        domains=("example.net",),
        networks=("198.51.100.0/24",),
        addresses=("192.0.2.1",),
    )
    programs = Programs()
    ours = asyncio.run(read_ours(options, FakeClock(), programs, tmp_path))
    assert [] == programs.started
    assert ({"mx.example.net"}, {"example.net"}) == (ours.names, ours.domains)
    assert ["198.51.100.0/24"] == [str(n) for n in ours.networks]
    assert {ip_address("192.0.2.1")} == ours.addresses
    assert owns(ours, "relay.org") is False


def test_a_part_that_is_configured_leaves_the_others_to_postfix(tmp_path):
    ours = read(tmp_path, OursOptions(domains=("example.net",)))
    assert {"example.net"} == ours.domains
    assert "mx.example.org" in ours.names
    assert owns(ours, "relay.org") is False


def test_without_postconf_everything_is_unknown_and_told(tmp_path):
    options = OursOptions(networks=("192.0.2.0/24",))

    async def no_such_program(arguments, seconds):
        return Ran(-1, err="postconf: no such file or directory")

    ours = asyncio.run(read_ours(options, FakeClock(), no_such_program, tmp_path))
    assert (None, None) == (ours.names, ours.domains)
    assert ours.is_client(ip_address("192.0.2.7"))
    assert owns(ours, "example.org") is None
    assert not ours.is_name("mx.example.org")
    names, domains = ours.missing
    assert "our own names are not known (postconf: no such file or directory): helo.ours is off" in names
    assert "set [ours] domains" in domains


def test_postfix_is_left_alone_when_told_so(tmp_path):
    programs = Programs()
    ours = asyncio.run(read_ours(OursOptions(read_postfix=False), FakeClock(), programs, tmp_path))
    assert [] == programs.started
    assert 3 == len(ours.missing)
    assert all("read_postfix is off" in sentence for sentence in ours.missing)


def test_another_configuration_folder_is_handed_on(tmp_path):
    programs = Programs()
    asyncio.run(read_ours(OursOptions(postfix_config_dir="/else"), FakeClock(), programs, tmp_path))
    assert programs.started
    assert all(arguments[1:3] == ["-c", "/else"] for arguments in programs.started)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"networks": ["192.0.2.1/24"]}, '"192.0.2.1/24" is no network'),
        ({"addresses": ["192.0.2"]}, '"192.0.2" is no address'),
        ({"domains": ["a..b"]}, '"a..b" is no name'),
        ({"names": ["192.0.2.1"]}, '"192.0.2.1" is no name'),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(options, OursOptions)


# --- tables -------------------------------------------------------------------------------------------


def ask(tables, *domains):
    async def all_of_them():
        return await asyncio.gather(*(tables.holds(d) for d in domains))

    return asyncio.run(all_of_them())


def test_an_answer_is_kept_for_a_while():
    programs, clock = Programs(), FakeClock()
    tables = Tables(["hash:/relay"], "", clock, programs)
    ask(tables, "relay.org")
    ask(tables, "relay.org")
    assert 1 == len(programs.started)
    clock.advance(KEEP + 1)
    ask(tables, "relay.org")
    assert 2 == len(programs.started)


def test_a_failure_is_forgotten_sooner():
    programs, clock = Programs(tables={"hash:/relay": FATAL}), FakeClock()
    tables = Tables(["hash:/relay"], "", clock, programs)
    assert [None] == ask(tables, "relay.org")
    programs.tables["hash:/relay"] = {"relay.org"}
    assert [None] == ask(tables, "relay.org")
    clock.advance(KEEP_FAILURE + 1)
    assert [True] == ask(tables, "relay.org")


def test_many_questions_about_one_domain_start_few_programs():
    programs = Programs()
    assert [True] * 50 == ask(Tables(["hash:/relay"], "", FakeClock(), programs), *["relay.org"] * 50)
    assert len(programs.started) <= 4


def test_one_failing_table_does_not_hide_what_another_holds():
    tables = Tables(
        ["hash:/a", "hash:/b"], "", FakeClock(), Programs(tables={"hash:/a": FATAL, "hash:/b": {"b.org"}})
    )
    assert [True, None] == ask(tables, "b.org", "c.org")


@pytest.mark.parametrize("domain", ["", "-", "-q", "a b", "a\nb", "[192.0.2.1]", "x" * 300])
def test_what_is_no_domain_starts_no_program(domain):
    programs = Programs()
    assert [False] == ask(Tables(["hash:/relay"], "", FakeClock(), programs), domain)
    assert [] == programs.started


@pytest.mark.parametrize(
    ("ran", "answer"),
    [
        (Ran(0, "OK\n"), True),
        (Ran(1), False),
        (Ran(1, err="postmap: warning: database /x.db is older than source file /x\n"), False),
        (FATAL, None),
        (Ran(1, err="postmap: warning: connect to mysql server: refused\n"), None),
        (Ran(-1, err="postmap: no answer within 2 s"), None),
        (Ran(-11), None),
    ],
)
def test_what_postmap_says(ran, answer):
    assert answer is answer_of(ran)


# --- programs -----------------------------------------------------------------------------------------


def test_a_program_that_does_not_exist_is_a_result():
    ran = asyncio.run(run_program(["gatepost-no-such-program"], 1))
    assert (-1, "gatepost-no-such-program: no such file or directory") == (ran.code, ran.err)


def test_a_program_that_hangs_is_ended():
    ran = asyncio.run(run_program(["sleep", "60"], 0.05))
    assert (-1, "sleep: no answer within 0.05 s") == (ran.code, ran.err)


def test_a_program_is_ended_when_its_asker_goes_away():
    async def go_away():
        task = asyncio.ensure_future(run_program(["sleep", "60"], 60))
        await asyncio.sleep(0.05)
        task.cancel()
        return await asyncio.gather(task, return_exceptions=True)

    (outcome,) = asyncio.run(go_away())
    assert isinstance(outcome, asyncio.CancelledError)


# --- the value ----------------------------------------------------------------------------------------


def test_private_addresses_are_never_ours_alone():
    ours = Ours(addresses=[ip_address("10.0.0.5"), ip_address("127.0.0.1"), ip_address("192.0.2.1")])
    assert {ip_address("192.0.2.1")} == ours.addresses
    assert ours.is_own(ip_address("192.0.2.1"))
    assert not ours.is_own(ip_address("127.0.0.1"))


def test_what_is_unknown_is_neither_ours_nor_not():
    ours = Ours(names=None, domains=None)
    assert owns(ours, "example.org") is None
    assert not ours.is_name("mx.example.org")
    assert not ours.is_client(ip_address("192.0.2.1"))
