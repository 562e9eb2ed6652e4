"""Debian's fail2ban filters, as they are: which can be loaded, and whether we find what fail2ban finds."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.trouble import FilterError
from support.fail2ban import FILTERS, SPECS, messages, mutated, stamped, theirs

MANY = 1500


def forms(spec):
    return ("exim",) if spec.startswith("exim") else ("rfc3339", "rfc3164")


def ours(spec, lines):
    return {number: match.address for number, match in load(spec).scan(lines)}


def matrix():
    rows = {}
    for file in sorted(FILTERS.glob("*.conf")):
        try:
            rows[file.stem] = load(file.stem).engine
        except FilterError as error:
            rows[file.stem] = f"refused: {error.reason}"
    return rows


def test_every_filter_of_debian_loads_or_says_why_not():
    rows = matrix()
    print("\n".join(f"{name:24} {word}" for name, word in rows.items()))
    refused = {name: word for name, word in rows.items() if word.startswith("refused")}
    reasons = (
        "refused: no failregex",
        "refused: no [Definition]",
        "refused: maxlines",
        "refused: failregex: %(",
    )
    assert len(rows) > 80
    assert all(word.startswith(reasons) for word in refused.values()), refused
    assert len(refused) < len(rows) // 8


@pytest.mark.parametrize("spec", SPECS)
def test_the_filters_of_mail_servers_load_unchanged_in_every_mode(spec):
    assert load(spec).definition.failregex


@pytest.mark.parametrize("spec", SPECS)
def test_fail2ban_finds_the_same_addresses_in_the_same_lines(spec, tmp_path):
    for form in forms(spec):
        lines = [stamped(number, text, form) for number, text in enumerate(messages(spec))]
        found = ours(spec, lines)
        assert found == theirs(tmp_path, spec, lines)
        assert found


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), first=st.booleans())
def test_fail2ban_finds_the_same_in_lines_that_somebody_changed(spec, tmp_path, seed, first):
    random = Random(seed)
    form, texts = forms(spec)[0 if first else -1], messages(spec)
    lines = [stamped(number, mutated(random, texts), form) for number in range(MANY)]
    found, expected = ours(spec, lines), theirs(tmp_path, spec, lines)
    different = [line for line in range(MANY) if found.get(line) != expected.get(line)]
    assert [(lines[line], found.get(line), expected.get(line)) for line in different] == []
