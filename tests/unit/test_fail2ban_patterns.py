"""Patterns: what each engine makes of them, what a line must hold for them, and how faults are told."""

import re
import time

import pytest
import re2

from gatepost.ban.fail2ban.engine import Compiled, Late, Together, options, spans_of
from gatepost.ban.fail2ban.needed import needed
from gatepost.ban.fail2ban.syntax import read
from gatepost.ban.fail2ban.trouble import FilterError

TEXTS = [
    "",
    "a",
    "ab",
    "aab",
    "abab",
    "ba",
    "AB",
    "a b",
    "a\tb",
    "a-b_c",
    "1.2.3.4",
    "xx",
    "xyx",
    "]a[",
    "a{2}",
    "\x1c",
]


def groups(pattern, text):
    found = Compiled(pattern).search(text.encode() + b"\n", Late())
    if found is None:
        return None
    return {
        name: None if value is None else value.decode() for name, value in found.items() if name[0] != "_"
    }


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize(
    "pattern",
    [
        "a", "ab", "a|b", "^a", "b$", "^$", "^ab$", "a*b", "a+?b", "a??b", "(?P<x>a+)(?P<y>b*)", "a{2}",
        "a{2,}b", "a{,1}b",
        "a{1,2}b", "a{2}}", "{", "a{", "a{x}", "a{2", r"a\{2\}", "[ab]+", "[^ab]", "[]a]", "[^]a]",
        r"[\w-]+", "[a-]", "[a-c]+",
        r"\d+\.\d", r"\D", r"\w+\s\w+", r"\S+$", r"\bb", r"a\Bb", r"\Aab\Z", "(?:a|b)+", "(?i)AB",
        "(?i:A)b", "((?i)A|x)b",
        "(?:(?i)A|x)b", "a(?i:B)", "x(?#remark)x", "(?x) a  b # remark", "(?s)a.b", "a.b", r"\x61b",
        r"\u0061b", "[\\x61-\\x62]{2}",
        r"\]a\[", "a|", "(|a)b", "(?P<x>a)|(?P<y>b)", r"\t", r"[\s\d]", r"[^\W]", r"a\ b", "$", "a$|b$",
        "(?m)^b", r"\0|a",
    ],
)  # fmt: skip
def test_patterns_mean_what_they_mean_to_python(pattern, linear):
    # A reference to a group makes a pattern one for regex, and means nothing else here.
    ours = pattern if linear else f"{pattern}(?P<r>)(?P=r)" if not pattern.startswith("(?x)") else pattern
    if "|" in pattern and not linear:
        ours = f"(?:{pattern})(?P<r>)(?P=r)"
    told = re.compile(re.sub(r"(?<!^)\(\(\?i\)|\(\?:\(\?i\)|^\(\(\?i\)", "(?i:", pattern))
    for text in TEXTS:
        match = told.search(text + "\n")
        expected = None if match is None else match.groupdict()
        found = groups(ours, text)
        if found is not None:
            found.pop("r", None)
        assert found == expected, (text, pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"(?P<a>x|y)z(?P=a)", "xzx", True),
        (r"(?P<a>x|y)z(?P=a)", "xzy", False),
        (r"(x|y)z\1", "yzy", True),
        ("(?P<a>x)?b(?(a)c|d)", "xbc", True),
        ("^(?P<a>x)?b(?(a)c|d)", "xbd", False),
        ("^(x)?b(?(1)c)$", "b", True),
        ("a(?!b)b?", "ab", False),
        ("a(?=b)", "ab", True),
        ("(?<=a)b", "ab", True),
        ("(?<!a)b", "ab", False),
        ("(?>a+)ab", "aaab", False),
        ("a++ab", "aaab", False),
    ],
)
def test_what_only_regex_can_do(pattern, text, expected):
    compiled = Compiled(pattern)
    assert not compiled.linear
    assert compiled.why
    assert (compiled.search(text.encode() + b"\n", Late()) is not None) is expected
    assert Together([compiled] * 4).which(text.encode() + b"\n") in (
        ([0, 1, 2, 3],) if expected else ([], [0, 1, 2, 3])
    )


@pytest.mark.parametrize(
    ("pattern", "linear"),
    [
        ("(?P<x>a+)(?! no| nay)", True),
        ("x(?!y|ya)", True),
        ("a(?!(?i:B)|[c-e]x)", True),
        ("a(?!)", False),
        ("a(?!b*)", False),
        ("a(?!$)", False),
        ("a(?=b)", False),
        ("(?:abb(?!c)|(?P<x>xy)|ab(?=a))(?P<y>.)", False),
        ("(?:(?P<x>abab(?=$))|b)$", False),
        ("(?P<x>aab(?!c))|(?P<y>a)", False),
        ("(?:a(?!b)|no)", False),
    ],
)
def test_what_is_brought_nearer_to_re2_means_the_same(pattern, linear):
    assert Compiled(pattern).linear is linear
    more = [
        *TEXTS,
        "a no",
        "a na",
        "a nay",
        "a n",
        "xyx",
        "xya",
        "xz",
        "abb",
        "abbc",
        "ABBD",
        "abac",
        "ae",
        "aex",
        "aB",
    ]
    for text in more:
        match = re.search(pattern, text + "\n")
        assert groups(pattern, text) == (None if match is None else match.groupdict()), text


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        ("<HOST>", "192.0.2.1", {"ip4": "192.0.2.1"}),
        ("<HOST>", "[2001:db8::1]", {"ip6": "2001:db8::1"}),
        ("<HOST>", "::ffff:192.0.2.1", {"ip4": "192.0.2.1"}),
        ("<HOST>", "fe80::", {"ip6": "fe80::"}),
        ("<HOST>", "mail.example.org", {"dns": "mail.example.org"}),
        ("<ADDR>", "mail.example.org", None),
        ("<IP4>", "192.0.2.1", {"ip4": "192.0.2.1"}),
        ("<IP6>", "192.0.2.1", None),
        ("<SUBNET>", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("<ADDR>/<CIDR>", "2001:db8::/32", {"ip6": "2001:db8::", "cidr": "32"}),
        ("<DNS>", "a.example", {"dns": "a.example"}),
        ("<F-ID>\\w+</F-ID>", "abc", {"fid": "abc"}),
        ("<F-ID/>", "abc", {"fid": "abc"}),
        ("<F-USER>.*</F-USER>", "abc", {"user": "abc"}),
        ("<F-PORT/>", "25", {"fport": "25"}),
        ("<F-ALT_USER1>\\w+</F-ALT_USER1>", "abc", {"alt_user1": "abc"}),
        ("<unknown> <ADDR>", "<unknown> 192.0.2.1", {"ip4": "192.0.2.1"}),
    ],
)
def test_tags_of_addresses_and_of_other_things(tag, text, expected):
    compiled = Compiled(f"^{tag}$")
    found = groups(f"^{tag}$", text)
    assert compiled.linear
    assert (found and {name: value for name, value in found.items() if value is not None}) == expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "a ( without )"),
        (")", "a ) without ("),
        ("[a", "a [ without ]"),
        ("[", "a [ without ]"),
        ("*a", "nothing before"),
        ("a**", "of a repetition"),
        ("^*", "of nothing"),
        ("a{3,2}", "wrong way round"),
        ("a{1001}", "more than 1000"),
        ("((a{1000}){1000}){1000}<HOST>", "more than 1000000"),
        ("[b-a]", "wrong way round"),
        (r"\y", "means nothing"),
        ("\\", "at the end"),
        (r"\x6", "no character"),
        (r"\1", "is not there"),
        ("(?P=a)", "is not there"),
        ("(?P<a>x)(?P<a>y)", "twice"),
        ("(?P<1>x)", "a group named"),
        ("(?P<a", "without >"),
        ("(?Px)", "without a name"),
        ("(?<a>x)", "not known"),
        ("(?(a)x|y|z)(?P<a>)", "more than two ways"),
        ("<HOST> <HOST>", "more than one address"),
        ("a<SKIPLINES>b", "more than one line"),
        ("(" * 100 + ")" * 100, "more than 60 deep"),
        ("a" * 40000, "longer than"),
        ("(?#", "a ( without )"),
        ("[^\\s\\S]", "a class of no characters"),
    ],
)
def test_faults_in_patterns(pattern, reason):
    with pytest.raises(FilterError) as caught:
        Compiled(pattern)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("abc", {b"abc"}),
        ("(?i)ABC", {b"abc"}),
        ("ab|c", None),
        ("abc|defg", {b"abc", b"defg"}),
        ("(?:abc|abd)e", {b"abce", b"abde"}),
        ("x*abc.*defghi", {b"defghi"}),
        ("(?:abc)?", None),
        ("(?:abc)+", {b"abc"}),
        ("[ab]cd", {b"acd", b"bcd"}),
        ("^from [^[]*$", {b"from "}),
        ("(?=abcd)x", {b"abcd"}),
        ("(?!abcd)x", None),
        (".*", None),
        ("", None),
    ],
)
def test_texts_that_a_line_must_hold(pattern, expected):
    assert needed(read(pattern).tree) == (None if expected is None else frozenset(expected))


def test_a_pattern_that_takes_without_end_is_given_up_in_time():
    compiled, late = Compiled(r"^(a|aa)+(?!b)$"), Late()
    started = time.monotonic()
    for _ in range(200):
        assert compiled.search(b"a" * 4000 + b"!\n", late) is None
    assert time.monotonic() - started < 5
    assert late.times == 200
    late.rest_is_over()
    assert compiled.search(b"aaa\n", late) is not None


class Wrapped:
    """A compiled pattern of which only the documented ways can be seen."""

    def __init__(self, compiled):
        self.search, self.groups = compiled.search, compiled.groups


def test_re2_is_asked_in_its_documented_way_where_there_is_no_shorter_one():
    compiled = re2.compile(b"(a)(b)?(?P<n>c*)", options())
    quick, plain = spans_of(compiled), spans_of(Wrapped(compiled))
    for text in (b"xabcc", b"ac", b"x", b""):
        for start in (0, 1):
            assert (plain(text, start) or None) == (quick(text, start) and [*quick(text, start)])
    assert plain(b"xac") == [(1, 3), (1, 2), (-1, -1), (2, 3)]
