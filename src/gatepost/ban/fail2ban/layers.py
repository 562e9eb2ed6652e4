"""Files laid over each other: [INCLUDES] `before` and `after`, and `.local` beside `.conf`. Pure.

What a later file says of a name holds; what was said before is kept as
`known/NAME` (jail.conf(5)). A path leads to a text through a function, so that
nothing here opens a file.

Raises: FilterError.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from posixpath import dirname, isabs, join, splitext

from gatepost.ban.fail2ban.ini import Ini, parse
from gatepost.ban.fail2ban.trouble import FilterError

Reader = Callable[[str], str | None]
"""The text of the file at a path; None when there is none. May raise FilterError."""

MAX_FILES = 64
MAX_DEPTH = 10
INCLUDES = "INCLUDES"


@dataclass(slots=True)
class Layers:
    """All that the files say, the later over the earlier; values are raw."""

    defaults: dict[str, str] = field(default_factory=dict)
    sections: dict[str, dict[str, str]] = field(default_factory=dict)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    """By section: what was said before of names that a later file set again."""
    files: list[Ini] = field(default_factory=list)

    def place(self, option: str) -> tuple[str, int]:
        """File and line that set an option last; the last file and 0 when none is found."""
        for ini in reversed(self.files):
            if line := ini.line_of(option):
                return ini.file, line
        return (self.files[-1].file if self.files else "", 0)

    def lay(self, ini: Ini) -> None:
        """Lay one more file over the others."""
        self.files.append(ini)
        self.defaults.update(ini.defaults)
        for written, options in ini.sections.items():
            name, question, condition = written.partition("?")
            said = {f"{key}{question}{condition}": value for key, value in options.items()}
            section = self.sections.setdefault(name, {})
            before = {key: section[key] for key in said if key in section}
            self.known.setdefault(name, {}).update(before)
            section.update(said)


def read_layers(paths: Iterable[str], read: Reader) -> Layers:
    """What files at these paths say, with all that they include; those that are missing are left out."""
    reading = _Reading(read)
    layers = Layers()
    given = list(paths)
    for path in _with_local(given):
        for ini in reading.with_includes(path, ()):
            layers.lay(ini)
    return layers


def _with_local(paths: list[str]) -> list[str]:
    """Each path, and after it its `.local`, where that is not among them anyway."""
    found: list[str] = []
    for path in paths:
        found.append(path)
        local = splitext(path)[0] + ".local"
        if local not in paths:
            found.append(local)
    return found


class _Reading:
    def __init__(self, read: Reader) -> None:
        self._read = read
        self._count = 0

    def with_includes(self, path: str, above: tuple[str, ...]) -> list[Ini]:
        """The file and what it includes, in the order in which they are laid."""
        if len(above) > MAX_DEPTH:
            raise FilterError(f"includes more than {MAX_DEPTH} deep", path)
        text = self._read(path)
        if text is None:
            return []
        self._count += 1
        if self._count > MAX_FILES:
            raise FilterError(f"more than {MAX_FILES} files include each other", path)
        ini = parse(path, text)
        return [*self._named(ini, "before", above), ini, *self._named(ini, "after", above)]

    def _named(self, ini: Ini, which: str, above: tuple[str, ...]) -> list[Ini]:
        value = ini.sections.get(INCLUDES, {}).get(which, "")
        folder = dirname(ini.file)
        names = [name.strip() for name in value.split("\n") if name.strip()]
        paths = [name if isabs(name) else join(folder, name) for name in names]
        found: list[Ini] = []
        for path in paths:
            if path in above:  # a circle; fail2ban goes round it, too
                continue
            for one in _with_local([path]):
                found += self.with_includes(one, (*above, ini.file))
        return found
