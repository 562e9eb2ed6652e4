"""What keeps a filter file from being used."""


class FilterError(ValueError):
    """A filter cannot be used; the text says which file, where possible which line, and why."""

    def __init__(self, reason: str, file: str = "", line: int = 0) -> None:
        self.reason = reason
        self.file = file
        self.line = line
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__("".join(c if c.isprintable() else "?" for c in f"{place}{reason}"))
