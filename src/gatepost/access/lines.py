"""Logical lines, as every Postfix table source has them (postmap(1), "TABLE FORMAT"). Pure.

A line that starts with white space continues the one before; comments and
blank lines may stand anywhere, also between the two.
"""

from collections.abc import Iterator

from gatepost.access.trouble import Reading

SPACE = " \t\n\v\f\r"
"""White space as C's isspace() knows it, which Postfix uses; str.strip() would take more."""

_SPACE = SPACE.encode()


def logical_lines(data: bytes, reading: Reading) -> Iterator[tuple[int, str]]:
    """Number of its first physical line, and text, of each logical line.

    What Postfix warns about and skips is skipped and told to `reading`.
    """
    for number, line in _joined(data):
        if line[0] in _SPACE:
            reading.warn(number, "skipped: a line that starts with white space continues nothing here")
            continue
        try:
            text = line.decode()
        except UnicodeDecodeError:
            reading.warn(number, "skipped, as Postfix does: the line is not UTF-8")
            continue
        if "\0" in text:
            reading.warn(number, "skipped: the line holds a NUL octet")
            continue
        yield number, text.rstrip(SPACE)


def _joined(data: bytes) -> Iterator[tuple[int, bytes]]:
    first, parts = 0, list[bytes]()
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.lstrip(_SPACE)
        if not bare or bare.startswith(b"#"):
            continue
        if parts and line[0] not in _SPACE:
            yield first, b"".join(parts)
            parts = []
        if not parts:
            first = number
        parts.append(line)
    if parts:
        yield first, b"".join(parts)
