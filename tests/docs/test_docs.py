"""The documentation names every command, every check and every rule, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

from gatepost.checks import find
from gatepost.cli.main import COMMANDS, load
from gatepost.config.rules_page import rules_page
from gatepost.config.schema import default_config
from gatepost.engine.rules import catalogue

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
COMMANDS_PAGE = (DOCS / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_section(command):
    assert f"\n## `gatepost {command}`\n" in COMMANDS_PAGE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_section_is_about_a_command_that_can_be_loaded(command):
    assert command == load(command).name or load(command).commands


def test_no_section_is_about_a_command_that_is_gone():
    assert set(COMMANDS) == set(re.findall(r"(?m)^## `gatepost ([\w-]+)`$", COMMANDS_PAGE))


@pytest.mark.parametrize("check", sorted(find()))
def test_every_check_has_a_page(check):
    assert len((DOCS / "checks" / f"{check}.md").read_text(encoding="utf-8")) > 300


def test_the_page_of_rules_is_up_to_date():
    text = (DOCS / "rules.md").read_text(encoding="utf-8")

    assert rules_page() == text, "make it anew: gatepost config rules > docs/rules.md"


def test_every_rule_stands_there_with_its_sentence():
    config = default_config()
    rules = catalogue(check(config.checks[name]) for name, check in find().items())
    text = (DOCS / "rules.md").read_text(encoding="utf-8")

    assert [] == [
        rule.name for rule in rules.values() if f"`{rule.name}`" not in text or rule.says not in text
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (page.parent / link).exists()]
