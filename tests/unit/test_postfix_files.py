"""main.cf and master.cf are read as Postfix reads them, and every value knows its place in the file."""

import pytest

from gatepost.postfix.conf.lines import ConfError, Splice, read_source, spliced
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a = b\n", {"a": "b"}),
        ("a=b", {"a": "b"}),
        ("a = b\n c\n\td\n", {"a": "b c\td"}),
        ("a = b,\n  # inner\n\n   \n  c\nx = y\n", {"a": "b,  c", "x": "y"}),
        ("# a = b\n  # c\n", {}),
        ("a =\n", {"a": ""}),
        ("a =\n    b\n", {"a": "b"}),
        ("a == b\n", {"a": "= b"}),
        ("a = b # no comment\n", {"a": "b # no comment"}),
        ("a = b\r\nc = d\r\n\r\n", {"a": "b", "c": "d"}),
        ("a = 1\na = 2\n", {"a": "2"}),
        ("  stray = x\na = b\n", {"a": "b"}),
    ],
)
def test_settings_of_main_cf(text, values):
    assert values == read_main(text.encode()).values


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (b"a = b\nno setting\n", 2, '"=" is missing'),
        (b"a b = c\n", 1, '"=" is missing'),
        (b"\n= x\n", 2, "name is missing"),
        (b"a = b\n# c\nd = \0\n", 3, "NUL octet"),
    ],
)
def test_what_postfix_refuses_is_refused_with_its_line(text, line, reason):
    with pytest.raises(ConfError, match=reason) as told:
        read_main(text)

    assert line == told.value.line


def test_a_value_knows_where_each_of_its_characters_stands():
    text = "a = bc,\n # not this\n  d\n"

    entry = read_main(text.encode()).entries[0]

    assert entry.value.replace(" ", "") == "".join(text[place] for place in entry.places[:-1]).replace(
        " ", ""
    )
    assert text.index("d") + 1 == entry.places[-1]


def test_octets_that_are_no_utf8_come_back():
    octets = b"# \xe9\xff\na = \xfc\n"

    assert octets == read_source(octets).octets


def test_a_line_that_begins_with_a_blank_before_any_setting_is_told():
    assert (1,) == read_main(b"  stray = x\na = b\n").source.stray


def test_services_and_their_settings():
    text = (
        "smtp inet n - y - - smtpd\n"
        "  -o a=b\n"
        "# -o c=d\n"
        "  -oe=f -v -o { g = h, i } -vo j=k\n"
        "amavis unix - - n - 2 smtp -o l=\n"
    )

    smtp, amavis = read_master(text.encode()).services

    assert {"a": "b", "e": "f", "g": "h, i", "j": "k"} == {o.name: o.value for o in smtp.overrides}
    assert ("smtp/inet", "y", "smtpd", "", "smtp") == (
        smtp.key,
        smtp.chroot,
        smtp.program,
        smtp.host,
        smtp.port,
    )
    assert ["a=b", "e=f", "{ g = h, i }", "j=k"] == [text[o.start : o.end] for o in smtp.overrides]
    assert "" == amavis.override("l").value
    assert text.index("\namavis") == smtp.end


def test_the_place_of_a_service():
    (service,) = read_master(b"[2001:db8::25]:25 inet n - n - - smtpd\n").services

    assert ("2001:db8::25", "25") == (service.host, service.port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("smtp inet n - n - -\n", "8 fields"),
        ("smtp tcp n - n - - smtpd\n", '"tcp" is no type'),
        ("smtp inet n - n - - smtpd -o\n", "missing after -o"),
        ("smtp inet n - n - - smtpd -o nothing\n", "no setting"),
        ("smtp inet n - n - - smtpd -o { a = b\n", "never closed"),
        ("smtp inet n - n - - smtpd -o{a=b}\n", "blank is missing"),
    ],
)
def test_services_that_postfix_refuses(text, reason):
    with pytest.raises(ConfError, match=reason):
        read_master(text.encode())


def test_splices_leave_all_else():
    assert "aXcdY" == spliced("abcd", [Splice(4, 4, "Y"), Splice(1, 2, "X")])
