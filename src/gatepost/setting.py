"""What is to be said in our configuration file, as values: `import` and `postfix plan --take-over` make them.

`config.edit` writes them into a file without losing a comment of it.
"""

from typing import Any, Literal

import msgspec


class Setting(msgspec.Struct, frozen=True):
    """One thing to be said."""

    path: tuple[str, ...]
    """The keys that lead to it: `("greylist", "delay")`, `("rules", "ptr.missing")`."""
    value: Any
    """What it is to be: text, a number, a truth, a list, or a table."""
    comment: str = ""
    """For people: where it comes from and why. Written above it."""
    how: Literal["set", "append", "first"] = "set"
    """`set`: the option has this value. `append`: `value` is an element of the array (also of an array of
    tables, such as `[[dnsbl]]`), unless it is there already. `first`: as `set`, before all other keys of its
    table, where the order counts (`[rules]`)."""
