"""What the documentation tells people to write into main.cf is what the lab's Postfix runs with."""

import re
import textwrap
from pathlib import Path

import pytest

from gatepost.lab.mailserver import main_cf

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?:^ +(?:smtpd_(?:recipient|data)_restrictions =|check_\w+ .*|\w+)\n|^\n)+", re.MULTILINE
)


@pytest.mark.parametrize("name", ["README.md", "docs/stages.md"])
def test_the_lab_runs_with_the_recommended_lines(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    start = text.index("smtpd_recipient_restrictions =\n")
    block = BLOCK.search(text, text.rindex("\n", 0, start) + 1)
    recommended = textwrap.dedent(block[0]).split()
    assert "smtpd_data_restrictions" in recommended
    assert " ".join(recommended) in " ".join(main_cf(Path("/lab")).split())
