"""Gatepost's configuration in the lab, as TOML text; pure.

Every key stands on a line of its own with its full path, so that `--set`
can replace one without knowing where its table is.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping

DELAY = "1s"
"""Greylisting's delay in the lab, where a day must not take longer than people look on."""

Table = dict[str, object]


def with_overrides(table: Table, overrides: Iterable[str]) -> Table:
    """`table` with lines such as `rules."ptr.missing" = 0` taken into account.

    Raises:
        ValueError: an override is not a line of TOML.
    """
    for line in overrides:
        try:
            told = tomllib.loads(line)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(
                f"--set {line}: {error}; write for example --set 'greylist.delay=\"5s\"'"
            ) from error
        table = _merged(table, told)
    return table


def _merged(table: Table, told: Table) -> Table:
    """Both; what is told counts, and comes first where the order matters (rules)."""
    merged = told | {key: value for key, value in table.items() if key not in told}
    for key in told.keys() & table.keys():
        old, new = table[key], told[key]
        if isinstance(old, dict) and isinstance(new, dict):
            merged[key] = _merged(old, new)
    return merged


def to_toml(table: Mapping[str, object]) -> str:
    """`table` as lines of TOML."""
    return "".join(f"{path} = {_value(value)}\n" for path, value in _flat(table, ""))


def _flat(table: Mapping[str, object], before: str) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        path = f"{before}{_key(key)}"
        if isinstance(value, dict):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
