"""Parts of the audit: what Linux, logs and tables say; records to be pasted; what could not be looked at."""

import asyncio

import msgspec
import pytest

from gatepost.dns.zone import Zone
from gatepost.dnslist import definition
from gatepost.dnslist.notation import parse
from gatepost.dnslist.options import ListOptions
from gatepost.dnslist.resolve import lists_of
from gatepost.network import parse_address
from gatepost.ours import Ours
from gatepost.postfix.audit import machine, topics, zonefile
from gatepost.postfix.audit.access_text import broad, lets_in
from gatepost.postfix.audit.base import without_keys
from gatepost.postfix.audit.examine import ENDS_SMTPD, ask_around, judge
from gatepost.postfix.audit.names import read_own
from gatepost.postfix.audit.own import Own
from gatepost.postfix.audit.scene import Listener
from gatepost.postfix.audit.spf_terms import merged, with_all, with_term
from gatepost.postfix.audit.topics import lists, policy, tables
from gatepost.postfix.program import Ran
from support import audit, postfix_instance

# --- machine ------------------------------------------------------------------------------------------

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2727 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 1
   1: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:2727 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   101        0 3
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:2727 00000000000000000000000000000000:0000 0A 0
   1: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 0
"""


def test_listeners_of_both_families():
    assert [Listener("127.0.0.1", 10023), Listener("0.0.0.0", 25)] == list(machine.listeners(TCP))
    assert [Listener("::", 10023), Listener("::1", 25)] == list(machine.listeners(TCP6))


def test_interfaces_with_their_networks():
    shown = (
        "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n"
        "2: eth0    inet 198.51.100.7/22 brd 198.51.103.255 scope global eth0\n"
        "2: eth0    inet6 fe80::1/64 scope link\n"
        "4: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0\n"
    )
    every = ("127.0.0.1/8", "198.51.100.7/22", "fe80::1/64", "172.17.0.1/16")
    assert every == machine.interfaces(shown)
    assert ("172.17.0.1/16",) == machine.interfaces(shown, machine.BRIDGES)


def test_connections_at_port_25_are_counted():
    log = """\
Nov 28 05:33:15 mx postfix/smtpd[1]: connect from mail.example.org[192.0.2.1]
Nov 28 05:33:15 mx postfix/smtpd[1]: disconnect from mail.example.org[192.0.2.1] ehlo=1 quit=1
2026-11-28T05:33:16.1+00:00 mx postfix/smtpd[2]: connect from unknown[192.0.2.1]
Nov 28 05:33:16 mx postfix/postscreen[3]: CONNECT from [2001:db8::1]:4711 to [192.0.2.25]:25
Nov 28 05:33:17 mx postfix/submission/smtpd[4]: connect from home.example.net[198.51.100.1]
Nov 28 05:33:18 mx postfix/smtpd[5]: NOQUEUE: reject: connect from [203.0.113.1]
"""
    assert {"192.0.2.1": 2, "2001:db8::1": 1} == machine.connections(log)


# --- access tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "text", "key"),
    [
        ("hash:/t", "com OK\n", "com"),
        ("hash:/t", ".de\tpermit\n", ".de"),
        ("hash:/t", "198 OK\n", "198"),
        ("hash:/t", "192.0.2.1 OK\nexample.org OK\n198.51 OK\n", ""),
        ("hash:/t", "com REJECT\n# com OK\n  com OK\n", ""),
        ("hash:/t", "com 12345\n", "com"),
        ("cidr:/t", "0.0.0.0/0 OK\n", "0.0.0.0/0"),
        ("cidr:/t", "192.0.2.0/24 OK\n::/0 DUNNO\n", ""),
        ("regexp:/t", "/.*/ OK\n", "/.*/"),
        ("pcre:/t", "/^/i OK\n", "/^/i"),
        ("pcre:/t", "/^mail[.]example[.]org$/ OK\n", ""),
        ("static:OK", "", "everybody"),
        ("static:DUNNO", "", ""),
        ("inline:{com=OK, org=REJECT}", "", "com"),
    ],
)
def test_entries_that_many_strangers_have(table, text, key):
    assert key == broad(table, text)


def test_entries_that_let_anybody_in():
    assert "bob@example.org" == lets_in("hash:/t", "# x OK\nann@example.org DUNNO\nbob@example.org OK now\n")
    assert "" == lets_in("hash:/t", "ann@example.org 550 no\nbob@example.org\n")


# --- records ------------------------------------------------------------------------------------------


def test_long_text_is_cut_into_strings():
    record = zonefile.txt("k._domainkey.example.org", "p=" + "A" * 400)
    assert f'k._domainkey.example.org. 3600 IN TXT "p={"A" * 253}" "{"A" * 147}"' == record


def test_quotes_are_escaped():
    assert r'a. 3600 IN TXT "x\"y\\z"' == zonefile.txt("a", r"x\"y\z".replace(r"\"", '"'))


def test_records_of_addresses():
    v6 = parse_address("2001:db8::1")
    assert "a.example. 3600 IN AAAA 2001:db8::1" == zonefile.address("a.example", v6)
    assert zonefile.pointer(v6, "a.example").endswith("8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR a.example.")


def test_a_term_stands_before_what_decides_about_the_rest():
    assert "v=spf1 mx ip4:192.0.2.1 -all" == with_term("v=spf1 mx -all", "ip4:192.0.2.1")
    assert "v=spf1 a ip4:192.0.2.1 redirect=x.example" == with_term(
        "v=spf1 a redirect=x.example", "ip4:192.0.2.1"
    )
    assert "v=spf1 mx a" == with_term("v=spf1 mx", "a")


def test_the_end_of_a_record_is_replaced():
    assert "v=spf1 mx ~all" == with_all("v=spf1 mx ?all", "~all")


def test_records_are_put_together_with_the_mildest_end():
    assert "v=spf1 mx a ~all" == merged(["v=spf1 mx -all", "v=spf1 a mx ~all"])
    assert "v=spf1 mx a -all" == merged(["v=spf1 mx -all", "v=spf1 a -all"])


# --- filters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", definition.living(), ids=lambda one: f"{one.purpose} {one.zone}")
def test_a_filter_takes_what_the_list_means_and_no_error_answer(known):
    pattern = parse(lists.answers_of(known))
    for error in ("127.255.255.252", "127.255.255.254", "127.255.255.255", "93.184.216.34"):
        assert not pattern.matches(error)
    codes = [parse(code.answers) for code in known.code if code.answers and not code.trust]
    for code in codes if known.purpose != "dnswl" else ():
        assert pattern.matches(".".join(str(min(octet)) for octet in code.octets))


@pytest.mark.parametrize(
    ("text", "seconds"), [("100s", 100), ("100", 100), ("5m", 300), ("1h", 3600), ("x", 0)]
)
def test_times_of_postfix(text, seconds):
    assert seconds == policy.seconds(text)


# --- what cannot be looked at -------------------------------------------------------------------------

OWN = Own(
    hostname="mx.example.org",
    helo_name="mx.example.org",
    addresses=(parse_address("192.0.2.25"),),
    domains=("example.org",),
)


def names(own, zone, **more):
    return sorted(one.name for one in asyncio.run(ask_around(own, zone, **more)))


def test_answers_that_do_not_come_are_told_once_and_nothing_is_missing():
    everything = dict.fromkeys(("example.org", "mx.example.org", "_domainkey.example.org"), "!timeout")
    zone = Zone({**everything, "_dmarc.example.org": "!servfail", "25.2.0.192.in-addr.arpa": "!refused"})
    found = asyncio.run(ask_around(OWN, zone))
    assert ["dns.silent"] == [one.name for one in found]
    assert "25.2.0.192.in-addr.arpa PTR (refused)" in found[0].evidence


def test_a_resolver_that_lies_is_not_asked():
    zone = Zone()
    assert ["dns.ill"] == names(OWN, zone, ill='names that cannot exist resolve, such as "x.invalid"')
    assert [] == zone.asked


def test_what_is_late_is_told_and_the_rest_is_kept():
    zone = Zone({"example.org": "!hang", "_dmarc.example.org TXT": "v=DMARC1"})
    assert ["dns.late", "helo.unresolvable", "reverse.missing"] == names(OWN, zone, seconds=0.05)


def test_behind_nat_the_address_of_our_name_is_taken():
    own = Own(hostname="mx.example.org", helo_name="mx.example.org")
    zone = Zone({"mx.example.org A": "192.0.2.25"})
    assert ["reverse.missing"] == names(own, zone)


def test_without_any_address_it_is_told():
    assert ["dns.no_address", "helo.unresolvable"] == names(Own("mx.example.org", "mx.example.org"), Zone())


def test_too_many_domains_are_told():
    own = Own("mx.example.org", "mx.example.org", domains=tuple(f"d{n}.example" for n in range(103)))
    found = asyncio.run(ask_around(own, Zone({"mx.example.org A": "192.0.2.25"})))
    assert ["103 domains; not looked at: d100.example and later"] == [
        one.evidence for one in found if one.name == "dns.many"
    ]
    assert 100 == sum(one.name == "mx.no_domain" for one in found)


def test_a_setting_that_cannot_be_understood_is_told_and_other_topics_go_on():
    found = judge(
        audit.scene("compatibility_level = 3.6\nsmtpd_client_restrictions = ${x\nsoft_bounce = yes\n")
    )
    assert {"config.unclear", "smtp.vrfy", "smtp.helo_optional", "leftover.soft_bounce"} == {
        one.name for one in found
    }
    assert ["/etc/postfix/main.cf:2"] == [
        one.evidence.partition(": ")[0] for one in found if one.name == "config.unclear"
    ]


# --- keys ---------------------------------------------------------------------------------------------


def test_no_key_of_a_list_is_printed(tmp_path):
    key = "abcdefghijklmnopqrstuvwxyz"
    (tmp_path / "key").write_text(key)
    option = ListOptions(zone="zen.dq.spamhaus.net", key_file=str(tmp_path / "key"))
    own = Own("mx.example.org", "mx.example.org", OWN.addresses, lists=lists_of("dnsbl", [option]))
    zone = Zone({f"{n}.0.0.127.{key}.zen.dq.spamhaus.net": "!servfail" for n in (1, 2)})
    found = asyncio.run(ask_around(own, zone))
    assert "dns.silent" in [one.name for one in found]
    assert key not in str(found)


def test_keys_in_settings_are_replaced_whatever_stands_around_them():
    text = "reject_rbl_client Abc123.ZEN.dq.spamhaus.net=127.0.0.2, x.dbl.dq.spamhaus.net"
    assert "reject_rbl_client KEY.zen.dq.spamhaus.net=127.0.0.2, KEY.dbl.dq.spamhaus.net" == without_keys(
        text
    )


# --- places -------------------------------------------------------------------------------------------


def evidence(main, master=audit.SMTP):
    found = judge(audit.scene(main, master))
    return [one.evidence for one in found if one.name == "lists.no_filter"]


def test_a_restriction_is_told_with_the_line_where_it_stands_itself():
    lines = (
        "smtpd_client_restrictions =",
        "  permit_mynetworks",
        "  # remark",
        "  reject_rbl_client",
        "   a.example",
    )
    place = "/etc/postfix/main.cf:4: smtpd_client_restrictions has reject_rbl_client a.example"
    assert [place] == evidence("\n".join(lines))


def test_one_that_a_name_stands_for_is_told_with_the_line_of_its_list():
    main = "own = reject_rbl_client a.example\nsmtpd_client_restrictions = permit_mynetworks, $own\n"
    place = "/etc/postfix/main.cf:2: smtpd_client_restrictions has reject_rbl_client a.example"
    assert [place] == evidence(main)


def test_one_of_a_service_is_told_with_its_line_in_master_cf():
    options = (
        " -o smtpd_helo_required=yes\n -o { smtpd_client_restrictions =\n   reject_rbl_client a.example }\n"
    )
    place = "/etc/postfix/master.cf:4: smtpd_client_restrictions has reject_rbl_client a.example"
    assert [place] == evidence("", audit.SMTP + options)


# --- what is ours -------------------------------------------------------------------------------------


async def nothing(arguments, seconds):
    return Ran(-1)


def sends_from(main, *addresses):
    ours = Ours(addresses=[parse_address(text) for text in addresses])
    made = asyncio.run(read_own(audit.scene(main).instance, ours, (), nothing, {}.get))
    return [str(address) for address in made.addresses]


def test_addresses_of_a_version_that_postfix_does_not_use_are_left_out():
    both = ("2001:db8::25", "192.0.2.25")
    assert ["192.0.2.25"] == sends_from("inet_protocols = ipv4\n", *both)
    assert ["2001:db8::25"] == sends_from("inet_protocols = ipv6\n", *both)
    assert ["192.0.2.25", "2001:db8::25"] == sends_from("inet_protocols = all\n", *both)


def test_mail_comes_from_the_address_that_is_bound():
    main = "inet_protocols = all\nsmtp_bind_address = 192.0.2.99\nsmtp_bind_address6 = ::1\n"
    assert ["192.0.2.99", "2001:db8::25"] == sends_from(main, "192.0.2.25", "192.0.2.99", "2001:db8::25")


def test_names_that_only_this_machine_has_are_no_domains():
    main = "mydestination = $myhostname, localhost.example.org, localhost, example.net\n"
    instance = audit.scene(main).instance
    ours = Ours(domains=["mx.example.org", "localhost.example.org", "example.net"])
    assert ("example.net",) == asyncio.run(read_own(instance, ours, (), nothing, {}.get)).domains
    alone = Ours(domains=["mx.example.org"])
    assert ("mx.example.org",) == asyncio.run(read_own(instance, alone, (), nothing, {}.get)).domains


def test_the_domain_of_local_mail_may_stand_in_a_file(tmp_path):
    (tmp_path / "mailname").write_text("Example.NET\nmore\n")
    instance = audit.scene(f"myorigin = {tmp_path}/mailname\n").instance
    assert ("example.net",) == asyncio.run(read_own(instance, Ours(), (), nothing, {}.get)).domains


def test_the_folder_of_another_instance_is_its_config_directory():
    scene = audit.scene("compatibility_level = 3.6\nalias_maps = hash:$config_directory/aliases\n")
    assert ["/etc/postfix/aliases"] == [table.path for table in tables.tables(scene) if table.kind == "hash"][
        :1
    ]
    other = msgspec.structs.replace(scene.instance, config_dir="/etc/postfix-out")
    scene = msgspec.structs.replace(scene, instance=other)
    assert "/etc/postfix-out/aliases" in [table.path for table in tables.tables(scene)]


# --- together with the plan ---------------------------------------------------------------------------

GUIDE = """\
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination,
    reject_unknown_sender_domain
smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unknown_client_hostname
"""


@pytest.mark.parametrize("level", ["", "compatibility_level = 2\n", "compatibility_level = 3.6\n"])
@pytest.mark.parametrize("main", ["", GUIDE])
def test_nothing_is_wrong_with_the_lines_that_the_plan_writes(level, main):
    made = postfix_instance.planned(level + main)
    scene = audit.scene(made.main.source.text, made.master.source.text)
    names = {one.name for one in judge(scene)}
    assert names <= {"smtp.vrfy", "leftover.compatibility"}


def test_what_ends_smtpd_is_something_that_can_be_found():
    assert {fault.name for topic in topics.find().values() for fault in topic.faults} >= ENDS_SMTPD
