"""DMARC records of our own domains (RFC 9989): one, with a policy, and somebody who reads the reports."""

from collections.abc import AsyncIterator

from gatepost.dns.base import Resolver
from gatepost.postfix.audit import zonefile
from gatepost.postfix.audit.asking import exists, texts_of
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own
from gatepost.postfix.audit.tags import tags_of

POLICIES = ("none", "quarantine", "reject")
DEEPEST = 8
"""Labels of a name that the walk up the tree begins with at most (RFC 9989, 4.10)."""

MISSING = Fault(
    "dmarc.missing",
    Severity.WARNING,
    "A domain of ours has no DMARC record",
    "Large providers want one, and without it nobody learns who sends mail in the domain's name.",
    "Add a record; begin with p=none, read the reports, then raise it to quarantine or reject.",
)
SEVERAL = Fault(
    "dmarc.several",
    Severity.WARNING,
    "A domain of ours has several DMARC records",
    "Receivers then act as if there were none (RFC 9989, 4.10).",
    "Remove all but one.",
)
BROKEN = Fault(
    "dmarc.broken",
    Severity.WARNING,
    "A DMARC record cannot be understood",
    "Receivers ignore it, or take it for p=none.",
    "Write a record whose p= is none, quarantine or reject.",
)
WATCHES = Fault(
    "dmarc.watches",
    Severity.NOTE,
    "A DMARC policy only watches",
    "With p=none forged mail is delivered like any other.",
    "When the reports show that your own mail passes, raise it.",
)
NO_REPORTS = Fault(
    "dmarc.no_reports",
    Severity.NOTE,
    "Nobody gets DMARC reports",
    "Without rua= you do not learn whether your own mail passes, nor who uses your name.",
    "Add rua= with an address that is read.",
)
FAULTS = (MISSING, SEVERAL, BROKEN, WATCHES, NO_REPORTS)


async def ask_domain(_own: Own, domain: str, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at the record of one domain, or of a domain above, which counts where it has none."""
    if not await exists(domain, dns):
        return
    wanted = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    for place in _way_up(domain):
        found = await texts_of(f"_dmarc.{place}", "v=dmarc1", dns)
        if found is None:
            return
        if len(found) > 1:
            said = " and ".join(f'"{text}"' for text in found)
            yield SEVERAL.found(
                f"_dmarc.{place} TXT: {said}", f"Keep one:\n{zonefile.txt(f'_dmarc.{place}', found[0])}"
            )
            return
        if found:
            if finding := _judge(place, found[0]):
                yield finding
            return
    yield MISSING.found(f"_dmarc.{domain} TXT: no such record", zonefile.txt(f"_dmarc.{domain}", wanted))


def _way_up(domain: str) -> list[str]:
    """The domain, then those above it, down to two labels."""
    labels = domain.split(".")
    above = [labels[at:] for at in range(max(1, len(labels) - DEEPEST + 1), len(labels) - 1)]
    return [domain, *(".".join(rest) for rest in above)]


def _judge(place: str, text: str) -> Finding | None:
    tags = tags_of(text)
    said = f'_dmarc.{place} TXT: "{text}"'
    policy, reports = tags.get("p", ""), tags.get("rua", "")
    to = f"mailto:postmaster@{place}"
    if policy.lower() not in POLICIES:
        wanted = _with(tags, p="none", rua=reports or to)
        return BROKEN.found(said, f"Instead of it:\n{zonefile.txt(f'_dmarc.{place}', wanted)}")
    if not reports:
        wanted = _with(tags, p=policy, rua=to)
        return NO_REPORTS.found(said, f"Instead of it:\n{zonefile.txt(f'_dmarc.{place}', wanted)}")
    if policy.lower() == "none":
        wanted = _with(tags, p="quarantine", rua=reports)
        return WATCHES.found(said, f"Instead of it, later:\n{zonefile.txt(f'_dmarc.{place}', wanted)}")
    return None


def _with(tags: dict[str, str], *, p: str, rua: str) -> str:
    rest = {name: value for name, value in tags.items() if name not in ("v", "p", "rua")}
    return "; ".join(f"{name}={value}" for name, value in {"v": "DMARC1", "p": p, "rua": rua, **rest}.items())
