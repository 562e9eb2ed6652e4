"""Any main.cf survives being read and planned: nothing of it is lost, and a second plan has nothing to do."""

from hypothesis import given
from hypothesis import strategies as st

from gatepost.postfix.conf.expand import expand
from gatepost.postfix.conf.lines import BLANKS, ConfError, read_source
from gatepost.postfix.conf.maincf import read_main
from gatepost.postfix.conf.mastercf import read_master
from gatepost.postfix.conf.restrictions import split_items
from gatepost.postfix.planning.plan import make_plan
from support.postfix_instance import LINE, after, instance
from support.postfix_texts import main_cf, master_cf


def words(octets):
    """All that is neither blank nor comma, line by line; comments whole."""
    text = octets.decode("utf-8", "surrogateescape")
    rows = [line.strip(BLANKS) for line in text.split("\n")]
    comments = [row for row in rows if row.startswith("#")]
    others = " ".join(row for row in rows if not row.startswith("#")).replace(",", " ").split()
    return comments, others


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_refused(octets):
    for read in (read_main, read_master):
        try:
            source = read(octets).source
        except ConfError:
            continue
        assert octets == source.octets


@given(st.binary(max_size=400))
def test_each_character_of_a_line_stands_where_it_says(octets):
    try:
        source = read_source(octets)
    except ConfError:
        return
    for line in source.lines:
        assert line.text == "".join(source.text[place] for place in line.places[:-1])


@given(st.text(max_size=200))
def test_any_list_is_split_or_refused(text):
    try:
        items = split_items(expand(text, {"a": "b"}.get), "smtpd_recipient_restrictions")
    except ConfError:
        return
    assert all(item.start < item.end for item in items)


@given(main_cf(), st.booleans())
def test_a_plan_loses_nothing_and_is_made_once(octets, ban):
    before = instance(octets)
    try:
        made = make_plan(before, LINE, ban=ban)
    except ConfError:
        return
    result = after(made, before)

    comments, others = words(result.main.source.octets)
    old_comments, old = words(octets)
    assert old_comments == [c for c in comments if c in old_comments and not c.startswith("# Gatepost:")]
    for word in ("zen.spamhaus.org", "hash:/etc/postfix/clients", "unix:private/spf", "permit_mx_backup"):
        assert old.count(word) <= others.count(word)
    assert "" == make_plan(result, LINE, ban=ban).diff


@given(master_cf(), main_cf(), st.booleans(), st.data())
def test_a_master_cf_is_read_whole_and_cut_anywhere(octets, main, ban, data):
    assert octets == read_master(octets).source.octets
    cut = octets[: data.draw(st.integers(0, len(octets)))]
    try:
        before = instance(main if ban else b"", cut)
        made = make_plan(before, LINE, ban=ban)
    except ConfError:
        return
    again = make_plan(after(made, before), LINE, ban=ban)
    assert ("", made.refused) == (again.diff, again.refused)


@given(main_cf(), st.data())
def test_a_file_cut_anywhere_is_read_or_refused(octets, data):
    cut = octets[: data.draw(st.integers(0, len(octets)))]
    try:
        before = instance(cut)
        made = make_plan(before, LINE)
    except ConfError:
        return
    assert "" == make_plan(after(made, before), LINE).diff
