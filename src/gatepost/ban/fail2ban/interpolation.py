"""`%(name)s` in values: replaced by the value of that name (configparser's basic interpolation). Pure.

`%(known/name)s` is what was said before a later file said otherwise, `%(section/name)s` what another
section says; either falls back to [DEFAULT]. `%%` is a `%`.

Raises: FilterError.
"""

import re
from collections.abc import Mapping

from gatepost.ban.fail2ban.layers import Layers
from gatepost.ban.fail2ban.trouble import FilterError

MAX_DEPTH = 10
MAX_VALUE = 128 * 1024
"""Characters that a value may come to."""
MAX_STEPS = 20_000
"""Replacements in one value, also of names that come to nothing."""

_TOKEN = re.compile(r"%(?:(%)|\(([^)]+)\)s)?")


class Interpolation:
    """Values of what was read, with `given` (parameters) above all of it."""

    def __init__(self, layers: Layers, given: Mapping[str, str]) -> None:
        self._layers = layers
        self._given = {name.lower(): value for name, value in given.items()}
        self._steps = 0

    def value(self, section: str, option: str, *, with_given: bool = True) -> str | None:
        """The value of an option, replaced all through; None when nobody says it."""
        raw = self._raw(section, option.lower(), with_given=with_given)
        if raw is None:
            return None
        self._steps = 0
        return self._replaced(raw, section, option, with_given=with_given, depth=1)

    def own(self, section: str) -> dict[str, str]:
        """All that a section itself says, replaced all through."""
        found = {}
        for option in self._layers.sections.get(section, {}):
            value = self.value(section, option, with_given=False)
            if value is not None:
                found[option] = value
        return found

    def _raw(self, section: str, option: str, *, with_given: bool) -> str | None:
        if with_given and option in self._given:
            return self._given[option]
        if option == "__name__":
            return section
        said = self._layers.sections.get(section, {})
        if option in said:
            return said[option]
        if option in self._layers.defaults:
            return self._layers.defaults[option]
        return self._elsewhere(section, option) if "/" in option else None

    def _elsewhere(self, section: str, option: str) -> str | None:
        """`known/name` and `section/name`."""
        where, _, name = option.rpartition("/")
        defaults = self._layers.defaults
        if where == "default":
            return defaults.get(name)
        if where == "known":
            return self._layers.known.get(section, {}).get(name, defaults.get(name))
        sections = {key.lower(): said for key, said in self._layers.sections.items()}
        return sections[where].get(name, defaults.get(name)) if where in sections else None

    def _replaced(self, raw: str, section: str, option: str, *, with_given: bool, depth: int) -> str:
        if "%" not in raw:
            return raw
        if depth > MAX_DEPTH:
            raise self._error(option, f"names that lead to each other more than {MAX_DEPTH} deep")
        parts: list[str] = []
        at = size = 0
        for token in _TOKEN.finditer(raw):
            parts.append(raw[at : token.start()])
            parts.append(self._token(token, section, option, with_given=with_given, depth=depth))
            at = token.end()
            size += len(parts[-1]) + len(parts[-2])
            if size > MAX_VALUE:
                raise self._error(option, f"comes to more than {MAX_VALUE} characters")
        return "".join(parts) + raw[at:]

    def _token(self, token: re.Match[str], section: str, option: str, *, with_given: bool, depth: int) -> str:
        if token[1]:
            return "%"
        name = token[2]
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise self._error(option, f"more than {MAX_STEPS} names in it")
        if not name:
            raise self._error(option, "a % that is neither %% nor %(name)s")
        value = self._raw(section, name.lower(), with_given=with_given)
        if value is None:
            raise self._error(option, f"%({name})s, which nobody defines")
        return self._replaced(value, section, option, with_given=with_given, depth=depth + 1)

    def _error(self, option: str, reason: str) -> FilterError:
        return FilterError(f"{option}: {reason}", *self._layers.place(option.lower()))
