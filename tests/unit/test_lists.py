"""What is known of public lists is sound, what is configured becomes lists, and a key never shows.

Facts of RFC 5782 are those of its section 5 and of the tests of another implementation.
"""

import asyncio
import json
import logging

import msgspec
import pytest

from gatepost.checks.dnsbl import Dnsbl
from gatepost.checks.rhsbl import Rhsbl
from gatepost.clock import FakeClock
from gatepost.context import Context
from gatepost.dns.base import Answer, Kind, Status
from gatepost.dnslist import definition, lists
from gatepost.dnslist.base import Trusting
from gatepost.dnslist.notation import parse
from gatepost.dnslist.options import DEFAULTS, ListOptions, WatchOptions
from gatepost.dnslist.resolve import ListsError, lists_of, resolve
from gatepost.model import Request
from gatepost.options import Duration
from gatepost.ours import Ours
from support.cases import FixedAccess, Well
from support.zone import ZoneResolver

KEY = "k3yk3yk3yk3yk3yk3yk3yk3y26"


def one(purpose, environment=None, **options):
    """The list that these options make."""
    resolved = resolve(purpose, [ListOptions(**options)], environment or {})
    assert resolved.problems == ()
    return resolved.lists[0]


def problem(purpose, **options):
    """The one thing that is wrong with these options."""
    (text,) = resolve(purpose, [ListOptions(**options)], {}).problems
    return str(text)


def context(zone, watch=None):
    return Context(
        dns=ZoneResolver(zone),
        store=None,
        clock=FakeClock(),
        ours=Ours(),
        access=FixedAccess([]),
        watch=watch or Trusting(),
        health=Well(),
    )


# --- what is known ------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", definition.living(), ids=lambda d: f"{d.purpose} {d.zone}")
def test_every_known_list_can_be_configured_by_its_zone_alone(known):
    which = one(known.purpose, zone=known.zone, key_env="KEY" if known.key else "", environment={"KEY": KEY})

    assert known.name == which.name
    assert which.codes()
    assert set(known.kinds) <= {"ip4", "ip6", "name"}
    assert known.terms.endswith(".")
    assert [c.name for c in known.code if not c.says.endswith(".")] == []


@pytest.mark.parametrize("known", definition.living(), ids=lambda d: f"{d.purpose} {d.zone}")
def test_no_known_list_is_dead_or_calls_an_error_answer_a_listing(known):
    assert definition.why_dead(known.zone) == ""
    which = one(known.purpose, zone=known.zone, key_env="KEY" if known.key else "", environment={"KEY": KEY})
    for answer in ("127.255.255.252", "127.255.255.254", "127.255.255.255", "203.0.113.1", "0.0.0.0"):
        judgement = lists.judge(which, (answer,))
        assert judgement.listings == ()
        assert judgement.error
    for error in known.error:
        first = ".".join(str(min(octet)) for octet in parse(error.answers).octets)
        assert error.says in lists.judge(which, (first,)).error


@pytest.mark.parametrize(
    "zone",
    [
        "dnsbl.sorbs.net",
        "spam.dnsbl.sorbs.net",
        "ix.dnsbl.manitu.net",
        "rhsbl.ahbl.org",
        "dnsbl.njabl.org",
        "dsn.rfc-ignorant.org",
        "relays.ordb.org",
        "list.dsbl.org",
        "bl.spamcannibal.org",
        "spam.abuse.ch",
        "dnsbl.inps.de",
        "ubl.unsubscore.com",
        "dnsbl.burnt-tech.com",
        "db.wpbl.info",
        "virbl.dnsbl.bit.nl",
        "dnsbl.cyberlogic.net",
        "ubl.nszones.com",
        "CBL.abuseat.org.",
        "bl.score.senderscore.com",
    ],
)
def test_a_dead_list_is_refused_with_the_reason(zone):
    with pytest.raises(ValueError, match=r"is dead and must not be asked: .{20}"):
        ListOptions(zone=zone)


def test_a_list_beside_a_dead_one_is_not_dead():
    assert definition.why_dead("notsorbs.net") == ""
    assert definition.why_dead("www.abuse.ch") == ""


def test_test_entries_are_those_of_rfc_5782():
    assert lists.labels_of("127.0.0.2") == ("ip4", "2.0.0.127")
    assert lists.labels_of("::FFFF:7F00:2") == (
        "ip6",
        "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
    )
    assert lists.labels_of("test") == ("name", "test")
    bl = one("dnsbl", zone="bl.example.org")
    assert bl.must_list == ("127.0.0.2", "::ffff:7f00:2")
    assert bl.must_not_list == ("127.0.0.1", "::ffff:7f00:1")
    names = one("rhsbl", zone="bl.example.org")
    assert (names.must_list, names.must_not_list) == (("test",), ("invalid",))


def test_addresses_are_asked_as_another_implementation_asks_them():
    """From the tests of mox: an IPv4 and an IPv6 address that are listed, one that is not, the text."""
    zone = {
        "2.0.0.127.example.com": {"A": ["127.0.0.2"]},
        "1.0.0.10.example.com": {"A": ["127.0.0.2"], "TXT": ["listed!"]},
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.example.com": {"A": ["127.0.0.2"]},
    }
    check = Dnsbl([ListOptions(zone="example.com", name="mox")])
    world = context(zone)

    for address, listed in (("10.0.0.1", True), ("2001:db8:1:2:3:4:567:89ab", True), ("10.0.0.2", False)):
        found = []
        request = Request(client_address=address)
        asyncio.run(check.look_up(request, world, found.append))
        assert (["dnsbl.mox.listed"] if listed else []) == [f.rule for f in found]
        if address == "10.0.0.1":
            assert asyncio.run(check.after_verdict(request, world, found[0])) == "listed!"


# --- what is configured -------------------------------------------------------------------------------


def test_the_default_lists_can_be_asked():
    for purpose, options in DEFAULTS.items():
        assert len(lists_of(purpose, options)) == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"zone": ""}, "is no zone"),
        ({"zone": "localhost"}, "is no zone"),
        ({"zone": "zen.spamhaus.org=127.0.0.2"}, "is no zone"),
        ({"zone": "192.0.2.1"}, "is no zone"),
        ({"zone": f"{'a' * 60}.{'a' * 60}.{'a' * 60}.org"}, "is no zone"),
        ({"zone": f"{KEY}.zen.dq.spamhaus.net"}, 'give "zen.dq.spamhaus.net", and the key by'),
        ({"zone": "bl.example.org", "answers": "127.0.0.300"}, "300 is more than 255"),
        ({"zone": "bl.example.org", "codes": {"127.0.0": "x"}}, "3 octets"),
        ({"zone": "bl.example.org", "name": "Zen!"}, "small letters"),
        ({"zone": "bl.example.org", "kinds": ("ipv4",)}, '"ipv4" is not possible'),
        ({"zone": "bl.example.org", "looks_at": ("recipient",)}, '"recipient" is not possible'),
        ({"zone": "bl.example.org", "min_trust": 4}, "expected 1, 2 or 3"),
        ({"zone": "bl.example.org", "min_trust": 0}, "expected 1, 2 or 3"),
        ({"zone": "bl.example.org", "key_file": "/x", "key_env": "X"}, "give one of them"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_read(options, why):
    with pytest.raises(ValueError, match=why) as refusal:
        ListOptions(**options)
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    "options",
    [
        {"interval": Duration(0)},
        {"retry": Duration(0)},
        {"window": Duration(0)},
        {"unanswered_share": 0.0},
        {"unanswered_share": 1.5},
        {"unanswered_least": 0},
    ],
)
def test_a_watch_that_cannot_work_is_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))}: expected"):
        WatchOptions(**options)


@pytest.mark.parametrize(
    ("purpose", "options", "why"),
    [
        ("rhsbl", {"zone": "zen.spamhaus.org"}, "belongs into [[dnsbl]]"),
        ("dnsbl", {"zone": "bl.example.org", "like": "zen.spamhaus.og"}, "is no dnsbl list that is known"),
        ("dnsbl", {"zone": "bl.example.org", "looks_at": ("sender",)}, '"sender" is not possible'),
        ("dnswl", {"zone": "list.dnswl.org", "looks_at": ("sender",)}, "knows addresses only"),
        ("dnswl", {"zone": "wl.example.org", "codes": {"127.0.0.2": "friend"}}, "must end in its trust"),
        ("dnsbl", {"zone": "bl.example.org", "codes": {"127.0.0.2": "Bad Guys"}}, "small letters"),
        ("dnsbl", {"zone": "zen.dq.spamhaus.net"}, "needs a key"),
        ("dnsbl", {"zone": "zen.dq.spamhaus.net", "key_env": "NO_SUCH"}, "NO_SUCH is not set"),
        ("dnsbl", {"zone": "zen.dq.spamhaus.net", "key_file": "/no/such"}, "cannot be read: No such file"),
    ],
)
def test_what_is_wrong_with_a_list_is_told_with_its_zone(purpose, options, why):
    text = problem(purpose, **options)

    assert why in text
    assert text.startswith(f"{options['zone']}: ")


def test_all_problems_are_told_at_once():
    resolved = resolve(
        "dnsbl",
        [
            ListOptions(zone="zen.spamhaus.org"),
            ListOptions(zone="zen.dq.spamhaus.net"),
            ListOptions(zone="zen.example.org"),
        ],
        {},
    )

    expected = [(1, "zen.dq.spamhaus.net"), (2, "zen.example.org")]
    assert expected == [(problem.number, problem.zone) for problem in resolved.problems]
    assert [which.zone for which in resolved.lists] == ["zen.spamhaus.org"]
    with pytest.raises(ListsError, match=r"dnsbl zen.dq.spamhaus.net: this list needs a key"):
        lists_of("dnsbl", [ListOptions(zone="zen.dq.spamhaus.net")])


def test_a_list_without_test_entries_can_say_so():
    assert (one("dnsbl", zone="bl.example.org", test=False).must_list, ()) == ((), ())
    zen = one("dnsbl", zone="zen.spamhaus.org", test=False)
    assert (zen.must_list, zen.must_not_list) == ((), ("127.0.0.1", "::ffff:7f00:1"))


def test_options_are_read_from_toml_values():
    plain = {"zone": "bl.example.org", "codes": {"127.0.0.2": "bad"}, "looks_at": ["client"]}
    options = msgspec.convert([plain], list[ListOptions])

    assert [rule.name for rule in Dnsbl(options).rules()] == ["dnsbl.bl.bad"]
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert([{"zone": "bl.example.org", "code": {}}], list[ListOptions])


# --- keys ---------------------------------------------------------------------------------------------


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "dqs.key"
    path.write_text(f"{KEY}\n")
    return str(path)


class Loud(ZoneResolver):
    """Answers with the name it was asked, as a hostile or chatty list could."""

    async def ask(self, name, kind):
        answer = await super().ask(name, kind)
        if kind is Kind.TXT:
            return Answer(Status.FOUND, (f"listed: {name.upper()} and {name}",))
        return answer


def test_the_key_stands_in_the_name_that_is_asked(key_file):
    which = one("dnsbl", zone="zen.dq.spamhaus.net", key_file=key_file)

    assert f"2.0.0.127.{KEY}.zen.dq.spamhaus.net" == which.question("2.0.0.127")


def test_a_key_never_shows(key_file, caplog):
    options = [ListOptions(zone="zen.dq.spamhaus.net", key_file=key_file)]
    check, names = Dnsbl(options), Rhsbl([ListOptions(zone="dbl.dq.spamhaus.net", key_file=key_file)])
    zone = {
        f"25.2.0.192.{KEY}.zen.dq.spamhaus.net": {"A": ["127.0.0.2"]},
        f"spam.example.{KEY}.dbl.dq.spamhaus.net": {"A": ["127.0.1.2"]},
    }
    world = Context(Loud(zone), None, FakeClock(), Ours(), FixedAccess([]), Trusting(), Well())
    request = Request(client_address="192.0.2.25", helo_name="spam.example")
    found, more = [], []
    with caplog.at_level(logging.DEBUG):
        for asked in (check, names):
            asyncio.run(asked.look_up(request, world, found.append))
            more.append(asyncio.run(asked.after_verdict(request, world, found[-1])))

    assert [f.rule for f in found] == ["dnsbl.zen.sbl", "rhsbl.dbl.spam"]
    assert all("***" in text for text in more)
    seen = [repr(found), *more, repr(check.lists), str(check.lists), repr(options), repr(list(check.rules()))]
    seen += [json.dumps(msgspec.to_builtins(found)), json.dumps(msgspec.to_builtins(options)), caplog.text]
    assert [text for text in seen if KEY in text.lower()] == []


def test_a_key_that_is_none_is_refused_without_being_shown(tmp_path):
    path = tmp_path / "two.key"
    for content in ("s3cr3t1\ns3cr3t2", "s3cr3t one", "s3cr3té", "s3cr3t.b", ""):
        path.write_text(content)
        text = problem("dnsbl", zone="zen.dq.spamhaus.net", key_file=str(path))
        assert str(path) in text
        assert "s3cr3t" not in text


def test_a_key_of_the_environment_is_used():
    which = one("rhsbl", {"DQS": f" {KEY}\n"}, zone="zrd.dq.spamhaus.net", key_env="DQS")

    assert f"x.org.{KEY}.zrd.dq.spamhaus.net" == which.question("x.org")


# --- what lists say about somebody --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("https://example.org/x", "https://example.org/x"),
        ("two\r\n250 lines", "two?250 lines"),
        ("  many   blanks ", "many blanks"),
        ("\x00\x1b[31m", "?[31m"),
        ("ünïcode", "?n?code"),
        ("", ""),
        ("long " * 100, ("long " * 40).strip()),
    ],
)
def test_the_text_of_a_list_is_one_short_line_of_ascii(said, told):
    which = one("dnsbl", zone="bl.example.org")

    assert told == lists.clean(which, Answer(Status.FOUND, (said,)))


def test_a_list_that_says_nothing_adds_nothing():
    world = context({"25.2.0.192.zen.spamhaus.org": {"A": ["127.0.0.2"]}})
    check = Dnsbl(DEFAULTS["dnsbl"])
    found = []
    request = Request(client_address="192.0.2.25")
    asyncio.run(check.look_up(request, world, found.append))

    assert world.dns.asked == [("25.2.0.192.zen.spamhaus.org", Kind.A)]
    assert asyncio.run(check.after_verdict(request, world, found[0])) == ""
    assert world.dns.asked[-1] == ("25.2.0.192.zen.spamhaus.org", Kind.TXT)


class Heard(Trusting):
    """Remembers what it was told."""

    def __init__(self):
        self.said = []

    def heard(self, zone, answer, *, error):
        self.said.append((zone, answer.status, error))


def test_the_watch_hears_every_answer():
    watch = Heard()
    world = context(
        {
            "1.2.0.192.zen.spamhaus.org": {"A": ["127.255.255.254"]},
            "2.2.0.192.zen.spamhaus.org": "timeout",
            "3.2.0.192.zen.spamhaus.org": {"A": ["127.0.0.8"]},
        },
        watch,
    )
    for last in (1, 2, 3, 4):
        request = Request(client_address=f"192.0.2.{last}")
        asyncio.run(Dnsbl(DEFAULTS["dnsbl"]).look_up(request, world, [].append))

    zen = "zen.spamhaus.org"
    expected = [
        (zen, Status.FOUND, True),
        (zen, Status.UNKNOWN, False),
        (zen, Status.FOUND, False),
        (zen, Status.ABSENT, False),
    ]
    assert expected == watch.said
