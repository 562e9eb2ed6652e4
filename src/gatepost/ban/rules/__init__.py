"""The rules, one file each, found by their place."""

from functools import cache
from importlib.resources import files

from gatepost.ban.rule import BanRule, read_rule

ENDING = ".toml"


@cache
def find() -> tuple[BanRule, ...]:
    """Every rule, by name."""
    found = (entry for entry in files(__name__).iterdir() if entry.name.endswith(ENDING))
    return tuple(
        read_rule(entry.name.removesuffix(ENDING), entry.read_text("utf-8"))
        for entry in sorted(found, key=lambda entry: entry.name)
    )
