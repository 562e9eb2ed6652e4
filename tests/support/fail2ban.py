"""fail2ban's own word on the same lines: which of them its filters match, and with which address."""

import ast
import os
import subprocess
from pathlib import Path

from gatepost.network import parse_address

CASES = Path(__file__).parents[1] / "cases" / "fail2ban"
FILTERS = Path("/etc/fail2ban/filter.d")
SPECS = (
    "postfix",
    *(
        f"postfix[mode={mode}]"
        for mode in ("more", "normal", "auth", "aggressive", "ddos", "extra", "rbl", "errors")
    ),
    *(f"dovecot[mode={mode}]" for mode in ("normal", "aggressive")),
    *(f"exim[mode={mode}]" for mode in ("normal", "aggressive")),
    *(f"sshd[mode={mode}]" for mode in ("normal", "ddos", "extra", "aggressive")),
    "courier-auth",
    "courier-smtp",
    "exim-spam",
)
"""Filters of mail servers, and of sshd, in all their modes."""

# What a stranger, or chance, puts into lines. ASCII: of other letters we take none for part of a word.
PIECES = (
    "[198.51.100.9]", "]: ", "from ", " ", "  ", "198.51.100.9", "2001:db8::9", "::ffff:198.51.100.9", "::1",
    "1.2.3.4.5", "999.1.1.1", '"', "<", ">", ", ip=[198.51.100.9]", " port 22", "rip=198.51.100.9, ", "user=",
    "(", ")", "\t", "host.example", ":", ";", "550 5.1.1", "x" * 60, "SASL LOGIN authentication failed: ",
    "\\", "%", "\x0b", "\x1c", "[", "]", ": User unknown", "0",
)  # fmt: skip


def messages(spec):
    """Sample lines for a filter, without stamp and host."""
    return (CASES / f"{spec.partition('[')[0]}.log").read_text().splitlines()


def stamped(number, message, form):
    """A line whose stamp tells its number."""
    clock = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    head = {
        "rfc3339": f"2026-11-28T{clock}.125+00:00 mx ",
        "rfc3164": f"Nov 28 {clock} mx ",
        "exim": f"2026-11-28 {clock} ",
    }[form]
    return (head + message).encode()


def mutated(random, all_messages):
    """One of the messages, changed in some places."""
    text = random.choice(all_messages)
    for _ in range(random.randint(1, 3)):
        start = random.randint(0, len(text))
        end = min(len(text), start + random.randint(0, 12))
        other = random.choice(all_messages)
        text = random.choice(
            (
                text[:start] + random.choice(PIECES) + text[start:],
                text[:start] + random.choice(PIECES) + text[end:],
                text[:start] + text[end:],
                text[:end] + text[start:],
                text[:start] + other[random.randint(0, len(other)) :],
                text[:start] + " " + random.choice(other.split(" ")) + " " + text[start:],
            )
        )
    return text


def theirs(folder, spec, lines):
    """What fail2ban-regex finds: address by number of the line, empty for a name."""
    log = folder / "lines.log"
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    command = ["fail2ban-regex", "-r", "-e", "utf-8", "-o", "row", str(log), spec]
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    run = subprocess.run(command, capture_output=True, env=environment, check=True)
    found = {}
    for row in run.stdout.decode().splitlines():
        _, time, groups = ast.literal_eval(row.rstrip(","))
        address = parse_address(groups.get("ip4") or groups.get("ip6") or "")
        found[int(time) % 86400] = "" if address is None else str(address)
    return found
