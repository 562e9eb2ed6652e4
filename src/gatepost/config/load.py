"""From a file to a Config, or to all that is wrong with it at once.

Raises ConfigError, and nothing else.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gatepost.access.options import AccessOptions
from gatepost.checks import find
from gatepost.config.lines import KeyPath, index
from gatepost.config.own_lists import check_own_lists
from gatepost.config.places import Places, control_for, here
from gatepost.config.problem import ConfigError, Problem, nearest
from gatepost.config.read import MISSING, Reader
from gatepost.config.rules import Patterns, check_names, check_own_trouble, read_patterns
from gatepost.config.schema import (
    TABLES,
    Config,
    arrays,
    check_defaults,
    check_sections,
    rule_names,
    sections,
    switches,
)
from gatepost.config.values import check_filters, check_values
from gatepost.engine.profile import Worth
from gatepost.options import Duration

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


class Said(msgspec.Struct, frozen=True):
    """What was said on the command line instead."""

    option: str
    """As it was written, e.g. `--store`."""
    value: object


Overrides = Mapping[KeyPath, Said]


def load(
    path: Path | None,
    overrides: Overrides | None = None,
    places: Places | None = None,
    *,
    alone: bool = False,
) -> Config:
    """The configuration in `path` (none: the defaults), with `overrides`, for `places`; see `parse`.

    Raises:
        ConfigError: it cannot be used; all that is wrong with it.
    """
    text = "" if path is None else _text(path)
    return parse(text, str(path or ""), overrides or {}, places or here(), alone=alone)


def parse(text: str, file: str, overrides: Overrides, places: Places, *, alone: bool = False) -> Config:
    """The configuration that `text`, which stands in `file`, says.

    With `alone` no other file is read: for commands that only need to know where daemon and store are, for
    somebody who may not read a key, or while a line of an access map is wrong.

    Raises:
        ConfigError: it cannot be used; all that is wrong with it.
    """
    plain = _toml(text, file)
    own_store = _own_store(plain)
    for path, said in overrides.items():
        _put(plain, path, said.value)
    _put(plain, ("store", "url"), places.store, only_if_missing=True)
    reader = Reader(file, index(text), {path: said.option for path, said in overrides.items()})
    config = _read(reader, plain, alone=alone)
    if reader.problems:
        raise ConfigError(reader.problems)
    return _settled(config, control_for(places, own_store, file))


def _own_store(plain: Mapping[str, Any]) -> str:
    """Where the file itself keeps state on the disk; empty when it leaves that to us."""
    store = plain.get("store")
    url = store.get("url") if isinstance(store, dict) else None
    return url if isinstance(url, str) and url.startswith("sqlite:") else ""


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error.strerror}")]) from None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, "", "is not UTF-8, as TOML must be")]) from None


def _toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place["line"]) if place and place["line"] else text.rstrip("\n").count("\n") + 1
        what = _PLACE.sub("", str(error))
        raise ConfigError([Problem(file, line, "", f"is not TOML: {_plainly(what)}")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 0, "", "is nested too deeply")]) from None


def _plainly(what: str) -> str:
    """The reason of tomllib, with what it most often means."""
    if what.startswith(("Cannot overwrite", "Duplicate inline table key")):
        return "this key stands here for the second time"
    if what.startswith("Cannot declare"):
        return "this table stands here for the second time"
    if what == "Invalid value":
        return 'a value is missing, or text that does not stand in quotes ("…")'
    return what[:1].lower() + what[1:]


def _put(plain: dict[str, Any], path: KeyPath, value: object, *, only_if_missing: bool = False) -> None:
    *tables, last = path
    for key in tables:
        inner = plain.setdefault(str(key), {})
        if not isinstance(inner, dict):
            return  # the file has no table there, which is told anyway
        plain = inner
    if not only_if_missing or last not in plain:
        plain[str(last)] = value


def _read(reader: Reader, plain: dict[str, Any], *, alone: bool) -> Config:
    """What could be read; the rest was noted."""
    several = {name: tuple[kind, ...] for name, kind in arrays().items()}  # type: ignore[valid-type]
    kinds, parts = switches(), sections() | several
    known = {*kinds, *parts, *check_sections(), *TABLES}
    for key in plain.keys() - known:
        what = "section" if isinstance(plain[key], dict | list) else "option"
        reader.wrong((key,), f"no such {what}{nearest(key, known)}")
    named = {
        key: reader.value(kind, plain[key], (key,)) for key, kind in (kinds | parts).items() if key in plain
    }
    options = {
        name: reader.value(check.Options, plain[name], (name,)) if name in plain else check_defaults(check)
        for name, check in find().items()
    }
    if not alone:
        _check_files(reader, options)
        check_filters(reader, named.get("jail", ()))
    check_values(reader, named)
    worths = read_patterns(reader, plain.get("rules", {}), "rules", Worth)
    delays = read_patterns(reader, plain.get("delay", {}), "delay", Duration)
    if not alone:
        _check_patterns(reader, worths, delays, options)
    return Config(
        **{key: value for key, value in named.items() if value is not MISSING},
        rules={pattern: entry.value for pattern, entry in worths.items()},
        delay={pattern: entry.value for pattern, entry in delays.items()},
        checks=options,
        warnings=tuple(str(problem) for problem in sorted(reader.warnings)),
    )


def _check_files(reader: Reader, options: dict[str, Any]) -> None:
    """Note what is wrong with options that name files, and with the files."""
    _check_options(reader, options)
    if isinstance(own := options.get("access"), AccessOptions):
        check_own_lists(reader, own)


def _check_options(reader: Reader, options: dict[str, Any]) -> None:
    """Note what is wrong with options that could be read, and count them as not read."""
    for name, check in find().items():
        if options[name] is MISSING:
            continue
        for path, text in list(check.problems(options[name])):
            reader.wrong((name, *path), text)
            options[name] = MISSING


def _check_patterns(reader: Reader, worths: Patterns, delays: Patterns, options: dict[str, Any]) -> None:
    """Note patterns that can match nothing; of a check whose section is wrong the rules are not known."""
    unread = tuple(f"{name}." for name, read in options.items() if read is MISSING)
    rules = rule_names({name: read for name, read in options.items() if read is not MISSING})
    for patterns in (worths, delays):
        check_names(reader, {p: e for p, e in patterns.items() if not p.startswith(unread)}, rules)
    check_own_trouble(reader, worths, sorted(rules))


def _settled(config: Config, socket: Path) -> Config:
    """`config` with the place of the control socket that the file leaves to us."""
    control = config.control
    if not control.socket:
        control = msgspec.structs.replace(control, socket=str(socket))
    return msgspec.structs.replace(config, control=control)
