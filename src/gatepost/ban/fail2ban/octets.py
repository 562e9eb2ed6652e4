"""Sets of octets, as classes of characters in patterns: the same in every engine. Pure.

Patterns look at octets: letters and digits are those of ASCII, as in the logs of mail servers.
"""

ALL = frozenset(range(256))
NEWLINE = frozenset(b"\n")
DIGITS = frozenset(b"0123456789")
WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
SPACE = frozenset(b" \t\n\r\f\v\x1c\x1d\x1e\x1f")
"""White space as Python has it for text, of which the last four are rarely thought of."""
CLASSES = {
    "d": DIGITS,
    "D": ALL - DIGITS,
    "w": WORD,
    "W": ALL - WORD,
    "s": SPACE,
    "S": ALL - SPACE,
}


def written(octets: frozenset[int]) -> str:
    """A class of characters that RE2 and regex take for just these octets; `octets` is not empty."""
    inside = octets if len(octets) <= 128 else ALL - octets
    if not inside:
        return r"[\x00-\xff]"
    return f"[{'^' if len(octets) > 128 else ''}{''.join(_ranges(sorted(inside)))}]"


def _ranges(octets: list[int]) -> list[str]:
    found: list[list[int]] = []
    for one in octets:
        if found and found[-1][1] == one - 1:
            found[-1][1] = one
        else:
            found.append([one, one])
    return [octet(a) if a == b else f"{octet(a)}-{octet(b)}" for a, b in found]


def octet(number: int) -> str:
    """One octet, so that no engine takes it for a sign of its own."""
    character = chr(number)
    return character if character.isascii() and character.isalnum() else f"\\x{number:02x}"
