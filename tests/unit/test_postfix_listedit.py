"""A list changes in its file where it must, and nowhere else."""

import pytest

from gatepost.postfix.conf.lines import ConfError, spliced
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.planning.listedit import Target, edit, in_place, one_line, read_list

P = "smtpd_recipient_restrictions"


def changed(text, targets, **names):
    """main.cf with its first setting changed; targets are numbers of old items and texts of new ones."""
    main = read_main(text.encode())
    entry = main.entries[0]
    written = read_list(entry.value, P, names.get)
    wanted = [Target(t) if isinstance(t, int) else Target(text=t) for t in targets]
    change = edit(written, wanted)
    result = spliced(text, in_place(text, entry.places, written, change)) if change else text
    again = read_list(read_main(result.encode()).entries[0].value, P, names.get)
    expected = [written.items[t].text if isinstance(t, int) else t for t in targets]
    assert expected == [item.text for item in again.items]
    if change:
        assert expected == [item.text for item in read_list(one_line(written, change), P, names.get).items]
    return result


def test_nothing_to_change():
    assert "l = permit, reject\n" == changed("l = permit, reject\n", [0, 1])


@pytest.mark.parametrize(
    ("text", "targets", "result"),
    [
        ("l =\n", ["new"], "l =\n    new\n"),
        ("l = a, b\n", ["new", 0, 1], "l =\n    new,\n    a, b\n"),
        ("l = a, b\n", [0, "new", 1], "l = a,\n    new,\n    b\n"),
        ("l = a, b\n", [0, 1, "new", "more"], "l = a, b,\n    new,\n    more\n"),
        ("l = a b", [0, 1, "new"], "l = a b\n    new"),
        ("l =\n\ta,\n\tb\nm = x\n", ["new", 0, 1], "l =\n\tnew,\n\ta,\n\tb\nm = x\n"),
        ("l =\n  a\n  # about b\n  b\n", [0, "new", 1], "l =\n  a\n  new\n  # about b\n  b\n"),
        ("l =\n  a,\n  b,\nm = x\n", [0, 1, "new"], "l =\n  a,\n  b,\n  new\nm = x\n"),
        ("l =\n  a,\n  b,\n  c\n", [0, 2], "l =\n  a,\n  c\n"),
        ("l =\n  a,\n  b,\n  c\n", [0, "new", 2], "l =\n  a,\n  new,\n  c\n"),
        ("l = a, b, c\n", [0, 2, "new"], "l = a, c,\n    new\n"),
        ("l = a, b, c\n", [0, "new"], "l = a,\n    new \n"),
        ("l = a, b\n", ["new"], "l = new\n"),
        ("l =\n  a\n  check_helo_access\n # amid\n  hash:/x\n  b\n", [0, 2], "l =\n  a\n # amid\n  b\n"),
    ],
)
def test_changes_in_the_layout_of_the_file(text, targets, result):
    assert result == changed(text, targets)


def test_a_name_stays_a_name_when_nothing_among_its_items_changes():
    assert "l =\n    new,\n    $own, c,\n    end\n" == changed(
        "l = $own, c\n", ["new", 0, 1, 2, "end"], own="a b"
    )


def test_a_name_is_written_out_when_something_among_its_items_changes():
    assert "l = a,\n    new,\n    b, c\n" == changed("l = $own, c\n", [0, "new", 1, 2], own="a b")
    assert "l = b, c\n" == changed("l = $own, c\n", [1, 2], own="a, b")
    assert "l = new,\n    b, c\n" == changed("l = $own, c\n", ["new", 1, 2], own="a, b")


def test_an_expression_that_is_more_than_a_name_is_not_taken_apart():
    with pytest.raises(ConfError, match="write it out"):
        changed("l = ${own?{a b}}, c\n", [0, "new", 1, 2], own="x")


def test_an_argument_behind_a_name():
    assert "l = check_helo_access $table\n    new\n" == changed(
        "l = check_helo_access $table\n", [0, "new"], table="hash:/x"
    )
