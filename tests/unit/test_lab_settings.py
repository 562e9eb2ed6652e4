"""The lab's configuration text: what `--set` says counts, and the result is TOML."""

import tomllib

import pytest

from gatepost.lab.settings import to_toml, with_overrides

TABLE = {"profile": "strict", "greylist": {"delay": "1s"}, "dnsbl": [{"zone": "a.example", "test": False}]}


def test_text_and_table_say_the_same():
    table = {**TABLE, "rules": {"ptr.missing": 0, "helo.*": "reject"}}
    assert tomllib.loads(to_toml(table)) == table


def test_an_override_replaces_one_key():
    changed = with_overrides(TABLE, ['greylist.delay = "5s"', 'profile = "balanced"'])
    assert changed == {**TABLE, "profile": "balanced", "greylist": {"delay": "5s"}}


def test_an_overriding_rule_comes_first():
    changed = with_overrides({"rules": {"ptr.*": 3}}, ['rules."ptr.missing" = 0'])
    assert list(changed["rules"].items()) == [("ptr.missing", 0), ("ptr.*", 3)]


def test_what_is_no_toml_is_refused_with_an_example():
    with pytest.raises(ValueError, match=r"--set greylist.delay=5s: .*write for example"):
        with_overrides(TABLE, ["greylist.delay=5s"])
