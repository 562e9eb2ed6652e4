"""Hostile verdicts for Hypothesis: all that could go wrong in text, codes, headers and numbers."""

from hypothesis import strategies as st

from gatepost.model import Action, Verdict

TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="a \t\r\n\0", max_size=30),
    st.sampled_from(
        [
            "",
            " ",
            "\n\naction=OK",
            "4.7.1",
            "5.7.1 twice",
            "$client_name %s %n %%",
            "\\c",
            "250 2.0.0 Ok",
            "é" * 300,
            "a" * 10_000,
            "word " * 2_000,
            "\ud800",
            "\u2028\u0085",
            "<>",
            "ﷺ" * 400,
            '"',
        ]
    ),
)
CODES = st.one_of(st.integers(), st.sampled_from([0, 200, 250, 421, 450, 451, 500, 521, 550, 554, 599, 600]))
ENHANCED = st.one_of(
    st.sampled_from(
        ["", "4.7.1", "5.7.1", "7.1", "2.0.0", "4.3.5", "5.7.1234", "5.07.1", "5.7.1\n", "4.7.²"]
    ),
    st.text(max_size=12),
)
HEADERS = st.one_of(
    st.sampled_from(
        [
            "",
            "X-Greylist: delayed 60 seconds",
            "X-A: b\r\nX-B: c",
            "X-A:\n b",
            "No header",
            ": empty",
            "X-A:",
            "X A: b",
            "X-Ä: b",
            "X-A: é",
            "X-A: " + "b" * 500,
            "\nX-A: b",
            "X-A: \0",
        ]
    ),
    TEXTS,
    st.builds("{}: {}".format, st.text(max_size=10), TEXTS),
)
NUMBERS = st.floats()


def verdicts() -> st.SearchStrategy[Verdict]:
    """Any verdict, mostly ones that no engine should ever make."""
    return st.builds(
        Verdict,
        action=st.sampled_from(Action),
        score=NUMBERS,
        code=CODES,
        enhanced=ENHANCED,
        text=TEXTS,
        if_permit=st.booleans(),
        header=HEADERS,
        reference=st.one_of(st.just("K7QX2M9A"), TEXTS),
        delay=NUMBERS,
        observed=st.sampled_from([False, False, False, True]),
    )
