"""The audit withstands whatever stands in files and in the DNS."""

import asyncio
import contextlib

from hypothesis import given
from hypothesis import strategies as st

from gatepost.dns.base import Answer, Kind, Status
from gatepost.dnslist.options import ListOptions
from gatepost.dnslist.resolve import lists_of
from gatepost.network import parse_address
from gatepost.postfix.audit import machine, zonefile
from gatepost.postfix.audit.access_text import broad, lets_in
from gatepost.postfix.audit.base import Finding
from gatepost.postfix.audit.examine import ask_around, judge
from gatepost.postfix.audit.own import Own, SigningKey
from gatepost.postfix.audit.signers import signers
from gatepost.postfix.audit.spf_terms import QUALIFIERS, SpfError, parse
from support import audit
from support.postfix_texts import main_cf

pieces = st.sampled_from(
    [
        *(
            "v=spf1",
            "v=DMARC1;",
            "v=DKIM1;",
            "p=",
            "p=none",
            "rua=",
            "redirect=example.org",
            "include:example.org",
        ),
        *(
            "a",
            "mx",
            "ip4:192.0.2.0/24",
            "ip6:::/0",
            "-all",
            "+all",
            "ptr",
            "exists:%{i}.x",
            "a:x//129",
            "=",
            ";",
        ),
        *("ip4:", "a/33", "mx:%", "include:", "a:" + "x" * 64, "\\x00", "p=AAAA", "é"),
    ]
)
texts = st.lists(pieces | st.text(max_size=8), max_size=8).map(" ".join)
RECORDS = {
    Kind.TXT: texts,
    Kind.A: st.sampled_from(["192.0.2.25", "127.0.0.2", "127.255.255.254", "10.0.0.1"]),
    Kind.AAAA: st.sampled_from(["2001:db8::25", "::1"]),
    Kind.MX: st.sampled_from(["0 .", "10 mx.example.org", "10 192.0.2.1", "65535 x", "5 example.org"]),
    Kind.PTR: st.sampled_from(["mx.example.org", ".", "x\\032y", "example.org"]),
    Kind.CNAME: st.sampled_from(["mx.example.org", "x"]),
}
OWN = Own(
    hostname="mx.example.org",
    helo_name="mx.example.org",
    addresses=(parse_address("192.0.2.25"), parse_address("2001:db8::25")),
    domains=("example.org", "sub.example.org"),
    keys=(SigningKey("example.org", "s", "/k:1", "AAAA"),),
    signers=("/etc/opendkim.conf",),
    lists=(
        *lists_of("dnsbl", [ListOptions(zone="zen.spamhaus.org")]),
        *lists_of("rhsbl", [ListOptions(zone="dbl.spamhaus.org")]),
    ),
)


class Drawn:
    """A resolver whose answers hypothesis thinks up."""

    def __init__(self, data):
        self._data = data
        self._said = {}

    async def ask(self, name, kind):
        if (name, kind) not in self._said:
            self._said[name, kind] = self._data.draw(answers(kind), label=f"{name} {kind.name}")
        return self._said[name, kind]


def answers(kind):
    found = st.lists(RECORDS[kind], min_size=1, max_size=3, unique=True)
    return st.one_of(
        found.map(lambda records: Answer(Status.FOUND, tuple(records), 60)),
        st.sampled_from([Answer(Status.ABSENT, why="nxdomain"), Answer(Status.ABSENT, why="nodata")]),
        st.just(Answer(Status.UNKNOWN, why="timeout")),
    )


def whole(findings):
    return all(isinstance(one, Finding) and one.evidence and one.remedy for one in findings)


@given(st.data())
def test_whatever_the_dns_says_the_audit_ends_with_whole_findings(data):
    assert whole(asyncio.run(ask_around(OWN, Drawn(data))))


services = st.lists(
    st.sampled_from(
        [
            *("smtp inet n - n - 1 postscreen", "smtpd pass - - y - - smtpd", "smtp inet n - - - - smtpd"),
            *(
                "submission inet n - n - - smtpd",
                "465 inet n - y - - smtpd",
                "[::1]:10025 inet n - n - - smtpd",
            ),
            *("unix unix n - n - - smtpd", "cleanup unix n - y - 0 cleanup"),
        ]
    ),
    max_size=4,
)
overrides = st.lists(
    st.sampled_from(
        [
            *(
                "smtpd_sasl_auth_enable=yes",
                "smtpd_relay_restrictions=permit",
                "smtpd_client_restrictions=$own_list",
            ),
            *(
                "smtpd_milters=unix:/run/x",
                "mynetworks=0.0.0.0/0",
                "smtpd_tls_wrappermode=yes",
                "soft_bounce=yes",
            ),
            *("smtpd_recipient_restrictions=check_client_access,hash:/t,nonsense", "smtpd_delay_reject=$"),
        ]
    ),
    max_size=3,
)


@given(main_cf(), services, overrides)
def test_whatever_is_configured_the_audit_ends_with_whole_findings(octets, lines, options):
    text = octets.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode()
    master = "".join(line + "".join(f"\n  -o {option}" for option in options) + "\n" for line in lines)
    assert whole(judge(audit.scene(text, master)))


@given(texts)
def test_any_text_is_an_spf_record_or_in_error(text):
    with contextlib.suppress(SpfError):
        assert all(term.qualifier in QUALIFIERS.values() for term in parse(text).terms)


@given(st.text(max_size=600))
def test_any_text_becomes_strings_of_at_most_255_characters(text):
    strings = zonefile.txt("a", text).removeprefix("a. 3600 IN TXT ")[1:-1].split('" "')
    plain = [one.replace(r"\"", '"').replace(r"\\", "\\") for one in strings]
    assert all(len(one) <= 255 for one in plain) or '" "' in text


@given(st.text(), st.sampled_from(["hash:/t", "cidr:/t", "regexp:/t", "static:x", "inline:{a=b}", "x"]))
def test_any_access_table_can_be_read(text, table):
    assert isinstance(lets_in(table, text), str)
    assert isinstance(broad(table, text), str)


@given(st.text())
def test_anything_linux_or_the_log_might_say_can_be_read(text):
    assert isinstance(machine.connections(text), dict)
    assert isinstance(machine.interfaces(text), tuple)
    assert all(0 <= one.port for one in machine.listeners(text))


@given(st.dictionaries(st.sampled_from(["/etc/opendkim.conf", "/kt", "/st"]), st.text(max_size=300)))
def test_any_configuration_of_a_signer_can_be_read(files):
    files["/etc/rspamd/local.d/dkim_signing.conf"] = "".join(files.values())
    files["/etc/opendkim.conf"] = "KeyTable /kt\nSigningTable /st\n" + files.get("/etc/opendkim.conf", "")
    for key in signers(files.get, ("example.org",)).keys:
        assert key.domain
        assert key.selector
