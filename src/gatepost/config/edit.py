"""Saying more in our configuration file, without touching what stands there.

Whole lines are put into the text, or an element at the front of an array; that
the result says what it should, and all else as before, is proved by reading it
with tomllib. A library that keeps the style of TOML (tomlkit) would do the
same, but has no way to put a key before others, which `[rules]` needs.

Pure. Raises EditError.
"""

import copy
import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gatepost.config.lines import index
from gatepost.config.toml import toml_key, toml_value
from gatepost.dnslist.options import DEFAULTS
from gatepost.setting import Setting

Document = dict[str, Any]


class EditError(Exception):
    """The file cannot be changed safely; the text says why and what to write by hand."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a setting."""

    setting: Setting
    done: bool
    """The file says it now, or said it already."""
    text: str
    """`written`, `already so`, or why not."""


class Edited(msgspec.Struct, frozen=True):
    """The file as it is to be, and what became of each setting."""

    text: str
    outcomes: tuple[Outcome, ...]


def with_settings(text: str, settings: Iterable[Setting]) -> Edited:
    """`text`, a configuration file, with `settings` said in it.

    What the administrator has set otherwise stays and is told.

    Raises:
        EditError: `text` is not TOML, or so written that nothing can be put into it safely.
    """
    wanted = [*_with_defaults(text, settings)]
    sections = [setting for setting in wanted if isinstance(setting.value, dict)]
    lines = [setting for setting in wanted if not isinstance(setting.value, dict)]
    outcomes = {}
    for setting in (*sections, *reversed(lines)):  # a section goes last, a line first: so the order is kept
        document = _read(text)
        said = _said(document, setting)
        if said is None:
            text = _put(text, document, setting)
        outcomes[id(setting)] = Outcome(setting, said is None or said == _SO, said or "written")
    return Edited(text, tuple(outcomes[id(setting)] for setting in wanted))


_SO = "already so"


def _read(text: str) -> Document:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise EditError(f"is not TOML: {error}") from None


def _with_defaults(text: str, settings: Iterable[Setting]) -> Iterable[Setting]:
    """The settings, and before the first list of a kind those that are in use without any."""
    named = set(_read(text))
    for setting in settings:
        kind = setting.path[0]
        if setting.how == "append" and kind in DEFAULTS and kind not in named:
            named.add(kind)
            for default in DEFAULTS[kind]:
                if default.zone != setting.value.get("zone"):
                    yield Setting(
                        (kind,), {"zone": default.zone}, "in use without this section, too", "append"
                    )
        yield setting


def as_line(setting: Setting) -> str:
    """What is said, in one line for people: `[rules] "ptr.missing" = "defer"`, `[[dnsbl]] zone = "…"`."""
    *tables, last = setting.path
    if isinstance(setting.value, dict) and not tables:
        pairs = (f"{toml_key(key)} = {toml_value(value)}" for key, value in setting.value.items())
        return f"[[{toml_key(last)}]] {', '.join(pairs)}"
    value = [setting.value] if setting.how == "append" else setting.value
    head = f"[{'.'.join(map(toml_key, tables))}] " if tables else ""
    return f"{head}{toml_key(last)} = {toml_value(value)}"


# --- what is said already -----------------------------------------------------------------------------


def _said(document: Document, setting: Setting) -> str | None:
    """What the file says of it already; None when nothing stands in the way."""
    found = _find(document, setting.path)
    if found is None:
        return None
    if setting.how == "append":
        return _said_in(found, setting)
    return _SO if found == setting.value else f"kept: the file says {_shown(found)} already"


def _said_in(found: Any, setting: Setting) -> str | None:
    if not isinstance(found, list):
        return f"kept: the file says {_shown(found)} already"
    if not isinstance(setting.value, dict):
        return _SO if setting.value in found else None
    key = _CALLED.get(setting.path[-1], "zone")
    same = [one for one in found if isinstance(one, dict) and one.get(key) == setting.value.get(key)]
    if not same:
        return None
    return (
        _SO if setting.value.items() <= same[0].items() else f"kept: the file says {_shown(same[0])} already"
    )


_CALLED = {"jail": "name"}
"""By which key a table in an array of tables is called; those of lists by `zone`."""


def _shown(value: Any) -> str:
    return toml_value(value)


def _find(document: Document, path: Sequence[str]) -> Any:
    """The value at `path`; a rule is found however its pattern is cut into keys."""
    if len(path) == 2 and isinstance(document.get(path[0]), dict):
        return dict(_flat(document[path[0]])).get(path[1])
    return document.get(path[0]) if len(path) == 1 else None


def _flat(table: Document, before: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        yield f"{before}{key}", value
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")


# --- putting it there ---------------------------------------------------------------------------------


def _put(text: str, document: Document, setting: Setting) -> str:
    """The text with the setting in it, proved."""
    changed = _by_text(text, document, setting)
    wanted = _by_value(document, setting)
    try:
        proved = tomllib.loads(changed) == wanted
    except tomllib.TOMLDecodeError:
        proved = False
    if not proved:
        section = toml_key(setting.path[0])
        raise EditError(
            f"{section} is written in a way that nothing can be added to; write it as a section [{section}], "
            f"or add by hand: {_assignment(setting.path, _value(document, setting))}"
        )
    return changed


def _value(document: Document, setting: Setting) -> Any:
    """What the key is given when it is new."""
    new = setting.how == "append" and _find(document, setting.path) is None
    return [setting.value] if new else setting.value


def _by_value(document: Document, setting: Setting) -> Document:
    """What the file must say afterwards."""
    wanted = copy.deepcopy(document)
    *tables, last = setting.path
    table = wanted
    for key in tables:
        table = table.setdefault(key, {})
    if setting.how == "append":
        table[last] = _with_element(table.get(last, []), setting)
    else:
        table[last] = setting.value
    return wanted


def _with_element(elements: list[Any], setting: Setting) -> list[Any]:
    """An element of an array goes first; a table of an array of tables is a section, and goes last."""
    return [*elements, setting.value] if isinstance(setting.value, dict) else [setting.value, *elements]


def _by_text(text: str, document: Document, setting: Setting) -> str:
    comment = f"# {setting.comment}\n" if setting.comment else ""
    if len(setting.path) == 1 and isinstance(setting.value, dict):
        pairs = "".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in setting.value.items())
        return f"{_ended(text)}\n{comment}[[{toml_key(setting.path[0])}]]\n{pairs}"
    if setting.how == "append" and _find(document, setting.path) is not None:
        return _into_array(text, setting)
    return _as_line(text, comment, setting.path, _value(document, setting))


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _into_array(text: str, setting: Setting) -> str:
    """The value at the front of an array that stands there."""
    line = index(text).get(setting.path, 0)
    start = _start(text, line)
    key = re.compile(rf"(?:.*\.)?[ \t]*[\"']?{re.escape(setting.path[-1])}[\"']?[ \t]*=[ \t]*\[")
    found = key.match(text, start)
    if not line or found is None:
        return text
    return f"{text[: found.end()]}{toml_value(setting.value)}, {text[found.end() :]}"


def _start(text: str, line: int) -> int:
    """Where a line, counted from 1, begins."""
    place = 0
    for _ in range(line - 1):
        place = text.index("\n", place) + 1
    return place


def _as_line(text: str, comment: str, path: Sequence[str], value: Any) -> str:
    """A line of its own: below the section's head, beside its dotted keys, or in a new section."""
    lines = index(text)
    if len(path) == 1:
        heads = [
            line for line in set(lines.values()) if text[_start(text, line) :].lstrip(" \t").startswith("[")
        ]
        return _before(text, min(heads, default=0), f"{comment}{_assignment(path, value)}\n")
    line = lines.get((path[0],), 0)
    if not line:
        return f"{_ended(text)}\n[{toml_key(path[0])}]\n{comment}{_assignment(path[1:], value)}\n"
    if text[_start(text, line) :].lstrip(" \t").startswith("["):
        return _before(text, line + 1, f"{comment}{_assignment(path[1:], value)}\n")
    return _before(text, line, f"{comment}{_assignment(path, value)}\n")


def _before(text: str, line: int, new: str) -> str:
    """`text` with `new` before a line; at the end when there is none such."""
    text = _ended(text)
    if not line or line > text.count("\n"):
        return text + new
    place = _start(text, line)
    return text[:place] + new + text[place:]


def _assignment(path: Sequence[str], value: Any) -> str:
    return f"{'.'.join(map(toml_key, path))} = {toml_value(value)}"
