"""Filters at work: stamps, prefixes, what is ignored, sessions, and many lines at once."""

import pytest

from gatepost.ban.fail2ban.engine import Late
from gatepost.ban.fail2ban.filter import MAX_LINE
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.stamps import Stamps
from gatepost.ban.fail2ban.trouble import FilterError

GUIDE = r"lost connection after AUTH from (.*)\[<HOST>\]"


def own(tmp_path, text, **more):
    (tmp_path / "own.conf").write_text("[Definition]\n" + text)
    return load(str(tmp_path / "own.conf"), **more)


def addresses(loaded, lines):
    return [(number, match.address) for number, match in loaded.scan([line.encode() for line in lines])]


def test_the_pattern_of_the_guide_as_it_is_pasted():
    line = b"Nov 28 08:39:29 mx postfix/smtpd[1]: lost connection after AUTH from unknown[192.0.2.9]"
    match = load(GUIDE).matches(line)
    assert (match.address, match.user, match.rule) == ("192.0.2.9", "", "pattern")
    assert (match.stamp, match.source, match.host) == (b"Nov 28 08:39:29", line, "")
    assert load(GUIDE).matches(line.replace(b"AUTH", b"DATA")) is None


@pytest.mark.parametrize(
    ("text", "address", "host"),
    [
        ("192.0.2.9", "192.0.2.9", ""),
        ("::ffff:192.0.2.9", "192.0.2.9", ""),
        ("2001:DB8:0::9", "2001:db8::9", ""),
        ("mail.example.org", "", "mail.example.org"),
        ("999.0.2.9", "", "999.0.2.9"),
    ],
)
def test_an_address_has_one_form_and_a_name_is_never_looked_up(text, address, host):
    match = load("^ bad <HOST>$").matches(b"Nov 28 08:39:29 bad " + text.encode())
    assert (match.address, match.host) == (address, host)


def test_an_address_as_failure_id_counts():
    assert load("^ bad <F-ID>.+</F-ID>$").matches(b"Nov 28 08:39:29 bad 192.0.2.9").address == "192.0.2.9"


STAMPS = [
    ("Nov 28 08:39:29", " mx x", True),
    ("Nov  8 08:39:29", " mx x", True),
    ("Nov 28 08:39:29.123", " mx x", True),
    ("Nov 28 08:39:29 2026", " mx x", True),
    ("Sat Nov 28 08:39:29", " mx x", True),
    ("2026-11-28T08:39:29", " mx x", True),
    ("2026-11-28T08:39:29Z", " mx x", True),
    ("2026-11-28T08:39:29.123456+01:00", " mx x", True),
    ("2026-11-28 08:39:29", " x", True),
    ("2026-11-28 08:39:29 +0100", " x", True),
    ("2026-11-28 08:39:29,123", " x", True),
    ("2026/11/28 08:39:29", " x", True),
    ("28/Nov/2026:08:39:29 +0000", "] x", False),
    ("28-Nov-2026 08:39:29.252", " x", True),
    ("1795855169", " x", True),
    ("1795855169.123", " x", True),
    ("@400000004a3b5f6a1d2c3b4a", " x", True),
    ("08:39:29", " x", True),
]


@pytest.mark.parametrize(("stamp", "after", "begins"), STAMPS)
def test_a_stamp_is_cut_out(stamp, after, begins):
    before = b"" if begins else b"192.0.2.1 ["
    line = before + stamp.encode() + after.encode()
    assert Stamps(None).cut(line, Late()) == (before + after.encode(), stamp.encode())
    anchored = Stamps(["{^LN-BEG}"]).cut(line, Late())
    assert anchored == ((after.encode(), stamp.encode()) if begins else (line, b""))


@pytest.mark.parametrize("line", ["", "x", "no stamp here", "Nov 28", "2026-11-28", "Foo 28 08:39:29 x"])
def test_a_line_without_a_stamp_stays_as_it_is(line):
    assert Stamps(["{^LN-BEG}"]).cut(line.encode(), Late()) == (line.encode(), b"")


@pytest.mark.parametrize(
    ("pattern", "line", "rest"),
    [
        ("^L %d/%m/%Y - %H:%M:%S", "L 28/11/2026 - 08:39:29: x", ": x"),
        ('^<co ts="{DATE}"\\s+', '<co ts="2026-11-28T08:39:29" x', "x"),
        ("^[^\\[]*\\[({DATE})", "a [28/Nov/2026:08:39:29 +0000] x", "a [] x"),
        ("{^LN-BEG}Epoch", "1795855169 x", " x"),
        ("{^LN-BEG}TAI64N", "@400000004a3b5f6a1d2c3b4a x", " x"),
        ("{NONE}", "Nov 28 08:39:29 x", "Nov 28 08:39:29 x"),
        ("EPOCH", "type=x msg=(1795855169.123:7)", "type=x msg=(:7)"),
        ("{^LN-BEG}%ExY(?P<_sep>[-/.])%m(?P=_sep)%d[T ]%H:%M:%S", "2026-11-28 08:39:29 x", " x"),
        ("%%d/%b", "28/Nov/2026 x", "28/Nov/2026 x"),
    ],
)
def test_a_datepattern_of_a_filter(pattern, line, rest):
    assert Stamps([pattern]).cut(line.encode(), Late())[0] == rest.encode()


def test_a_prefix_comes_first_and_gives_the_content_to_the_patterns(tmp_path):
    loaded = own(
        tmp_path,
        "prefregex = ^ mx prog: <F-CONTENT>.+</F-CONTENT>$\nfailregex = ^bad <HOST>$\n    ^worse <ADDR>\n",
    )
    lines = ["Nov 28 08:39:29 mx prog: bad 192.0.2.1", "Nov 28 08:39:29 mx prog: not bad 192.0.2.2",
             "Nov 28 08:39:29 mx grop: bad 192.0.2.3",
             "Nov 28 08:39:29 mx prog: worse 192.0.2.4 x"]  # fmt: skip
    assert addresses(loaded, lines) == [(0, "192.0.2.1"), (3, "192.0.2.4")]
    assert [match.pattern for _, match in loaded.scan([line.encode() for line in lines])] == [0, 1]


@pytest.mark.parametrize("patterns", [1, 6])
def test_what_is_ignored_is_no_failure(tmp_path, patterns):
    failures = "\n    ".join(["bad <HOST>", *(f"other{number} <HOST>" for number in range(patterns - 1))])
    loaded = own(tmp_path, f"failregex = {failures}\nignoreregex = bad 192\\.0\\.2\\.2\\b\n")
    assert addresses(loaded, ["bad 192.0.2.1", "bad 192.0.2.2", "bad 192.0.2.3"]) == [
        (0, "192.0.2.1"),
        (2, "192.0.2.3"),
    ]


SESSIONS = """
prefregex = ^ <F-MLFID>s\\d+: </F-MLFID><F-CONTENT>.+</F-CONTENT>$
failregex = ^<F-NOFAIL>from</F-NOFAIL> <ADDR>$
            ^failed <F-USER>\\S+</F-USER>$
            ^refused <F-USER>\\S+</F-USER> <ADDR>$
            ^<F-NOFAIL><F-MLFFORGET>closed</F-MLFFORGET></F-NOFAIL>(?: by <ADDR>)?$
            ^<F-MLFFORGET><F-MLFGAINED>accepted</F-MLFGAINED></F-MLFFORGET> <F-USER>\\S+</F-USER>$
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["s1: from 192.0.2.1", "s1: failed bob"], [(1, "192.0.2.1")]),
        (["s1: from 192.0.2.1", "s2: failed bob"], []),
        (["s1: failed bob", "s1: closed by 192.0.2.1"], [(1, "192.0.2.1")]),
        (["s1: closed by 192.0.2.1"], []),
        (["s1: refused bob 192.0.2.1", "s1: accepted bob"], [(0, "192.0.2.1")]),
        (["s1: failed bob", "s1: accepted bob", "s1: from 192.0.2.1"], []),
        (["s1: from 192.0.2.1", "s1: closed", "s1: failed bob"], []),
        (["s1: from 192.0.2.1", "s1: failed a", "s2: from 192.0.2.2", "s2: failed b"],
         [(1, "192.0.2.1"), (3, "192.0.2.2")]),
    ],
)  # fmt: skip
def test_what_a_session_tells_over_several_lines(tmp_path, lines, expected):
    assert addresses(own(tmp_path, SESSIONS), [f"Nov 28 08:39:29 {line}" for line in lines]) == expected


def test_a_session_tells_which_line_had_the_address(tmp_path):
    loaded = own(tmp_path, SESSIONS)
    assert loaded.matches(b"Nov 28 08:39:29 s1: from 192.0.2.1") is None
    match = loaded.matches(b"Nov 28 08:39:30 s1: failed bob")
    assert (match.address, match.user, match.source) == (
        "192.0.2.1",
        "bob",
        b"Nov 28 08:39:29 s1: from 192.0.2.1",
    )


def test_sessions_are_forgotten_on_demand_and_when_there_are_too_many(tmp_path):
    loaded = own(tmp_path, SESSIONS)
    loaded.matches(b"Nov 28 08:39:29 s1: from 192.0.2.1")
    loaded.forget()
    assert loaded.matches(b"Nov 28 08:39:29 s1: failed bob") is None
    loaded.forget()
    flood = [f"Nov 28 08:39:29 s{number}: from 192.0.2.1".encode() for number in range(5000)]
    assert list(loaded.scan(flood)) == []
    assert loaded.matches(b"Nov 28 08:39:29 s2: failed bob") is None
    assert loaded.matches(b"Nov 28 08:39:29 s4999: failed bob").address == "192.0.2.1"


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ("Nov 28 09:39:29", "192.0.2.1"),
        ("Nov 28 09:39:31", None),
        ("Nov 29 08:39:29", None),
        ("Jan  1 00:00:00", None),
    ],
)
def test_a_session_that_said_nothing_for_long_is_another_one(tmp_path, later, expected):
    loaded = own(tmp_path, SESSIONS)
    assert loaded.matches(b"Nov 28 08:39:30 s1: from 192.0.2.1") is None
    match = loaded.matches(f"{later} s1: failed bob".encode())
    assert (match and match.address) == expected


def test_another_name_stands_in_for_a_user(tmp_path):
    loaded = own(
        tmp_path, "failregex = ^x (?:u=<F-USER>\\S+</F-USER> )?a=<F-ALT_USER>\\S+</F-ALT_USER> <ADDR>\n"
    )
    assert loaded.matches(b"x a=bob 192.0.2.1").user == "bob"
    assert loaded.matches(b"x u=amy a=bob 192.0.2.1").user == "amy"


def test_many_lines_tell_what_each_of_them_tells(tmp_path):
    text = "failregex = ^ (?:fail|deny|refuse) <HOST>$\n    ^ <HOST> (?i:BLOCKED)$\n"
    lines = [
        f"Nov 28 08:39:{n % 60:02} {w} 192.0.2.{n % 250}"
        for n in range(300)
        for w in ("fail", "Deny", "deny", "pass", "")
    ]
    lines += [f"Nov 28 08:39:29 192.0.2.{n} blocKed" for n in range(9)]
    many = addresses(own(tmp_path, text), lines)
    single = own(tmp_path, text)
    assert many == [(n, m.address) for n, line in enumerate(lines) if (m := single.matches(line.encode()))]
    assert len(many) == 609


def test_texts_torn_by_the_stamp_do_not_hide_a_line(tmp_path):
    loaded = own(tmp_path, "failregex = ^\\[\\] \\[error\\] <HOST>$\n")
    assert addresses(loaded, ["[28/Nov/2026:08:39:29 +0000] [error] 192.0.2.1"]) == [(0, "192.0.2.1")]


def test_lines_that_are_too_long_are_passed_over_and_counted():
    loaded = load(GUIDE)
    end = b"lost connection after AUTH from x[192.0.2.9]"
    assert loaded.matches(b"x" * (MAX_LINE - len(end)) + end) is not None
    assert loaded.matches(b"x" * (MAX_LINE - len(end) + 1) + end) is None
    assert loaded.passed_over == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("failregex = bad\n", "tells nobody"),
        ("failregex = bad <HOST>\nmaxlines = 2\n", "more than one line"),
        ("failregex = bad (<HOST>\n", "a \\( without \\)"),
        ("failregex = bad <HOST>\nignoreregex = [\n", "ignoreregex: .*a \\[ without"),
        ("failregex = bad <HOST>\nprefregex = [\n", "prefregex: .*a \\[ without"),
        ("failregex = bad <HOST>\ndatepattern = (\n", "datepattern: .*a \\( without"),
    ],
)
def test_faults_of_a_filter_are_told_with_file_and_option(tmp_path, text, reason):
    with pytest.raises(FilterError, match=f"own.conf:\\d: .*{reason}"):
        own(tmp_path, text)
