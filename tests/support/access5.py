"""A strict reading of the replies that access(5) and SMTPD_POLICY_README allow, for what we send.

Stricter than Postfix: raises ValueError where Postfix would warn, guess, or take a refusal for permission.
"""

import re
from typing import NamedTuple

REFUSAL = re.compile(
    r"(?P<word>DEFER_IF_PERMIT|[45][0-5][0-9]) (?P<kind>[245])\.[0-9]{1,3}\.[0-9]{1,3} (?P<text>.+)"
)
HEADER = re.compile(r"PREPEND (?P<name>[!-9;-~]+): (?P<value>\S.*)")


class Reply(NamedTuple):
    """What Postfix would do: `pass`, `prepend`, or the class of its SMTP reply, `4` or `5`."""

    what: str
    text: str = ""


def read(octets: bytes) -> Reply:
    """What the reply says.

    Raises:
        ValueError: Postfix would not do with it what we mean.
    """
    text = octets.decode("ascii")
    if not (text.startswith("action=") and text.endswith("\n\n")):
        raise ValueError("not in its frame")
    line = text[len("action=") : -2]
    if not line.isprintable() or line != line.strip() or len(text) - 2 > 400:
        raise ValueError("not one printable line of at most 400 octets")
    if line == "DUNNO":
        return Reply("pass")
    if header := HEADER.fullmatch(line):
        return Reply("prepend", f"{header['name']}: {header['value']}")
    match = REFUSAL.fullmatch(line)
    if not match or not match["text"].strip():
        raise ValueError(f"no action that we use: {line}")
    kind = "4" if match["word"] == "DEFER_IF_PERMIT" else match["word"][0]
    if match["word"] in {"421", "521"} or match["kind"] != kind:
        raise ValueError("hangs up, or codes of two classes")
    return Reply(kind, match["text"])
