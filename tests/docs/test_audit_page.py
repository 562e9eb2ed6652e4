"""The page about the audit names everything that it can find, with reason and remedy."""

from pathlib import Path

from gatepost.postfix.audit import examine, topics
from gatepost.postfix.audit.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"


def test_it_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")

    assert page() == text, "make it anew: python -m gatepost.postfix.audit.reference > docs/audit.md"


def test_every_finding_is_on_it_with_what_why_and_remedy():
    text = PAGE.read_text(encoding="utf-8")
    faults = [*examine.FAULTS, *(fault for topic in topics.find().values() for fault in topic.faults)]

    assert len(faults) > 50
    for fault in faults:
        for part in (f"`{fault.name}`", fault.title, fault.reason, fault.remedy):
            assert part in text, fault.name
