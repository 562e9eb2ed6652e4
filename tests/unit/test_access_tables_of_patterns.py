"""cidr:, regexp: and pcre: tables, and postgrey's lists: what is refused or skipped, by file and line."""

import pytest

from gatepost.access.cidr_table import parse_cidr
from gatepost.access.entry import EntryMaker
from gatepost.access.postgrey import parse_clients, parse_recipients
from gatepost.access.regexp_table import parse_regexp
from gatepost.access.trouble import AccessMapError, Reading


def cidr(text):
    reading = Reading("f")
    return parse_cidr(text.encode(), EntryMaker(reading, "client", "all")), [str(w) for w in reading.warnings]


def regexp(text, kind="pcre"):
    return parse_regexp(text.encode(), EntryMaker(Reading("f"), "helo", "helo"), kind=kind)


def errors(call, text):
    with pytest.raises(AccessMapError) as caught:
        call(text)
    return [str(t) for t in caught.value.troubles]


REFUSED = {
    "/(?=a)/ OK": "look-around",
    "/(?<!a)b/ OK": "look-around",
    r"/(a)\1/ OK": "cannot be used",
    "/(/ OK": "cannot be used",
    "/a/x OK": 'the flag "x"',
    "/a OK": 'no closing "/"',
    "/a/": "no result",
    "/a/!/b/ OK": "write: if !/second/",
    "/a/ REJECT $1": "no such part",
    "!/(a)/ REJECT $1": "no such part",
    "/(a)/ $1": "only $1, $2, ... in the text",
    "/(a)/ REJECT $name": "only $1, $2, ... in the text",
    "/a/ \x1c": "no result of access(5)",
    "/a/ FILTER x:y": "FILTER cannot be honoured",
    "if /a/": "if without endif",
    "endif": "endif without if",
    "if": "no pattern",
    "!": "no pattern",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_matched_as_postfix_would_is_refused_by_line(line):
    (error,) = errors(regexp, f"# comment\n{line}\n")
    assert error.startswith("f:2: ")
    assert REFUSED[line] in error


@pytest.mark.parametrize("pattern", [r"/\d+/", r"/[\w.]/", "/(?i)a/", r"/a\pN/"])
def test_what_means_something_else_in_a_regexp_table_is_refused_there_only(pattern):
    assert "means something else" in errors(lambda t: regexp(t, "regexp"), f"{pattern} OK")[0]
    assert len(regexp(f"{pattern} OK")) == 1


@pytest.mark.parametrize(
    "pattern", [r"/\.example\.org$/", r"/^[[:alpha:]]+\\/", "/[.-]/", r"/[^\]]/", "|a/b|"]
)
def test_ordinary_patterns_are_taken_in_both(pattern):
    assert [len(regexp(f"{pattern} OK", kind)) for kind in ("regexp", "pcre")] == [1, 1]


def test_text_with_parts_of_a_strangers_input_is_bounded():
    found = regexp("/^(.*)$/ REJECT $1$1$1$1\n").find("x" * 5000)
    assert len(found.match.text) == 400


def test_a_pattern_that_would_take_exponential_time_elsewhere_takes_none_here():
    table = regexp("/^(a+)+$/ REJECT\n/^(a|a)*b$/ REJECT\n")
    assert table.find("a" * 2000 + "!") is None


def test_networks_that_postfix_skips_are_skipped_and_told():
    table, warnings = cidr(
        "192.0.2.1/24 OK\nnonsense OK\n192.0.2.0/255.255.255.0 OK\n10.0.0.0/8\n[::1 OK\n::1 OK\n"
    )
    assert (len(table), [w.split(":")[1] for w in warnings]) == (1, ["1", "2", "3", "4", "5"])


def test_a_block_that_is_not_closed_or_opens_on_nothing_is_refused():
    assert errors(cidr, "if 192.0.2.0/24\n192.0.2.1 OK\n") == ["f:1: if without endif"]
    assert errors(cidr, "endif\n") == ["f:1: endif without if"]
    assert "if: " in errors(cidr, "if nonsense\nendif\n")[0]


def test_a_negated_network_says_nothing_of_the_other_family():
    table, _ = cidr("!192.0.2.0/24 REJECT\n")
    assert table.find("2001:db8::1") is None
    assert table.find("198.51.100.1").match.kind == "deny"
    assert table.find("mail.example.org") is None


def test_lines_of_postgreys_lists_that_mean_nothing_are_skipped_and_told():
    reading = Reading("f")
    index = parse_clients(b"999.1.1.1\na b\nunknown\n1.2.3.4/33\n\xff\n1::2::3\nok.example\n", reading)
    assert (len(index), [w.line for w in reading.warnings]) == (1, [1, 2, 3, 4, 5, 6])


def test_recipients_that_mean_nothing_are_skipped_and_told():
    reading = Reading("f")
    index = parse_recipients(b"a b@example.net\n@\n.\nuser@\n", reading)
    assert (len(index), [w.line for w in reading.warnings]) == (1, [1, 2, 3])


@pytest.mark.parametrize(
    ("line", "inside", "outside"),
    [
        ("10", "10.200.1.1", "11.0.0.1"),
        ("192.0", "192.0.255.1", "192.1.0.1"),
        ("192.0.2", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.77/24", "192.0.2.1", "192.0.3.1"),
        ("2001:db8::/33", "2001:db8:1::", "2001:db8:8000::"),
    ],
)
def test_prefixes_and_networks_of_postgreys_lists_mean_what_they_say(line, inside, outside):
    index = parse_clients(line.encode(), Reading("f"))
    assert (len(list(index.client("", inside))), len(list(index.client("", outside)))) == (1, 0)


def test_a_pattern_of_postgreys_lists_that_cannot_be_matched_is_refused_by_line():
    assert errors(lambda t: parse_clients(t.encode(), Reading("f")), "a.example\n/(?=x)y/\n")[0].startswith(
        "f:2: "
    )
