"""Files are followed as they change, vanish and break; entries come in order and end when they are over."""

import os

import pytest

from gatepost.access.options import AccessOptions, InlineEntry
from gatepost.access.table import AccessTable
from gatepost.clock import FakeClock
from gatepost.model import Request, Stage
from gatepost.store.base import ListEntry


def make(clock=None, **options):
    table = AccessTable(AccessOptions(**options), clock or FakeClock())
    table.load()
    return table


def kinds(table, **request):
    return [m.kind for m in table.matches(Request(**request))]


def entry(what, list_name="allow", looks_at="client", **more):
    return ListEntry(list=list_name, what=what, looks_at=looks_at, **more)


# --- files ----------------------------------------------------------------------------------------------


@pytest.fixture
def helo(tmp_path):
    path = tmp_path / "helo_access"
    path.write_text("a.example OK\n")
    return path


def test_a_changed_file_counts_after_the_next_look(helo):
    table = make(helo_access=(str(helo),))
    before = table.version
    assert (table.refresh(), table.version) == (False, before)
    helo.write_text("b.example OK\n# longer\n")
    assert (table.refresh(), table.version) == (True, before + 1)
    assert (kinds(table, helo_name="a.example"), kinds(table, helo_name="b.example")) == ([], ["allow"])


def test_a_file_that_is_being_written_just_now_is_left_alone_for_a_second(helo):
    clock = FakeClock()
    table = make(clock, helo_access=(str(helo),))
    helo.write_text("b.example OK\n")
    os.utime(helo, (clock.now(), clock.now()))
    assert table.refresh() is False
    clock.advance(1.5)
    assert table.refresh() is True


def test_a_broken_new_version_keeps_the_old_one_and_is_told_until_it_is_mended(helo):
    table = make(helo_access=(str(helo),))
    helo.write_text("a.example OK\nb.example HOLD\n")
    assert table.refresh() is False
    assert kinds(table, helo_name="a.example") == ["allow"]
    (trouble,) = table.troubles()
    assert trouble.startswith(f"{helo}:2: HOLD cannot be honoured here")
    assert trouble.endswith("(the last right version still counts)")
    helo.write_text("a.example REJECT\n")
    assert (table.refresh(), table.troubles()) == (True, ())
    assert kinds(table, helo_name="a.example") == ["deny"]


def test_a_missing_file_is_told_is_no_error_and_is_read_when_it_appears(tmp_path):
    path = tmp_path / "later"
    table = make(client_access=(f"texthash:{path}",))
    assert (table.load_errors(), table.troubles()) == (
        (),
        (f"{path}: cannot be read: No such file or directory",),
    )
    path.write_text("192.0.2 REJECT\n")
    assert (table.refresh(), table.troubles()) == (True, ())
    assert kinds(table, client_address="192.0.2.1") == ["deny"]


def test_a_file_that_vanishes_still_counts_and_is_told(helo):
    table = make(helo_access=(str(helo),))
    helo.unlink()
    assert table.refresh() is False
    assert kinds(table, helo_name="a.example") == ["allow"]
    assert table.troubles()[0].endswith("what it held before still counts")


def test_a_file_emptied_on_purpose_counts_as_empty(helo):
    table = make(helo_access=(str(helo),))
    helo.write_text("# nothing any more, and nobody is excused\n")
    assert table.refresh() is True
    assert kinds(table, helo_name="a.example") == []


def test_a_folder_instead_of_a_file_is_told(tmp_path):
    assert "Is a directory" in make(client_access=(str(tmp_path),)).troubles()[0]


def test_all_errors_of_all_files_are_told_at_once(tmp_path):
    (tmp_path / "a").write_text("x FILTER y\n\nz nonsense\n")
    (tmp_path / "b").write_text("/(?=x)/ OK\n")
    (tmp_path / "c").write_text("/(?=x)/\nok.example\n")
    table = make(
        client_access=(f"hash:{tmp_path}/a",),
        helo_access=(f"pcre:{tmp_path}/b", "mysql:/etc/postfix/sql.cf"),
        postgrey_clients=(f"{tmp_path}/c",),
        allow=("192.0.2.1/24",),
        deny=("/(/",),
    )
    errors = table.load_errors()
    assert [e.split(": ")[0] for e in errors] == [
        "configuration",
        "configuration",
        f"{tmp_path}/a:1",
        f"{tmp_path}/a:3",
        f"{tmp_path}/b:1",
        f"{tmp_path}/c:1",
    ]
    assert "/etc/postfix/sql.cf: cannot be read: No such file or directory" in table.troubles()


def test_a_table_type_that_is_no_file_is_refused(helo):
    (error,) = make(helo_access=(f"mysql:{helo}",)).load_errors()
    assert error.startswith(f'{helo}: a table of type "mysql" cannot be read; there are hash, ')


# --- order, scopes, ends ----------------------------------------------------------------------------------


def test_the_strongest_match_comes_first():
    table = make()
    table.set_entries(
        [
            entry("user@example.net", "expect", "recipient"),
            entry("192.0.2.1", scope="greylist"),
            entry("192.0.2.0/24"),
            entry("bad@example.org", "deny", "sender"),
        ]
    )
    found = table.matches(
        Request(client_address="192.0.2.1", sender="bad@example.org", recipient="user@example.net")
    )
    assert [(m.kind, m.scope) for m in found] == [
        ("deny", "all"),
        ("allow", "all"),
        ("allow", "greylist"),
        ("expect", "all"),
    ]


def test_an_entry_ends_when_it_is_over():
    clock = FakeClock()
    table = make(clock)
    table.set_entries([entry("user@example.net", "expect", "recipient", expires=clock.now() + 900)])
    assert kinds(table, recipient="user@example.net") == ["expect"]
    clock.advance(900)
    assert kinds(table, recipient="user@example.net") == []


def test_new_entries_replace_the_old_ones_and_change_the_version():
    table = make()
    table.set_entries([entry("192.0.2.1")])
    before = table.version
    table.set_entries([])
    assert (kinds(table, client_address="192.0.2.1"), table.version > before) == ([], True)


def test_one_bad_entry_in_the_store_costs_no_other():
    table = make()
    table.set_entries([entry("/(/"), entry("192.0.2.1")])
    assert kinds(table, client_address="192.0.2.1") == ["allow"]
    assert table.troubles()[0].startswith("own list: /(/: /(/ cannot be used: ")


def test_entries_in_the_configuration_are_guessed_or_said():
    table = make(
        allow=(
            "192.0.2.1",
            ".example.org",
            InlineEntry(what="mx.example.com", looks_at="helo", scope="helo", comment="x"),
        ),
        deny=("bad@example.com",),
    )
    assert table.load_errors() == ()
    assert kinds(table, client_address="192.0.2.1") == ["allow"]
    assert kinds(table, client_name="mail.example.org") == ["allow"]
    assert kinds(table, sender="bad@example.com") == ["deny"]
    (found,) = table.matches(Request(helo_name="mx.example.com"))
    assert (found.scope, found.comment, found.source) == ("helo", "x", "configuration")


# --- what entries fit ---------------------------------------------------------------------------------------

FITS = [
    ("client", "192.0.2.1", {"client_address": "192.0.2.1"}, True),
    ("client", "192.0.2.1", {"client_address": "::ffff:192.0.2.1"}, True),
    ("client", "192.0.2.1", {"client_address": "192.0.2.11"}, False),
    ("client", "192.0.2.0/24", {"client_address": "192.0.2.200"}, True),
    ("client", "2001:db8::/32", {"client_address": "2001:db8:1::1"}, True),
    ("client", "2001:DB8:0:0::1", {"client_address": "2001:db8::1"}, True),
    ("client", ".example.org", {"client_name": "mail.example.org"}, True),
    ("client", ".example.org", {"client_name": "example.org"}, True),
    ("client", "example.org", {"client_name": "MAIL.Example.ORG."}, True),
    ("client", "example.org", {"client_name": "notexample.org"}, False),
    ("client", "example.org", {"reverse_client_name": "mail.example.org", "client_name": "unknown"}, False),
    ("client", "example.org", {"helo_name": "example.org"}, False),
    ("client", r"/^mx\d\./", {"client_name": "MX7.example.org"}, True),
    ("client", "/known/", {"client_name": "unknown"}, False),
    ("helo", "example.org", {"helo_name": "mail.example.org"}, True),
    ("helo", "192.0.2.1", {"helo_name": "[192.0.2.1]"}, True),
    ("helo", "2001:db8::/32", {"helo_name": "[IPv6:2001:db8::1]"}, True),
    ("helo", "/^unknown$/", {"helo_name": "unknown"}, True),
    ("helo", "example.org", {"client_name": "example.org"}, False),
    ("sender", "user@example.org", {"sender": "USER@Example.org"}, True),
    ("sender", "user@example.org", {"sender": "user+tag@example.org"}, True),
    ("sender", "user@example.org", {"sender": "user@sub.example.org"}, False),
    ("sender", "user@example.org", {"sender": "otheruser@example.org"}, False),
    ("sender", "example.org", {"sender": "any@sub.example.org"}, True),
    ("sender", "@example.org", {"sender": "any@example.org"}, True),
    ("sender", ".example.org", {"sender": "any@example.org"}, True),
    ("sender", "bücher.example", {"sender": "any@xn--bcher-kva.example"}, True),
    ("sender", "news@", {"sender": "news@anywhere.example"}, True),
    ("sender", "<>", {"sender": ""}, True),
    ("sender", "<>", {"sender": "", "stage": Stage.EHLO}, False),
    ("sender", "<>", {"sender": "a@example.org"}, False),
    ("recipient", "user@example.net", {"recipient": "user@example.net"}, True),
    ("recipient", "user@example.net", {"sender": "user@example.net"}, False),
    ("recipient", "/^info@/", {"recipient": "info@example.net"}, True),
]


@pytest.mark.parametrize(("looks_at", "what", "request_", "fits"), FITS)
def test_what_an_entry_fits(looks_at, what, request_, fits):
    table = make()
    table.set_entries([entry(what, "deny", looks_at)])
    assert table.troubles() == ()
    assert kinds(table, **request_) == (["deny"] if fits else [])


BAD = [
    (entry("192.0.2.1/24"), "bits beside the mask"),
    (entry("1.2.3"), "neither an address nor a network"),
    (entry("unknown"), "is no name"),
    (entry("a b"), "host name"),
    (entry(""), "one line"),
    (entry("a\nb"), "one line"),
    (entry("x" * 400), "one line"),
    (entry("/(?!x)/"), "look-around"),
    (entry("/.*/"), "fits everything"),
    (entry(r"/(a)\1/"), "cannot be used"),
    (entry("@", looks_at="sender"), "neither a mail address nor a domain"),
    (entry("a b@example.org", looks_at="sender"), "neither a mail address"),
    (entry("<>", "expect", "recipient"), "null sender"),
    (entry("192.0.2.1", "expect"), "only a recipient can expect"),
    (entry("192.0.2.1", "deny", scope="helo"), "only what is allowed has a scope"),
    (entry("192.0.2.1", scope="lots"), "no scope"),
    (entry("192.0.2.1", "permit"), "no list"),
    (entry("192.0.2.1", looks_at="server"), "not about"),
]


@pytest.mark.parametrize(("bad", "sentence"), BAD)
def test_what_cannot_be_an_entry_is_told_with_a_sentence(bad, sentence):
    table = make()
    table.set_entries([bad])
    assert sentence in table.troubles()[0]


def test_thousands_of_entries_are_found_by_dictionary_not_one_by_one():
    table = make()
    table.set_entries(
        [entry(f"h{n}.example.org", "deny") for n in range(20_000)] + [entry("10.0.0.0/8", "deny")]
    )
    assert kinds(table, client_name="a.h19999.example.org", client_address="192.0.2.1") == ["deny"]
    assert kinds(table, client_name="h20000.example.org", client_address="10.1.2.3") == ["deny"]
    assert len(table._own._by["client"]._names) == 20_000
