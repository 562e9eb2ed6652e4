"""The page about public lists says what the data says."""

from pathlib import Path

from gatepost.dnslist import definition
from gatepost.dnslist.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "lists.md"


def test_it_is_up_to_date():
    text = PAGE.read_text(encoding="utf-8")

    assert page() == text, "make it anew: python -m gatepost.dnslist.reference > docs/lists.md"


def test_every_list_living_or_dead_is_on_it():
    text = page()
    zones = [d.zone for d in definition.living()] + [zone for d in definition.dead() for zone in d.zones]

    assert [zone for zone in zones if zone not in text] == []
