"""What a type expects, in words for people: `a whole number from 0 to 32`, `one of "a" or "b"`."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

from gatepost.options import Duration, Secret

_SIMPLE: dict[type, str] = {
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "text",
    inspect.DictType: "a table",
    inspect.StructType: "a table",
}
DURATION = 'a duration such as "90s", "5m" or "2d"'


def expected(kind: Any) -> str:
    """What a value of `kind` looks like in the file."""
    return _words(inspect.type_info(kind))


def choices(kind: Any) -> tuple[str, ...]:
    """The words that are allowed, when `kind` is (or has among others) a choice of words."""
    info = inspect.type_info(kind)
    options = info.types if isinstance(info, inspect.UnionType) else (info,)
    return tuple(
        value
        for option in options
        for value in (
            option.values
            if isinstance(option, inspect.LiteralType)
            else [member.value for member in option.cls]
            if isinstance(option, inspect.EnumType)
            else ()
        )
        if isinstance(value, str)
    )


def is_secret(kind: Any) -> bool:
    """Whether a value of `kind` must not be shown."""
    info = inspect.type_info(kind)
    options = info.types if isinstance(info, inspect.UnionType) else (info,)
    return any(isinstance(option, inspect.CustomType) and option.cls is Secret for option in options)


def _words(info: inspect.Type) -> str:
    match info:
        case inspect.CustomType(cls=kind):
            return {Duration: DURATION, Secret: "text"}.get(kind, kind.__name__)
        case inspect.LiteralType(values=values):
            return _either(json.dumps(value) for value in values)
        case inspect.EnumType(cls=kind):
            return _either(json.dumps(member.value) for member in kind)
        case inspect.UnionType(types=types):
            return _either(words for one in types for words in _alternatives(one))
        case inspect.ListType() | inspect.VarTupleType() | inspect.FrozenSetType() | inspect.SetType():
            return f"a list, of which each is {_words(info.item_type)}"
        case inspect.IntType() | inspect.FloatType():
            return _SIMPLE[type(info)] + _range(info)
    return _SIMPLE.get(type(info), "something else")


def _alternatives(info: inspect.Type) -> Iterable[str]:
    """What one member of a union allows."""
    if isinstance(info, inspect.LiteralType):
        return [json.dumps(value) for value in info.values]
    return [] if isinstance(info, inspect.NoneType) else [_words(info)]


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {info.ge} to {info.le}"
    bounds = ((" above", info.gt), (" of at least", info.ge), (" below", info.lt), (" of at most", info.le))
    return "".join(f"{word} {bound}" for word, bound in bounds if bound is not None)


def plain(value: Any) -> Any:
    """`value` of an option as it stands in a TOML or JSON file; secrets as stars, None stays None."""
    match value:
        case Secret():
            return str(value) if value.reveal() else ""
        case Duration():
            return str(value)
        case msgspec.Struct():
            fields = msgspec.structs.fields(value)
            return {field.encode_name: plain(getattr(value, field.name)) for field in fields}
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    return getattr(value, "value", value)  # an enum's member
