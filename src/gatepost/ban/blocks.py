"""Octets of a log into blocks of whole lines, without any work of Python for each line.

Pure. A line longer than MAX_LINE is left out as a whole, and counted: a stranger
who fills a line up to where it is cut would choose how it ends, and with that
whom a rule believes it to be about. An empty line stands in its place, so that
line numbers stay right.
"""

import msgspec

BLOCK = 256 << 10
"""Octets read at once."""
MAX_LINE = 64 << 10
"""Octets in a line; syslog daemons write far shorter ones."""
MAX_LINES = 4096
"""Lines in a block: whoever parses one is not held up for longer, however short they are."""


class Cut(msgspec.Struct, frozen=True, gc=False):
    """What `cut` made of some octets."""

    lines: list[bytes]
    """Without their newlines."""
    used: int
    """So many octets are done with; the rest is for the next time, together with what follows it."""
    skipping: bool
    """The octets done with end within a line that is left out."""
    too_long: int
    """Lines left out; one that goes on is counted when it is met."""


def cut(data: bytes, *, skipping: bool = False) -> Cut:
    """The whole lines at the beginning of `data`, which begins with a line, or within one if `skipping`.

    Octets that are NUL at the beginning are passed over: a writer that kept its
    place while the file was emptied under it leaves a hole before its next line.
    """
    begin = data.find(b"\n") + 1 if skipping else 0
    if skipping and not begin:
        return Cut([], len(data), True, 0)
    if data.startswith(b"\0", begin):
        begin = len(data) - len(data[begin:].lstrip(b"\0"))
    lines = (data[begin:] if begin else data).split(b"\n", MAX_LINES)
    rest = len(lines.pop())
    if rest > MAX_LINE and len(lines) < MAX_LINES:
        too_long, used, skips = 1, len(data), True
    else:
        too_long, used, skips = 0, len(data) - rest, False
    if _may_hold_long(data):
        too_long += sum(len(line) > MAX_LINE for line in lines)
        lines = [line if len(line) <= MAX_LINE else b"" for line in lines]
    if skips:
        lines.append(b"")
    return Cut(lines, used, skips, too_long)


def _may_hold_long(data: bytes) -> bool:
    """Whether a line of `data` may be too long: such a one fills a window. Cheaper than to measure each."""
    window = MAX_LINE // 2
    return any(data.find(b"\n", at, at + window) < 0 for at in range(0, len(data) - window, window))
