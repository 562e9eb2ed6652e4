"""What is wrong in a file of entries, by file and line, collected so that all of it is told at once."""

from dataclasses import dataclass, field

import msgspec


class Trouble(msgspec.Struct, frozen=True):
    """One thing that is wrong at one place."""

    file: str
    line: int
    """Counted from 1; 0: the whole file."""
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


class AccessMapError(ValueError):
    """A file cannot be honoured as it is; `troubles` holds every reason."""

    def __init__(self, troubles: tuple[Trouble, ...]) -> None:
        super().__init__("\n".join(map(str, troubles)))
        self.troubles = troubles


@dataclass(slots=True)
class Reading:
    """What a parser finds to say about the file it reads."""

    file: str
    errors: list[Trouble] = field(default_factory=list)
    """Entries that Postfix would honour and we cannot: the file is refused."""
    warnings: list[Trouble] = field(default_factory=list)
    """Lines that Postfix skips as well, or that do not mean what they seem to."""

    def error(self, line: int, text: str) -> None:
        """This line must not be passed over."""
        self.errors.append(Trouble(self.file, line, text))

    def warn(self, line: int, text: str) -> None:
        """This line is passed over, or somebody should look at it."""
        self.warnings.append(Trouble(self.file, line, text))

    def done(self) -> None:
        """Raise AccessMapError when there were errors."""
        if self.errors:
            raise AccessMapError(tuple(self.errors))
