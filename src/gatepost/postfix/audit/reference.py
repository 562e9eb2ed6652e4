"""The page of all findings: `python -m gatepost.postfix.audit.reference > docs/audit.md`. Pure."""

import sys
from collections.abc import Iterator

from gatepost.postfix.audit import examine, topics
from gatepost.postfix.audit.base import Fault, Severity

HEAD = """\
# What the audit finds

    gatepost postfix audit
    gatepost postfix audit --dns

looks at a Postfix and changes nothing. It prints a table, the gravest first: what is wrong, what was seen and
where, and why it matters; below it, for each finding, the lines to write or the command to run, ready to be
copied. `--json` prints the same for programs. Exit status 1 when anything serious was found, else 0; 2 when
the configuration could not be read.

- `-c DIR` names the folder of main.cf, for another instance.
- While Postfix runs, it is tried at every port 25 whether a stranger can have mail relayed: as root an
  address that nobody has is lent to the loopback interface for that time, and the dialogue ends before DATA.
  `--no-probe` leaves that out.
- `--dns` asks the DNS about our names, addresses and domains, and the public lists about us. Domains are
  those of Postfix (`mydestination`, `virtual_*`, `relay_domains`, tables that can be listed), or those in
  `[ours] domains`. What could not be looked up is told as such, never as missing.

| severity | means |
|---|---|
| serious | mail is lost or may be, is refused for no reason, or is relayed for strangers |
| warning | it does harm on a bad day, or lets in what it should stop |
| note | worth knowing; it may be meant so |

Keys of lists that need one are never printed: the word KEY stands instead.
"""
FOOT = "This page is made from the program: `python -m gatepost.postfix.audit.reference > docs/audit.md`.\n"


def page() -> str:
    """The whole page."""
    every = topics.find().values()
    configuration = [(t.name, t.says, t.faults) for t in every if t.look]
    dns = [(t.name, t.says, t.faults) for t in every if not t.look]
    parts = [HEAD, "## Configuration and machine\n", *_sections(configuration)]
    parts += ["## The DNS (`--dns`)\n", *_sections(dns)]
    parts += ["## What could not be looked at\n", "".join(map(_entry, examine.FAULTS)), FOOT]
    return "\n".join(parts)


def _sections(told: list[tuple[str, str, tuple[Fault, ...]]]) -> Iterator[str]:
    for name, says, faults in told:
        yield f"### {name}\n\n{says}\n"
        yield "".join(_entry(fault) for fault in faults)


def _entry(fault: Fault) -> str:
    """One finding: what, why, remedy."""
    mark = f"**{fault.severity}**" if fault.severity is Severity.SERIOUS else str(fault.severity)
    return f"- `{fault.name}` ({mark}): {fault.title}.\n  {fault.reason}\n  *Remedy:* {fault.remedy}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
