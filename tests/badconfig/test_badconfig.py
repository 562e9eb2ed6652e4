"""Each folder here holds a configuration that is wrong, and all that must be said about it."""

from pathlib import Path

import pytest

from gatepost.config.load import load
from gatepost.config.places import places
from gatepost.config.problem import ConfigError

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/gatepost.toml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_everything_wrong_is_said_at_once(case, monkeypatch):
    monkeypatch.chdir(case)

    with pytest.raises(ConfigError) as caught:
        load(Path("gatepost.toml"), {}, places({}, system=True))

    assert (case / "expected-error").read_text(encoding="utf-8") == f"{caught.value}\n"


def test_there_are_enough_of_them():
    assert len(CASES) >= 25
