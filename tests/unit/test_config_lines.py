"""The line index knows where every key of a TOML text stands, however it is written."""

import json
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.config.lines import index, nearest_line

FILE = '''\
# a comment
title = "x" # = "no key"

[a.b]
"quoted key" = """
[not.a.table]
key = 1 \\""""
c.d = [1, # one
  [2,
   3], {x = 1, y.z = 2}]

[[list]]
name = 'first'
[list.inner]
deep = true
[[list]]
name = "second" # [[list]]
  [[list.more]]
  at = 1979-05-27 07:32:00

['literal.key']
"es\\u0063aped" = \'\'\'
multi\'\'\'
'''


def test_every_way_to_write_a_key_is_known():
    tomllib.loads(FILE)
    lines = index(FILE)

    expected = {
        ("title",): 2,
        ("a",): 4,
        ("a", "b"): 4,
        ("a", "b", "quoted key"): 5,
        ("a", "b", "c"): 8,
        ("a", "b", "c", "d"): 8,
        ("a", "b", "c", "d", 0): 8,
        ("a", "b", "c", "d", 1): 9,
        ("a", "b", "c", "d", 1, 0): 9,
        ("a", "b", "c", "d", 1, 1): 10,
        ("a", "b", "c", "d", 2): 10,
        ("a", "b", "c", "d", 2, "x"): 10,
        ("a", "b", "c", "d", 2, "y"): 10,
        ("a", "b", "c", "d", 2, "y", "z"): 10,
        ("list",): 12,
        ("list", 0): 12,
        ("list", 0, "name"): 13,
        ("list", 0, "inner"): 14,
        ("list", 0, "inner", "deep"): 15,
        ("list", 1): 16,
        ("list", 1, "name"): 17,
        ("list", 1, "more"): 18,
        ("list", 1, "more", 0): 18,
        ("list", 1, "more", 0, "at"): 19,
        ("literal.key",): 21,
        ("literal.key", "escaped"): 22,
    }

    assert expected == lines


def test_what_does_not_stand_there_gets_the_line_of_the_table_around_it():
    lines = index(FILE)

    assert nearest_line(lines, ("list", 1, "missing", "deeper")) == 16
    assert nearest_line(lines, ("elsewhere",)) == 0


KEYS = st.text(min_size=1, max_size=6)
VALUES = st.recursive(
    st.one_of(st.integers(-99, 99), st.booleans(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


class Writer:
    """Writes a document with every key on a line of its own where TOML lets it, and notes where."""

    def __init__(self, gaps):
        self.lines = []
        self.where = {}
        self.gaps = gaps

    def line(self, text):
        self.lines.extend(["# [gap]", ""][: self.gaps])
        self.lines.append(text)

    def note(self, path):
        self.where.setdefault(path, len(self.lines) + len(["# [gap]", ""][: self.gaps]) + 1)

    def value(self, value, path):
        """The value in one line; everything in it stands on the line of its key."""
        if isinstance(value, list):
            for number, _ in enumerate(value):
                self.note((*path, number))
            return f"[{', '.join(self.value(v, (*path, n)) for n, v in enumerate(value))}]"
        if isinstance(value, dict):
            for key in value:
                self.note((*path, key))
            pairs = (f"{quoted(k)} = {self.value(v, (*path, k))}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        return quoted(value) if isinstance(value, str) else json.dumps(value)

    def table(self, table, path):
        scalars = {k: v for k, v in table.items() if not isinstance(v, dict)}
        for key, value in scalars.items():
            self.note((*path, key))
            self.line(f"{quoted(key)} = {self.value(value, (*path, key))}")
        for key, value in table.items():
            if isinstance(value, dict):
                self.note((*path, key))
                self.line(f"[{'.'.join(map(quoted, (*path, key)))}]")
                self.table(value, (*path, key))


def quoted(text):
    return '"' + "".join(f"\\U{ord(c):08x}" if not c.isalnum() else c for c in text) + '"'


@given(document=st.dictionaries(KEYS, VALUES, max_size=4), gaps=st.integers(0, 2))
@settings(max_examples=150, deadline=None)
def test_keys_of_any_document_are_found_where_they_were_written(document, gaps):
    writer = Writer(gaps)
    writer.table(document, ())
    text = "\n".join(writer.lines)

    assert document == tomllib.loads(text)
    assert writer.where == index(text)


@given(text=st.text(alphabet="ab=[]{}\"'.,# \n\t\\1", max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_tomllib_accepts_is_indexed(text):
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = index(text)

    assert set(paths(document)) == set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def paths(value, before=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*before, key)
        yield from paths(item, (*before, key))
