"""Octets into blocks of whole lines: whatever the octets and wherever they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from gatepost.ban.blocks import MAX_LINE, MAX_LINES, cut

PIECES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [(b"\n", 1), (b"\n", MAX_LINES + 3), (b"\0", 9), (b"x", MAX_LINE), (b"x", MAX_LINE + 1)]
    ).map(lambda piece: piece[0] * piece[1]),
)


def expected(data):
    """Line by line, as slowly as one likes."""
    lines = [line.lstrip(b"\0") if line.startswith(b"\0") else line for line in data.split(b"\n")[:-1]]
    return [b"" if len(line) > MAX_LINE else line for line in lines]


def without_nul(line):
    """NUL at the beginning may or may not be left out: it is where a block begins."""
    return line.lstrip(b"\0")


@given(st.lists(PIECES, max_size=8).map(b"".join), st.lists(st.integers(1, 100_000), max_size=5))
def test_each_whole_line_comes_once_however_the_octets_come(data, sizes):
    data += b"\n"
    found, rest, skipping, at = [], b"", False, 0
    for size in [*sizes, len(data)]:
        rest, at = rest + data[at : at + size], at + size
        while True:
            piece = cut(rest, skipping=skipping)
            assert len(piece.lines) <= MAX_LINES + 1
            assert len(rest) - piece.used <= MAX_LINE or len(piece.lines) >= MAX_LINES
            rest, skipping = rest[piece.used :], piece.skipping
            found += piece.lines
            if not piece.used:
                break
    assert (rest, skipping) == (b"", False)
    assert [without_nul(line) for line in expected(data)] == [without_nul(line) for line in found]


def test_lines_that_are_too_long_are_counted_once():
    long = b"x" * (MAX_LINE + 1)
    assert (cut(long + b"\n" + long + b"\nshort\n").too_long, cut(long).too_long) == (2, 1)
    assert cut(long, skipping=True).too_long == 0


def test_a_cut_line_is_never_half_given():
    """Else a stranger would choose where it ends."""
    line = b"from=<" + b"x" * MAX_LINE + b" lost connection after AUTH from x[198.51.100.9]"
    assert cut(line[:MAX_LINE] + b"\n").lines == [line[:MAX_LINE]]
    assert cut(line + b"\n").lines == [b""]
    first = cut(line)
    assert first.lines == [b""]
    assert cut(b"[198.51.100.9]\nnext\n", skipping=first.skipping).lines == [b"next"]
