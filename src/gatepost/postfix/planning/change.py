"""A file that is to hold something else: what `plan` proposes and `apply` writes. A value."""

import msgspec


class FileChange(msgspec.Struct, frozen=True):
    """One file, before and after."""

    path: str
    """As it was found; where it is a symbolic link, the file it leads to is written."""
    before: bytes | None
    """What it held when the plan was made; None: it did not exist. Not written if that has changed since."""
    after: bytes
    reasons: tuple[str, ...] = ()
    """Why, a sentence for each thing that changes."""
