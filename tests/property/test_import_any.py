"""Options, dumps and files of entries can be anything: bounded, told, and never a fault."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from gatepost.access.files import Wanted
from gatepost.access.files import parse as parse_file
from gatepost.access.trouble import AccessMapError, Reading
from gatepost.checks.greylist import GreylistOptions
from gatepost.config.edit import with_settings
from gatepost.config.load import parse
from gatepost.config.places import here
from gatepost.imports import options as postgrey
from gatepost.imports.dump import MAX_LINE, Dump, cut
from gatepost.imports.lists import content_of
from gatepost.imports.options import OptionsError
from gatepost.imports.postgrey import Terms, settings_of, terms_of
from gatepost.imports.report import Report
from gatepost.imports.triplets import MAX_FORMS, Found, Place, take_client, take_triplet

FILES = ("dbdir", "whitelist-clients", "whitelist-recipients")
PIECES = st.sampled_from(
    [
        b"format=print\n", b"format=bytevalue\n", b"HEADER=END\n", b"DATA=END\n", b" ", b"\n", b"\\", b"61",
        b"192.0.2.0/a@b/c@d", b"2001:db8::1", b"1700000000,1700009999", b"9" * 30, b"\0", b"\xff", b"\\c3",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "--delay", "--delay=5", "-i", "--inet=:1", "--inet=::1:1", "10023", "--", "-", "=", "--=",
        "--unix=/a",
        "--retry-window=99999", "--max-age=-3", "--auto-whitelist-clients", "--ipv4cidr=99",
        "--lookup-by-host",
        "--greylist-text=x", "'", '"', "\\", "$X", "POSTGREY_OPTS=", "\n", "\0", "é", "--inet=99999",
        "--socketmode=777", "--whitelist-clients",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=12).map(" ".join))
LINES = st.sampled_from(
    [
        b"a.example OK", b"  continued", b"b.example DISCARD", b"/x(?=y)/ OK", b"/x/ HOLD", b"if /x/",
        b"endif",
        b"192.0.2.0/24 REJECT no", b"192.0.2.1 FILTER x:y", b"# remark", b"", b"!/z/ DUNNO", b"\xff\xfe",
        b"c",
        b"/a(/", b"user@ 421 later", b"a.example REJECT", b"!", b"/", b"if", b"d.example permit_mynetworks",
    ]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=40).map(b"".join)))
def test_any_octets_are_a_dump(octets):
    found, place = Found(), Place(Terms(), GreylistOptions(), 1.8e9)
    lines = list(cut(octets.splitlines(keepends=True)))
    records = list(Dump().records(lines))
    for key, value in records:
        take_triplet(found, place, key, value)
        take_client(found, place, key, value)

    assert all(len(line) <= MAX_LINE + 2 for line in lines)
    assert len(found.triplets) <= MAX_FORMS * len(records)
    assert 2 * len(records) <= sum(found.left.values()) + sum(found.read.values())


@given(TEXTS)
def test_any_text_is_options_or_refused(text):
    with suppress(OptionsError):
        check(postgrey.from_text(text))
    with suppress(OptionsError):
        check(postgrey.from_text(postgrey.from_defaults(f"POSTGREY_OPTS={text}")))
    check(postgrey.from_command_line(text.encode("utf-8", "surrogatepass")))


def check(options):
    """What they become can be said in a configuration."""
    report = Report()
    settings_of(options, report)
    terms = terms_of(options)
    written = with_settings("", [one.setting for one in report.wishes])

    parse(written.text, "x", {}, here(), alone=True)
    files = [name for name in FILES for _ in options.values(name)]
    told = len(report.wishes) + len(report.not_taken) + len(report.taken)
    assert 0 <= terms.v4 <= 32
    assert len(options.last_given) + len(options.ignored) <= told + len(files)


@given(
    st.lists(LINES, max_size=8).map(b"\n".join),
    st.sampled_from(["hash", "cidr", "regexp", "pcre", "postgrey"]),
)
def test_each_line_of_a_file_is_told_once_and_a_copy_can_be_followed(data, kind):
    wanted = Wanted("/f", kind, "client", "greylist" if kind == "postgrey" else "all")
    content = content_of(wanted, data)
    numbers = [line.number for line in content.lines]

    assert sorted(set(numbers)) == numbers
    assert content.whole == followed(wanted, data)
    if content.copy is not None:
        assert followed(wanted, content.copy)
    assert content.whole or content.copy is not None or not content.taken


def followed(wanted, data):
    """Whether our configuration takes this file."""
    try:
        parse_file(wanted, data, Reading("/f"))
    except AccessMapError:
        return False
    return True
