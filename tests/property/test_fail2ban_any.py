"""Filter files and lines can be anything: a filter or FilterError, and no line makes a filter raise."""

import re
import time
import tomllib
import warnings
from contextlib import suppress

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.ban.fail2ban.engine import Compiled, Late, Together
from gatepost.ban.fail2ban.files import read_file
from gatepost.ban.fail2ban.jails import jails_of
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.stamps import Stamps
from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.ban.fail2ban.trust import trusted
from gatepost.ban.options import JailOptions
from gatepost.config.edit import with_settings
from gatepost.imports.fail2ban_settings import Machine, settings_of
from gatepost.imports.fail2ban_time import seconds
from gatepost.imports.report import Report
from gatepost.options import from_plain

PIECES = st.sampled_from(
    [
        "[Definition]\n", "[Init]\n", "[DEFAULT]\n", "[INCLUDES]\n", "[Init?x=y]\n", "failregex = ",
        "ignoreregex = ",
        "prefregex = ", "before = own.conf\n", "after = b.conf\n", "maxlines = 1\n", "datepattern = ",
        "mode = x\n", "a = ",
        "%(a)s", "%(known/failregex)s", "%(x/y)s", "%%", "%", "<a>", "<mode>", "<mdre-<mode>>", "<x/y>",
        "mdre-x = ",
        "<HOST>", "<ADDR>", "<F-ID>", "</F-ID>", "<F-MLFID>", "</F-MLFID>", "<F-CONTENT>",
        "</F-CONTENT>", "<SKIPLINES>",
        "^", "$", ".*", "(", ")", "(?:", "(?!", "(?<=", "(?P<a>", "(?P=a)", "(?i)", "[", "]", "[^", "|",
        "*", "+", "{2}",
        "{9,}", "\\1", "\\d", "\\", "x", "é", "\n", "\n    ", "# r\n", " ; r", "{^LN-BEG}", "{DATE}",
        "%%Y", "\0",
    ]
)  # fmt: skip
FILES = st.one_of(
    st.text(max_size=200),
    st.lists(PIECES, max_size=30).map("".join),
    st.lists(PIECES, max_size=20).map(
        lambda pieces: "[Definition]\nfailregex = " + "".join(pieces) + " <HOST>\n"
    ),
)
LINE_PIECES = st.sampled_from(
    [b"Nov 28 08:39:29 ", b"2026-11-28T08:39:29Z ", b"mx ", b"sshd[1]: ", b"x", b"192.0.2.1",
     b"2001:db8::1", b"::", b"[", b"]",
     b" port 22", b"\xff", b"\0", b"\n", b" ", b"a" * 300, b"from "]
)  # fmt: skip
LINES = st.one_of(st.binary(max_size=200), st.lists(LINE_PIECES, max_size=25).map(b"".join))
SHIPPED = ["lost connection after AUTH from (.*)\\[<HOST>\\]", "^.*<HOST>(?! port)", "<F-ID>.*</F-ID>$"]


def asked(loaded, lines):
    for number, match in loaded.scan(lines):
        assert 0 <= number < len(lines)
        assert trusted(match, lambda _: "") in (True, False)


@given(FILES, FILES, st.lists(LINES, max_size=5))
@settings(deadline=None)
def test_any_text_is_a_filter_or_refused(text, other, lines):
    files = {"/f/own.conf": text, "/f/b.conf": other}
    with suppress(FilterError):
        asked(load("/f/own.conf", read=files.get), lines)


@given(st.binary(max_size=100))
def test_any_octets_are_a_file_of_text_or_refused(tmp_path_factory, octets):
    file = tmp_path_factory.mktemp("f") / "own.conf"
    file.write_bytes(octets)
    with suppress(FilterError):
        assert read_file(str(file)) == octets.decode().replace("\r\n", "\n")


@given(st.text(max_size=60), st.text(max_size=30))
@settings(deadline=None)
def test_any_text_is_what_a_jail_calls_its_filter(source, mode):
    with suppress(FilterError):
        load(source, mode, read={}.get)


@given(st.sampled_from(SHIPPED), st.lists(LINES, max_size=8))
@settings(deadline=None)
def test_no_line_makes_a_filter_raise(source, lines):
    asked(load(source), lines)


@given(
    st.lists(
        st.sampled_from(["%Y", "%b", "%", "{DATE}", "EPOCH", "{EPOCH}", "(", ")", "^", "**", "x", "[", "$"]),
        max_size=6,
    ),
    LINES,
)
@settings(deadline=None)
def test_any_datepattern_cuts_or_is_refused(pieces, line):
    with suppress(FilterError):
        rest, stamp = Stamps(["".join(pieces)]).cut(line, Late())
        assert len(rest) + len(stamp) == len(line)


@given(
    st.sampled_from(["(a+)+", "(a|a?)+", "(a*)*b", "(?:a+b?)+c", "(.*)*x", "(\\w+\\s?)*!"]),
    st.booleans(),
    st.integers(1, 4000),
)
@settings(deadline=None, max_examples=25)
def test_no_pattern_takes_without_end(pattern, looks, length):
    compiled = Compiled(f"^{pattern}{'(?!b)' if looks else ''}$")
    started = time.monotonic()
    compiled.search(b"a" * length + b"!\n", Late())
    assert time.monotonic() - started < 1


JAIL_PIECES = st.sampled_from(
    [
        "[DEFAULT]\n", "[postfix]\n", "[a]\n", "enabled = true\n", "filter = x[a=b]\n", "filter = ",
        "logpath = /a* tail\n",
        "bantime = 1h\n", "bantime = -1\n", "ignoreip = 192.0.2.0/24 x\n", "%(a)s", "%(known/x)s",
        "a = ", "port = 25\n",
        "bantime.increment = 1\n", "action = a[b=c]\n", "backend = systemd\n", "maxretry = 3\n", "\n",
        "é", "[", "=",
    ]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(JAIL_PIECES, max_size=25).map("".join)))
def test_any_text_is_jails_or_refused(text):
    report = Report("fail2ban")
    machine = Machine("/etc/fail2ban", lambda _: "", lambda pattern: [pattern])
    with suppress(FilterError):
        settings_of(jails_of(["/f/jail.conf"], {"/f/jail.conf": text}.get, "/f"), machine, report)
        text = with_settings("", [wish.setting for wish in report.wishes]).text
        ours = msgspec.convert(tomllib.loads(text).get("jail", []), list[JailOptions], dec_hook=from_plain)
        assert len(ours) == sum(wish.setting.path == ("jail",) for wish in report.wishes)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text):
    assert isinstance(seconds(text), float | None)


REGEX_PIECES = st.sampled_from(
    [
        "a", "b", "c", "ab", "abc", "cab", " ", "[ab]", "[^a]", ".", "\\w", "\\s", "\\b", "^", "$",
        "|", "|", "(",
        "(?:", "(?P<x>",
        "(?P<y>", "(?!", "(?=", "(?<=a", "(?<!b", "(?i)", "(?i:",
        ")", ")", ")", "*", "+", "?", "*?", "{2}", "{1,}",
        "(?P=x)", "(?(x)a|b)", "[A-C]", "-", "\\Z", "abcabc",
    ]
)  # fmt: skip


REPEATED = re.compile(r"\)[*+{]")
"""Groups that repeat nothing hold other things in RE2."""


@given(
    st.lists(REGEX_PIECES, min_size=1, max_size=9).map("".join),
    st.lists(st.text("abcABC -", max_size=10), min_size=1, max_size=8),
)
@settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))
def test_a_pattern_means_what_python_makes_of_it(pattern, texts):
    if "(?i" in pattern and "(?P=" in pattern:  # a reference without case means nothing that is met
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            told = re.compile(pattern.encode())
        compiled = Compiled(pattern)
    except (re.error, FilterError, DeprecationWarning, FutureWarning):
        return
    together = Together([compiled] * Together.LEAST)
    for text in texts:
        line = text.encode() + b"\n"
        match = told.search(line)
        found = compiled.search(line, Late())
        assert (found is None) == (match is None)
        if match and not REPEATED.search(pattern):
            named = {name: value for name, value in found.items() if name[0] != "_"}
            assert named == match.groupdict()
        if match:
            assert together.which(line)
            assert compiled.needs is None or any(need in line.lower() for need in compiled.needs)
