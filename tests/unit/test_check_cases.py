"""Every check finds what its case file says, every rule has a case, and every check has a page.

The form of a case file is described in `support.cases`.
"""

import asyncio
import re
from pathlib import Path

import pytest

from gatepost.checks import find
from support import cases

CHECKS = find()
PAGES = Path(__file__).parent.parent.parent / "docs" / "checks"
WITH_CASES = sorted(name for name in CHECKS if (cases.FOLDER / f"{name}.toml").exists())
ALL = [(name, number, case.name) for name in WITH_CASES for number, case in enumerate(cases.load(name).case)]


@pytest.mark.parametrize(("name", "number"), [pytest.param(n, i, id=f"{n}: {t}") for n, i, t in ALL])
def test_a_check_finds_what_its_case_says(name, number):
    file = cases.load(name)
    case = file.case[number]
    for step, found in asyncio.run(cases.run(cases.make_for(CHECKS[name], file, case), file, case)):
        assert sorted(step.expect) == sorted(f.rule for f in found)
        by_rule = {f.rule: f for f in found}
        for rule, part in step.text.items():
            assert part in by_rule[rule].text
        for rule, part in step.detail.items():
            assert part in by_rule[rule].detail
        for rule, patterns in step.excuses.items():
            assert tuple(patterns) == by_rule[rule].excuses


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_check_has_a_case_file(name):
    assert (cases.FOLDER / f"{name}.toml").exists()


@pytest.mark.parametrize("name", WITH_CASES)
def test_every_rule_of_a_check_is_expected_by_a_case(name):
    file = cases.load(name)
    rules = {rule.name for rule in cases.make(CHECKS[name], file.options).rules()}
    assert rules <= {rule for case in file.case for rule in case.expected()}


@pytest.mark.parametrize("name", WITH_CASES)
def test_no_case_expects_a_rule_that_the_check_does_not_declare(name):
    file = cases.load(name)
    for case in file.case:
        declared = {rule.name for rule in cases.make_for(CHECKS[name], file, case).rules()}
        assert case.expected() <= declared, case.name


@pytest.mark.parametrize("name", WITH_CASES)
def test_case_names_are_sentences_of_their_own(name):
    names = [case.name for case in cases.load(name).case]
    assert sorted(set(names)) == sorted(names)
    assert [n for n in names if " " not in n] == []


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_check_has_a_page_that_names_its_rules(name):
    page = (PAGES / f"{name}.md").read_text("utf-8")
    file = cases.load(name)
    for rule in cases.make(CHECKS[name], file.options).rules():
        assert f"`{rule.name}`" in page or _family(rule.name, page), rule.name


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_rules_have_legal_names_and_codes(name):
    file = cases.load(name) if name in WITH_CASES else None
    for rule in cases.make(CHECKS[name], file.options if file else None).rules():
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_-]+)+", rule.name)
        assert 500 <= rule.reject <= 599
        assert 400 <= rule.defer <= 499
        assert re.fullmatch(r"\d{1,3}\.\d{1,3}", rule.enhanced)
        assert rule.says.strip().endswith(".")


def _family(rule, page):
    """Rules made from a table (`dnsbl.<list>.<code>`) are named by their first part."""
    return f"`{rule.partition('.')[0]}.<" in page
