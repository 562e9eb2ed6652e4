"""Whatever stands in a file, it is a configuration, or all that is wrong with it is told."""

import string
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.config import reference
from gatepost.config.expected import plain
from gatepost.config.load import parse
from gatepost.config.places import places
from gatepost.config.problem import ConfigError
from gatepost.config.schema import as_file
from gatepost.config.toml import toml_lines, toml_value

PLACES = places({}, system=True)
SECTIONS = reference.all_sections()
NAMES = sorted({section.name for section in SECTIONS if section.name} | {"nonsense"})
OPTIONS = sorted({option.name for section in SECTIONS for option in section.options} | {"zone", "x.y", ""})
PATTERNS = ("ptr.*", "*", "error.*", "helo.ours", "dnsbl.zen.pbl", "[", "known.?lient", "score")
SCALARS = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.booleans(),
    st.sampled_from(
        ["", "1m", "-1s", "strict", "reject", "zen.spamhaus.org", "192.0.2.0/24", "/(/", "\0", "unix:/x"]
    ),
    st.text(alphabet=string.printable, max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*OPTIONS, *PATTERNS]), inner, max_size=3),
    ),
    max_leaves=6,
)
KEYS = st.sampled_from([*OPTIONS, *PATTERNS])
DOCUMENTS = st.dictionaries(
    st.sampled_from([*NAMES, *OPTIONS]),
    st.one_of(
        st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.dictionaries(KEYS, VALUES), max_size=2), VALUES
    ),
    max_size=4,
)


def read(text):
    """The configuration and no problems, or none and all of them."""
    try:
        return parse(text, "gatepost.toml", {}, PLACES), ()
    except ConfigError as error:
        return None, error.problems


@given(document=DOCUMENTS)
@settings(max_examples=150, deadline=None)
def test_any_document_is_read_or_refused_with_reasons(document):
    text = "\n".join(f"{toml_value(key)} = {toml_value(value)}" for key, value in document.items())
    tomllib.loads(text)
    config, problems = read(text)

    assert (config is None) == bool(problems)
    assert all(problem.text and problem.line for problem in problems)
    if config is not None:
        again, _ = read("\n".join(toml_lines(plain(as_file(config)))))
        assert as_file(config) == as_file(again)


@given(text=st.text(alphabet="[]{}=.\"'#\n abgreylistptr0192-", max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused_with_reasons(text):
    config, problems = read(text)

    assert (config is None) == bool(problems)
