"""What an import took, what not, and why: the same for people and for programs."""

from dataclasses import dataclass, field

import msgspec

from gatepost.setting import Setting


class Taken(msgspec.Struct, frozen=True):
    """Something that holds from now on."""

    what: str
    """As the other software has it."""
    became: str
    """As it is with us."""


class NotTaken(msgspec.Struct, frozen=True):
    """Something that does not."""

    what: str
    why: str


class Wish(msgspec.Struct, frozen=True):
    """A setting, and what it comes from."""

    what: str
    setting: Setting


@dataclass(slots=True)
class Report:
    """Collected while importing."""

    source: str = "postgrey"
    """The other software."""
    wishes: list[Wish] = field(default_factory=list)
    """To be said in our configuration; becomes `taken` or `not_taken` when it was tried."""
    taken: list[Taken] = field(default_factory=list)
    not_taken: list[NotTaken] = field(default_factory=list)

    def wish(self, what: str, *path: str, value: object, append: bool = False) -> None:
        """Let our configuration say this."""
        comment = "".join(c if c.isprintable() else "?" for c in f"{self.source}: {what}")
        setting = Setting(path, value, comment, "append" if append else "set")
        self.wishes.append(Wish(what, setting))

    def leave(self, what: str, why: str) -> None:
        """This is not taken."""
        self.not_taken.append(NotTaken(what, why))

    def take(self, what: str, became: str) -> None:
        """This is taken."""
        self.taken.append(Taken(what, became))
