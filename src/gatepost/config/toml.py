"""Options as TOML text: for `gatepost config show` and the example file."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_key(key: str) -> str:
    """`key`, in quotes where it needs them."""
    return key if _BARE.fullmatch(key) else toml_value(key)


def toml_value(value: Any) -> str:
    """A plain value (text, number, truth, list, table) in one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case float() if value.is_integer():
            return str(int(value))
        case dict():
            inner = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list():
            return f"[{', '.join(map(toml_value, value))}]"
    return str(value)


def toml_lines(document: Mapping[str, Any]) -> Iterable[str]:
    """A file with `document` in it: first what belongs to no table, then a section for each table."""
    tables = {key: value for key, value in document.items() if _is_section(value)}
    yield from _pairs({key: value for key, value in document.items() if key not in tables})
    for key, value in tables.items():
        heads = [(f"[[{toml_key(key)}]]", item) for item in value] if isinstance(value, list) else []
        for head, item in heads or [(f"[{toml_key(key)}]", value)]:
            yield ""
            yield head
            yield from _pairs(item)


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _pairs(table: Mapping[str, Any]) -> Iterable[str]:
    """Every key that has a value; TOML has no null."""
    return (f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items() if value is not None)
