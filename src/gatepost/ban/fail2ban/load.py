"""Filters by path, by name, or a bare pattern: what a jail's `filter` says.

Raises: FilterError.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from gatepost.ban.fail2ban.addresses import IN_PATTERN
from gatepost.ban.fail2ban.definition import Definition, define
from gatepost.ban.fail2ban.files import read_file
from gatepost.ban.fail2ban.filter import Filter
from gatepost.ban.fail2ban.layers import Reader
from gatepost.ban.fail2ban.spec import Spec, parse_spec
from gatepost.ban.fail2ban.trouble import FilterError

FOLDER = Path("/etc/fail2ban")
"""Where fail2ban has its configuration."""
BARE = "pattern"
"""Rule of a bare pattern."""

_NO_PARAMETERS: Mapping[str, str] = {}
_NAME = re.compile(r"[\w/_.-]+(?:\[.*\])?", re.DOTALL)


def load(
    source: str,
    mode: str = "",
    parameters: Mapping[str, str] = _NO_PARAMETERS,
    folder: Path = FOLDER,
    read: Reader = read_file,
) -> Filter:
    """The filter that `source` names: a path, or a name in `folder`/filter.d, with `[mode=…]`; or a pattern.

    What is said in `parameters` and `mode` counts more than what is said in brackets.
    """
    text = source.strip()
    if not _NAME.fullmatch(text) and IN_PATTERN.search(text):
        return Filter(
            Definition(failregex=tuple(line.strip() for line in text.split("\n") if line.strip())), BARE
        )
    if not _NAME.fullmatch(text):
        raise FilterError(f"{text[:80]!r} is neither a filter nor a pattern with <HOST> or <ADDR>")
    spec = parse_spec(text)
    given = {**spec.parameters, **parameters, **({"mode": mode} if mode else {})}
    path = _path(spec, folder)
    if read(path) is None and read(str(Path(path).with_suffix(".local"))) is None:
        raise FilterError("there is no such filter, or it may not be read", path)
    definition = define([path], given, read)
    if not definition.places["failregex"][0] and "failregex" not in given:
        raise FilterError("there is no such filter", path)
    return Filter(definition, f"fail2ban.{Path(path).stem}")


def _path(spec: Spec, folder: Path) -> str:
    if "/" in spec.name:
        return str(Path(spec.name).absolute())
    return str(
        folder / "filter.d" / (spec.name if spec.name.endswith((".conf", ".local")) else f"{spec.name}.conf")
    )
