"""From what a TOML file holds to options: field by field, so that all that is wrong is told at once.

msgspec alone stops at its first error and knows no line.
"""

import math
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from gatepost.config.expected import DURATION, choices, expected, is_secret
from gatepost.config.lines import KeyPath, nearest_line
from gatepost.config.problem import Problem, found_text, key_text, nearest
from gatepost.options import from_plain


class Missing:
    """Stands for a value that could not be read; why was noted."""


MISSING: Final = Missing()


class Reader:
    """Reads one file's values and notes what is wrong with them."""

    def __init__(
        self, file: str, lines: Mapping[KeyPath, int], said: Mapping[KeyPath, str] | None = None
    ) -> None:
        """Read what stands in `file` at `lines`; `said`: which options of the command line overrode what."""
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._file = file
        self._lines = lines
        self._order = {path: number for number, path in enumerate(lines)}
        self._said = said or {}

    def wrong(self, path: KeyPath, text: str) -> None:
        """Note that what stands at `path` is wrong."""
        option = next((self._said[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._said), "")
        if option:
            self.problems.append(Problem(option, 0, "", text))
        else:
            line = nearest_line(self._lines, path)
            self.problems.append(Problem(self._file, line, key_text(path), text))

    def warn(self, path: KeyPath, text: str) -> None:
        """Note that a part of what stands at `path` is left out; the rest is used."""
        self.warnings.append(Problem(self._file, nearest_line(self._lines, path), key_text(path), text))

    def order(self, path: KeyPath) -> int:
        """Grows with the place in the file; what does not stand there comes last."""
        return self._order.get(path, len(self._order))

    def unknown(self, path: KeyPath, known: Iterable[str]) -> None:
        """Note that the last key of `path` is none of those `known`."""
        section = key_text(path[:-1])
        where = f"[{section}]" if len(path) == 2 else section
        self.wrong(path, f"no such option of {where}{nearest(str(path[-1]), known)}")

    def value(self, kind: Any, plain: object, path: KeyPath) -> Any:
        """`plain` as `kind`, or MISSING after why was noted."""
        bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        origin, arguments = get_origin(bare), get_args(bare)
        table = _struct_in(bare) if isinstance(plain, dict) else None
        if table or (isinstance(bare, type) and issubclass(bare, msgspec.Struct)):
            return self.struct(table or bare, plain, path)
        if origin in (list, tuple, frozenset, set) and isinstance(plain, list):
            return self._items(origin, arguments[0], plain, path)
        if origin is dict and isinstance(plain, dict):
            return self._table(arguments[1], plain, path)
        return self._scalar(kind, plain, path)

    def struct(self, kind: type[msgspec.Struct], plain: object, path: KeyPath) -> Any:
        """The table `plain` as `kind`, or MISSING after all that is wrong with it was noted."""
        if not isinstance(plain, dict):
            self.wrong(path, f"expected a table, found {found_text(plain)}")
            return MISSING
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in plain.keys() - fields.keys():
            self.unknown((*path, key), fields)
        read: dict[str, Any] = {}
        for key, field in fields.items():
            if key in plain:
                read[field.name] = self._option(field.type, plain[key], (*path, key))
            elif field.required:
                self.wrong((*path, key), f"is needed: expected {expected(field.type)}")
                read[field.name] = MISSING
        if MISSING in read.values():
            return MISSING
        return self._build(kind, read, path)

    def _option(self, kind: Any, plain: object, path: KeyPath) -> Any:
        """One option of a section: no number of those can be negative."""
        if kind in (int, float) and isinstance(plain, int | float) and plain < 0:
            self.wrong(path, f"expected {expected(kind)}, found {found_text(plain)}, which is negative")
            return MISSING
        return self.value(kind, plain, path)

    def _build(self, kind: type[msgspec.Struct], read: dict[str, Any], path: KeyPath) -> Any:
        try:
            return kind(**read)
        except ValueError as error:  # a struct's own __post_init__, which stops at the first fault
            for name, text in _faults(kind, read) or [("", str(error))]:
                self.wrong((*path, name) if name else path, text)
            return MISSING

    def _items(self, origin: Any, inner: Any, plain: list[object], path: KeyPath) -> Any:
        before = len(self.problems)
        read = [self.value(inner, item, (*path, number)) for number, item in enumerate(plain)]
        return MISSING if len(self.problems) > before else origin(read)

    def _table(self, inner: Any, plain: dict[str, object], path: KeyPath) -> Any:
        before = len(self.problems)
        read = {key: self.value(inner, item, (*path, key)) for key, item in plain.items()}
        return MISSING if len(self.problems) > before else read

    def _scalar(self, kind: Any, plain: object, path: KeyPath) -> Any:
        found = "something else" if is_secret(kind) else found_text(plain)
        if isinstance(plain, float) and not math.isfinite(plain):
            self.wrong(path, f"expected {expected(kind)}, found {found}")
            return MISSING
        try:
            return msgspec.convert(plain, kind, dec_hook=from_plain)
        except (msgspec.ValidationError, OverflowError):
            near = nearest(plain, choices(kind)) if isinstance(plain, str) else ""
            if expected(kind) == DURATION and str(plain).startswith("-"):
                near = ", which is negative"
            self.wrong(path, f"expected {expected(kind)}, found {found}{near}")
            return MISSING


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that `kind` is, or that it may be among others."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((m for m in members if isinstance(m, type) and issubclass(m, msgspec.Struct)), None)


def _faults(kind: type[msgspec.Struct], read: dict[str, Any]) -> list[tuple[str, str]]:
    """Options to blame, each alone, and why; none when only several together are wrong."""
    needed = {f.name: read[f.name] for f in msgspec.structs.fields(kind) if f.required}
    faults: list[tuple[str, str]] = []
    for name in ("", *(read.keys() - needed.keys())):
        try:
            kind(**needed, **({name: read[name]} if name else {}))
        except ValueError as error:
            blamed, colon, text = str(error).partition(": ")
            faults.append((blamed, text) if colon and blamed in read else (name, str(error)))
            if not name:
                break  # what is needed is wrong already
    return faults
