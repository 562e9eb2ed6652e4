"""Every topic of the audit finds what its case file says, and every fault has a case.

The form of a case file is described in `support.audit`.
"""

import re

import pytest

from gatepost.postfix.audit import examine, topics
from support import audit

TOPICS = topics.find()
ALL = [
    (name, number, case.name)
    for name in TOPICS
    if (audit.FOLDER / f"{name}.toml").exists()
    for number, case in enumerate(audit.load(name).case)
]


@pytest.mark.parametrize(("name", "number"), [pytest.param(n, i, id=f"{n}: {t}") for n, i, t in ALL])
def test_a_topic_finds_what_its_case_says(name, number):
    file = audit.load(name)
    case = file.case[number]
    found = audit.run(TOPICS[name], file, case)
    assert sorted(case.expect) == sorted(finding.name for finding in found), found
    for fault, part in case.evidence.items():
        assert part in "\n".join(f.evidence for f in found if f.name == fault)
    for fault, part in case.remedy.items():
        assert part in "\n".join(f.remedy for f in found if f.name == fault)


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_topic_has_a_case_file(name):
    assert (audit.FOLDER / f"{name}.toml").exists()


def test_no_case_file_is_about_a_topic_that_is_gone():
    assert sorted(TOPICS) == sorted(path.stem for path in audit.FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_fault_of_a_topic_is_expected_by_a_case(name):
    expected = {fault for case in audit.load(name).case for fault in case.expect}
    assert {fault.name for fault in TOPICS[name].faults} == expected


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_every_topic_has_a_case_in_which_nothing_is_wrong(name):
    assert any(case.expect == [] for case in audit.load(name).case)


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_faults_bear_the_name_of_their_topic_and_tell_all_that_is_needed(name):
    for fault in TOPICS[name].faults:
        assert re.fullmatch(rf"{name}\.[a-z0-9_]+", fault.name)
        assert not fault.title.endswith(".")
        assert fault.reason.endswith((".", ")."))
        assert fault.remedy


@pytest.mark.parametrize("name", sorted(TOPICS))
def test_case_names_are_sentences_of_their_own(name):
    names = [case.name for case in audit.load(name).case]
    assert sorted(set(names)) == sorted(names)
    assert [n for n in names if " " not in n] == []


def test_no_two_faults_have_one_name():
    names = [f.name for f in examine.FAULTS] + [f.name for topic in TOPICS.values() for f in topic.faults]
    assert sorted(set(names)) == sorted(names)
