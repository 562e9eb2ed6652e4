"""A reply of an SMTP server, as a value."""

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """What the server said."""

    code: int
    """0: it said nothing, and `text` says why."""
    text: str

    @property
    def accepts(self) -> bool:
        """Whether it said yes."""
        return 200 <= self.code < 400

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip() if self.code else self.text
