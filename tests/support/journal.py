"""Journals that the tests fill themselves: real files, by systemd-journal-remote, without systemd running.

An entry is written as `journalctl --output=export` would (systemd's Journal
Export Format): `NAME=value`, or for any octets the name, the length in 8 octets
and the value; an empty line ends it.
"""

import subprocess
import time
from pathlib import Path

WRITER = "/usr/lib/systemd/systemd-journal-remote"
MACHINE = "0123456789abcdef0123456789abcde0"


def entry(message, boot=1, when=None, **fields):
    """One entry: a line of smtpd by default; a field that is None is left out."""
    now = time.time_ns() // 1000
    wanted = {
        "__REALTIME_TIMESTAMP": now if when is None else when,
        "__MONOTONIC_TIMESTAMP": time.monotonic_ns() // 1000,
        "_BOOT_ID": f"{boot:032x}",
        "_MACHINE_ID": MACHINE,
        "_HOSTNAME": "mx",
        "_UID": 0,
        "_PID": 123,
        "SYSLOG_FACILITY": 2,
        "SYSLOG_IDENTIFIER": "postfix/smtpd",
        "MESSAGE": message,
        **fields,
    }
    return b"".join(_field(name, value) for name, value in wanted.items() if value is not None) + b"\n"


def _field(name, value):
    octets = value if isinstance(value, bytes) else str(value).encode()
    if all(32 <= octet < 127 for octet in octets):
        return name.encode() + b"=" + octets + b"\n"
    return name.encode() + b"\n" + len(octets).to_bytes(8, "little") + octets + b"\n"


def write(folder, *entries, name="system"):
    """Append entries to a journal in `folder`."""
    path = Path(folder) / f"{name}.journal"
    subprocess.run(
        [WRITER, f"--output={path}", "-"], input=b"".join(entries), check=True, capture_output=True
    )
    path.chmod(0o644)


def rotate(folder, name="system"):
    """Put the journal aside as journald does: under another name, and the next entries into a new file."""
    path = Path(folder) / f"{name}.journal"
    path.rename(path.with_name(f"{name}@{time.time_ns():x}.journal"))
