"""The reference page and the example file say what the code says, about every option."""

import re
from pathlib import Path

import pytest

from gatepost.config import reference
from gatepost.config.load import parse
from gatepost.config.places import places

ROOT = Path(__file__).parents[2]
PLACES = places({}, system=True)
SECTIONS = [section for section in reference.all_sections() if not section.like]
OPTIONS = [(section.name, option) for section in SECTIONS for option in section.options]


def uncommented(text):
    """The file with every option taken up: prose has a blank behind its `#`, options have none."""
    return re.sub(r'(?m)^#(?=[\w\["])', "", text)


@pytest.mark.parametrize(
    ("name", "made", "command"),
    [
        ("docs/config.md", reference.reference, "reference"),
        ("examples/gatepost.toml", reference.example, "example"),
    ],
)
def test_it_is_up_to_date(name, made, command):
    text = (ROOT / name).read_text(encoding="utf-8")

    assert made() == text, f"make it anew: gatepost config {command} > {name}"


def test_every_option_is_explained():
    assert [] == [f"{section}.{option.name}" for section, option in OPTIONS if len(option.text) < 10]


def test_every_section_is_explained():
    assert [] == [s.name for s in reference.all_sections() if s.name and len(s.text) < 10]


def test_the_example_loads_and_is_the_default():
    assert parse("", "", {}, PLACES) == parse(reference.example(), "example", {}, PLACES)


def test_the_example_with_every_option_taken_up_is_still_the_default():
    text = uncommented(reference.example())

    assert parse("", "", {}, PLACES) == parse(text, "example", {}, PLACES)
    assert len(OPTIONS) <= len(re.findall(r"(?m)^(?:# )?\w+ = ", text))
