"""What a filter says in the end: its patterns and settings as texts. Pure.

Raises: FilterError.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from gatepost.ban.fail2ban.interpolation import Interpolation
from gatepost.ban.fail2ban.layers import Layers, Reader, read_layers
from gatepost.ban.fail2ban.tags import replaced
from gatepost.ban.fail2ban.trouble import FilterError

DEFINITION, INIT = "Definition", "Init"
MAX_PATTERNS = 500

_OPTIONS = ("prefregex", "failregex", "ignoreregex", "maxlines", "datepattern", "journalmatch")
_ELSEWHERE = re.compile(r"([\w-]+)/([^\s>]+)")


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A filter as texts; patterns still hold `<HOST>` and its kind."""

    failregex: tuple[str, ...]
    ignoreregex: tuple[str, ...] = ()
    prefregex: str = ""
    datepattern: tuple[str, ...] | None = None
    """None: not said, so that any stamp at the beginning of a line is one."""
    journalmatch: tuple[str, ...] = ()
    maxlines: int = 1
    places: Mapping[str, tuple[str, int]] = {}
    """File and line by option, for errors."""


def define(paths: Iterable[str], parameters: Mapping[str, str], read: Reader) -> Definition:
    """What the files at `paths`, one over the other, make of these parameters."""
    layers = read_layers(paths, read)
    if DEFINITION not in layers.sections and "failregex" not in parameters:
        raise FilterError("no [Definition]: a part that other filters include, or no filter", *_where(layers))
    places = {option: layers.place(option) for option in _OPTIONS}
    said = _Said(layers, parameters)
    try:
        texts = {option: said.text(option) for option in _OPTIONS}
    except FilterError as error:
        raise error if error.file else FilterError(error.reason, *_where(layers)) from None
    return _definition(texts, places)


def _where(layers: Layers) -> tuple[str, int]:
    return (layers.files[-1].file if layers.files else "", 0)


class _Said:
    """Options in fail2ban's order of weight: parameters, [Definition] and [DEFAULT]; [Init] for tags."""

    def __init__(self, layers: Layers, parameters: Mapping[str, str]) -> None:
        given = dict(parameters)
        if "logtype" not in given and "logtype" not in layers.sections.get(DEFINITION, {}):
            given["logtype"] = "file"
        self._interpolation = Interpolation(layers, given)
        for option, value in self._interpolation.own(INIT).items():
            given.setdefault(f"known/{option}", value)
            given.setdefault(option, value)
        self._given = given
        self._conditional = {option.partition("?")[0] for option in given if "?" in option}
        self._raw = {option: self._interpolation.value(DEFINITION, option) for option in _OPTIONS}
        self._seen: dict[str, str | None] = {}

    def text(self, option: str) -> str | None:
        """An option with all its tags replaced; None when nobody says it."""
        value = self._given.get(option, self._raw[option])
        return None if value is None else replaced(option, value, self._tag)

    def _tag(self, tag: str) -> str | None:
        if tag in self._conditional:
            return None
        if tag not in self._seen:
            self._seen[tag] = self._lookup(tag)
        return self._seen[tag]

    def _lookup(self, tag: str) -> str | None:
        said = self._given.get(tag, self._raw.get(tag))
        if said is not None:
            return said
        if elsewhere := _ELSEWHERE.fullmatch(tag):
            section, option = elsewhere.groups()
            value = self._of_section(section, option)
            if value is not None:
                return value
        return self._interpolation.value(DEFINITION, tag)

    def _of_section(self, section: str, option: str) -> str | None:
        if section.lower() == "known":
            return self._interpolation.value(DEFINITION, f"known/{option}", with_given=False)
        return self._interpolation.value(section, option, with_given=False)


def _definition(texts: Mapping[str, str | None], places: Mapping[str, tuple[str, int]]) -> Definition:
    failregex = _patterns(texts["failregex"])
    if not failregex:
        raise FilterError("no failregex: there is nothing it looks for", places["failregex"][0])
    ignoreregex = _patterns(texts["ignoreregex"])
    if len(failregex) + len(ignoreregex) > MAX_PATTERNS:
        raise FilterError(f"more than {MAX_PATTERNS} patterns", *places["failregex"])
    dates = texts["datepattern"]
    return Definition(
        failregex=failregex,
        ignoreregex=ignoreregex,
        prefregex=(texts["prefregex"] or "").strip("\n"),
        datepattern=None if dates is None else _patterns(dates),
        journalmatch=_patterns(texts["journalmatch"]),
        maxlines=_number(texts["maxlines"], places["maxlines"]),
        places=dict(places),
    )


def _patterns(value: str | None) -> tuple[str, ...]:
    return tuple(line for line in (value or "").split("\n") if line.strip())


def _number(value: str | None, place: tuple[str, int]) -> int:
    if value is None or not value.strip():
        return 1
    if not (value.strip().isascii() and value.strip().isdigit()) or len(value) > 9:
        raise FilterError(f"maxlines: {value[:30]!r} is not a number", *place)
    return int(value)
