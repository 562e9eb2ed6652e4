"""Access maps are read as postmap reads them, and what cannot be honoured is refused by file and line."""

import pytest

from gatepost.access.entry import EntryMaker
from gatepost.access.postfix_map import parse_map
from gatepost.access.trouble import AccessMapError, Reading


def read(data, looks_at="client", scope="all"):
    reading = Reading("/etc/postfix/access")
    table = parse_map(
        data if isinstance(data, bytes) else data.encode(), EntryMaker(reading, looks_at, scope)
    )
    return table, [str(w) for w in reading.warnings]


def match(data, key):
    return read(data)[0].find(key).match


def test_comments_and_blank_lines_are_ignored_wherever_they_stand():
    table, warnings = read("# one\n\n   \n  # indented\na OK\n\t\nb OK\n#end")
    assert (len(table), warnings) == (2, [])


def test_a_line_that_begins_with_white_space_continues_the_one_before_across_comments():
    found = match("a REJECT one\n  two\n# between\n\n\tthree\nb OK\n", "a")
    assert found.text == "one  two three"
    assert found.source == "/etc/postfix/access:1"


def test_a_first_line_that_begins_with_white_space_is_skipped_and_told():
    table, warnings = read("  a OK\nb OK\n")
    assert table.find("a") is None
    assert warnings == [
        "/etc/postfix/access:1: skipped: a line that starts with white space continues nothing here"
    ]


def test_keys_are_folded_and_texts_are_not():
    assert match("MAIL.Example.ORG REJECT Not You\n", "mail.example.org").text == "Not You"


def test_the_first_of_two_equal_keys_counts_and_the_second_is_told():
    table, warnings = read("a REJECT one\nb OK\nA OK\n")
    assert table.find("a").match.text == "one"
    assert warnings == ['/etc/postfix/access:3: "A" stands in line 1 already, which counts']


def test_a_key_without_a_value_is_skipped_and_told():
    table, warnings = read("a\nb OK\n")
    assert (len(table), warnings) == (
        1,
        ["/etc/postfix/access:1: skipped, as Postfix does: expected key, white space, value"],
    )


def test_a_line_that_is_not_utf8_is_skipped_and_told():
    table, warnings = read(b"a REJECT \xff\n\xff OK\nb OK\n")
    assert (len(table), len(warnings)) == (1, 2)


def test_windows_line_ends_and_a_missing_last_line_end_do_no_harm():
    table, warnings = read("a OK\r\n\r\nb REJECT no\r\n  way\r\nc OK")
    assert warnings == []
    assert [table.find(k).match.kind for k in "abc"] == ["allow", "deny", "allow"]


def test_quoted_and_escaped_white_space_belongs_to_the_key():
    table, _ = read('"a b"@example.org OK\nx\\ y@example.org OK\n')
    assert table.find('"a b"@example.org').match.kind == "allow"
    assert table.find("x\\ y@example.org").match.kind == "allow"


def test_an_unbalanced_quote_is_skipped_and_told():
    assert "unbalanced quote" in read('"a OK\n')[1][0]


def test_an_alias_file_is_suspected():
    assert "is this an alias file?" in read("postmaster: OK\n")[1][0]


def test_every_result_that_cannot_be_honoured_is_told_at_once_by_line():
    with pytest.raises(AccessMapError) as caught:
        read("a FILTER smtp:[127.0.0.1]\nb OK\nc HOLD\n\nd my_class\n")
    assert [t.line for t in caught.value.troubles] == [1, 3, 5]
    assert "FILTER cannot be honoured" in str(caught.value).splitlines()[0]
    assert str(caught.value).startswith("/etc/postfix/access:1: ")


def test_an_entry_knows_where_it_stands_and_what_it_excuses():
    table, _ = read("\nmail.example.org OK\n", "helo", "helo")
    found = table.find("mail.example.org").match
    assert (found.source, found.scope, found.what) == (
        "/etc/postfix/access:2",
        "helo",
        "mail.example.org",
    )


def test_a_refusal_in_a_map_with_a_scope_is_a_refusal():
    table, _ = read("bad.example REJECT\n", "helo", "helo")
    assert (table.find("bad.example").match.kind, table.find("bad.example").match.scope) == ("deny", "all")
