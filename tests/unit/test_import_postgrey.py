"""postgrey's options and databases mean here what they meant there, or it is told why not."""

import pytest

from gatepost.address import normal_sender
from gatepost.checks.greylist import GreylistOptions
from gatepost.imports.dump import MAX_LINE, Dump, cut
from gatepost.imports.options import OptionsError, from_command_line, from_defaults, from_text
from gatepost.imports.postgrey import Terms, settings_of, terms_of
from gatepost.imports.report import Report
from gatepost.imports.triplets import Found, Place, senders, take_client, take_triplet
from gatepost.store.base import Brought, BroughtClient

NOW = 1_800_000_000.0
PLACE = Place(Terms(), GreylistOptions(), NOW)


def wishes(text):
    """What the options become: path and value."""
    report = Report()
    settings_of(from_text(text), report)
    return {".".join(one.setting.path): one.setting.value for one in report.wishes}


def left(text):
    """What is not taken."""
    report = Report()
    settings_of(from_text(text), report)
    return {one.what: one.why for one in report.not_taken}


# --- options --------------------------------------------------------------------------------------------


def test_each_option_that_we_have_is_taken():
    text = "--delay=600 --max-age=40 --retry-window=6h --auto-whitelist-clients=7 --ipv4cidr=22 --ipv6cidr 48"

    assert {
        "greylist.when": "stranger",
        "greylist.delay": "600s",
        "greylist.keep": "40d",
        "greylist.retry_window": "6h",
        "greylist.clients_after": 7,
        "greylist.ipv4_prefix": 22,
        "greylist.ipv6_prefix": 48,
    } == wishes(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("--inet=10023", "inet:127.0.0.1:10023"),
        ("-i localhost:60000", "inet:127.0.0.1:60000"),
        ("--inet=192.0.2.1:60000", "inet:192.0.2.1:60000"),
        ("--inet=[::1]:60000", "inet:[::1]:60000"),
        ("--inet=*:60000", "inet:0.0.0.0:60000"),
        ("--unix=/run/postgrey.sock", "unix:/run/postgrey.sock"),
        ("-u /a/b --inet=1", "inet:127.0.0.1:1"),
    ],
)
def test_it_listens_where_postgrey_did(text, place):
    assert [place] == wishes(text)["listen.policy"]


@pytest.mark.parametrize(
    "option",
    [
        "--privacy", "--greylist-text=x", "--greylist-action=451", "--hostname=h", "--x-greylist-header=X: y",
        "--pidfile=/p", "--user=u", "--group=g", "-d", "-v", "-q", "--exim", "--listen-queue-size=5",
        "--syslog-facility=mail", "--help", "--man", "--version", "-n", "--bogus", "--inet=host.example:1",
        "--inet=x", "--retry-window=soon", "--auto-whitelist-clients=many", "--unix=relative",
        "--max-age=99999",
        "--delay=soon", "--socketmode=0600", "--ipv4cidr=33",
    ],
)  # fmt: skip
def test_what_is_not_taken_is_told_with_a_reason(option):
    told = left(f"'{option}'")

    assert 2 == len(told), "the option, and postgrey's default delay"
    assert all(len(why) > 10 for why in told.values())


def test_the_last_of_an_option_counts_and_files_add_up():
    options = from_text("--delay=1 --delay=2 --whitelist-clients=/a --whitelist-clients /b")

    assert 2 == terms_of(options).delay
    assert ("/a", "/b") == options.values("whitelist-clients")
    assert "2s" == wishes("--delay=1 --delay=2")["greylist.delay"]


def test_zero_means_the_default_as_in_postgrey():
    terms = terms_of(from_text("--delay=0 --ipv4cidr=0 --auto-whitelist-clients"))

    assert (300, 24, 5) == (terms.delay, terms.v4, terms.clients_after)
    assert 0 == terms_of(from_text("--auto-whitelist-clients=0")).clients_after


def test_by_host_networks_are_single_addresses():
    terms = terms_of(from_text("--lookup-by-host --ipv4cidr=22"))

    assert (32, 128, True) == (terms.v4, terms.v6, terms.by_host)


def test_the_file_of_the_distribution_is_read_as_the_shell_does():
    text = (
        "# startup options\nOTHER='x'\nPOSTGREY_OPTS=\"--inet=10023 \\\n --delay=60\"\n"
        'POSTGREY_OPTS="$POSTGREY_OPTS --max-age=40" # more\nPOSTGREY_TEXT="Please wait, see %r"\n'
    )
    options = from_text(from_defaults(text))

    assert ("10023", "60", "40") == tuple(options.value(name) for name in ("inet", "delay", "max-age"))
    assert "Please wait, see %r" == options.value("greylist-text")


@pytest.mark.parametrize("text", ["", "POSTGREY_OPTS='", 'POSTGREY_OPTS="$(cat /x)"', 'POSTGREY_OPTS="$X"'])
def test_what_only_the_shell_could_tell_is_refused(text):
    with pytest.raises(OptionsError):
        from_defaults(text)


def test_the_line_of_a_process_has_lost_its_quotes():
    options = from_command_line(b"postgrey --inet=1 --greylist-text=wait a while --delay 5 -d\0")

    assert "wait a while" == options.value("greylist-text")
    assert "5" == options.value("delay")
    assert () == options.ignored


def test_behind_the_first_word_postgrey_reads_nothing():
    told = left("--delay=5 stray --max-age=3")

    assert {"stray", "--max-age=3"} <= set(told)


# --- dumps ----------------------------------------------------------------------------------------------


def records(text, dump=None):
    return list((dump or Dump()).records(text.splitlines(keepends=True)))


def test_both_forms_of_a_dump_are_read():
    plain = rb"""VERSION=3
format=print
HEADER=END
 a\c3\a9\5cb\\c
 1,2
DATA=END
"""
    octets = b"format=bytevalue\nHEADER=END\n 61c3a95c625c63\n 312c32\nDATA=END\n"

    assert [(b"a\xc3\xa9\\b\\c", b"1,2")] == records(plain) == records(octets)


@pytest.mark.parametrize(
    "line", [rb" a\zz", rb" a\4", b"no space", b" " + b"x" * MAX_LINE, b"", b" \\"], ids=range(6)
)
def test_a_broken_key_costs_its_record_only(line):
    dump = Dump()
    text = b"format=print\nHEADER=END\n" + line + b"\n 1,2\n ok\n 3,4\nDATA=END\n"

    assert [(b"ok", b"3,4")] == records(text, dump)
    assert (1, True) == (dump.broken, dump.complete)


def test_a_dump_that_breaks_off_says_so():
    dump = Dump()

    assert [(b"a", b"1,2")] == records(b"HEADER=END\n a\n 1,2\n b\n", dump)
    assert not dump.complete


def test_lines_without_end_are_bounded():
    lines = list(cut([b"x" * MAX_LINE] * 100 + [b"\n", b"y\n"]))

    assert [MAX_LINE + 2, 2] == [len(line) for line in lines]


# --- triplets -------------------------------------------------------------------------------------------


def taken(key, first, last, place=PLACE):
    found = Found()
    take_triplet(found, place, key.encode(), f"{first:.0f},{last:.0f}".encode())
    return found


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("192.0.2.0/anna@a.example/bob@x.example", ("192.0.2.0/24", "anna@a.example", "bob@x.example")),
        ("192.0.2.0//bob@x.example", ("192.0.2.0/24", "<>", "bob@x.example")),
        ("2001:db8:0:0:0:0:0:0/a@b/c@d", ("2001:db8::/64", "a@b", "c@d")),
        ("192.0.2.0/a/b@c/d/e@f", ("192.0.2.0/24", "a/b@c", "d/e@f")),
        ("192.0.2.0/root/c@d", ("192.0.2.0/24", "root@", "c@d")),
    ],
)
def test_a_key_is_cut_where_it_was_joined(key, expected):
    (one,) = taken(key, NOW - 1000, NOW - 600).triplets

    assert expected == (one.network, one.sender, one.recipient)
    assert one.passed


def test_a_triplet_passed_when_its_times_are_the_delay_apart():
    key = "192.0.2.0/a@b/c@d"

    assert [True] == [one.passed for one in taken(key, NOW - 400, NOW - 100).triplets]
    assert [Brought("192.0.2.0/24", "a@b", "c@d", NOW - 400, NOW - 101, False)] == (
        taken(key, NOW - 400, NOW - 101).triplets
    )


@pytest.mark.parametrize(
    ("key", "first", "last", "why"),
    [
        ("192.0.2.0/a@b/c@d", NOW - 3 * 86400, NOW - 3 * 86400, "over"),
        ("192.0.2.0/a@b/c@d", NOW - 37 * 86400, NOW - 36 * 86400, "over"),
        ("192.0.2.0/a@b/c@d", NOW + 90, NOW + 90, "future"),
        ("f" * 40, NOW, NOW, "hashed"),
        ("garbage", NOW, NOW, "broken"),
        ("192.0.2.0/a@b", NOW, NOW, "broken"),
        ("192.0.2.0/a@b/", NOW, NOW, "broken"),
        ("unknown/a@b/c@d", NOW, NOW, "broken"),
    ],
)
def test_what_is_not_taken_is_counted_by_its_reason(key, first, last, why):
    found = taken(key, first, last)

    assert ([], {why: 1}) == (found.triplets, dict(found.left))


def test_networks_smaller_than_theirs_cannot_be_known():
    place = Place(Terms(v4=16), GreylistOptions(), NOW)

    assert {"finer": 1} == dict(taken("192.0.0.0/a@b/c@d", NOW, NOW, place).left)


def test_larger_networks_of_ours_hold_theirs():
    place = Place(Terms(v4=32, by_host=True), GreylistOptions(), NOW)
    (one,) = taken("192.0.2.77/32/a@b/c@d", NOW, NOW, place).triplets

    assert ("192.0.2.0/24", "a@b") == (one.network, one.sender)


def test_the_best_address_of_a_network_counts():
    found = Found()
    for address, value in (("192.0.2.1", "9,1799999000"), ("192.0.2.2", "3,1799999500"), ("nobody", "1,1")):
        take_client(found, PLACE, address.encode(), value.encode())

    assert {"192.0.2.0/24": BroughtClient("192.0.2.0/24", 9, 1799999500)} == found.clients
    assert {"broken": 1} == dict(found.left)


@pytest.mark.parametrize(
    ("sender", "as_postgrey_has_it"),
    [
        ("Anna+x@A.example", "anna@a.example"),
        ("b-12-3@news.example", "b-#-#@news.example"),
        ("btv1==1234567890==anna@a.example", "btv1==#==anna@a.example"),
        ("srs0=1234=12=far.example=joe@f.example", "srs0=#=#=far.example=joe@f.example"),
        ("12345678-1234-4234-9234-123456789012@u.example", "#-#-#-#-#@u.example"),
        ("550e8400-e29b-41d4-a716-446655440000@u.example", "550e8400-e29b-41d4-a716-#@u.example"),
    ],
)
def test_our_form_of_a_sender_is_found_in_theirs(sender, as_postgrey_has_it):
    assert normal_sender(sender) in set(senders(as_postgrey_has_it))
