"""What an audit finds: faults by name, and how one was seen. Pure."""

import re
from enum import StrEnum

import msgspec

from gatepost.dnslist import definition


class Severity(StrEnum):
    """How bad a fault is."""

    SERIOUS = "serious"
    """Mail is lost or may be, is refused for no reason, or is relayed for strangers."""
    WARNING = "warning"
    """It does harm on a bad day, or lets in what it should stop."""
    NOTE = "note"
    """Worth knowing; it may be meant so."""


ORDER = tuple(Severity)
"""The gravest first."""


class Finding(msgspec.Struct, frozen=True):
    """A fault that was seen."""

    name: str
    severity: Severity
    title: str
    evidence: str
    """What was seen, and where: file and line, or the name that was asked and its answer."""
    reason: str
    """Why it matters."""
    remedy: str
    """The exact lines to write, or the command to run."""

    @property
    def rank(self) -> tuple[int, str, str]:
        """For sorting: the gravest first."""
        return ORDER.index(self.severity), self.name, self.evidence


class Fault(msgspec.Struct, frozen=True):
    """Something that can be wrong."""

    name: str
    """The topic's name, a dot, and a word."""
    severity: Severity
    title: str
    """What is wrong, in a few words."""
    reason: str
    """Why it matters."""
    remedy: str
    """What is to be done, in general; a finding has the exact lines."""

    def found(self, evidence: str, remedy: str = "") -> Finding:
        """It was seen. Without `remedy` the general one is right as it is."""
        return Finding(
            name=self.name,
            severity=self.severity,
            title=self.title,
            evidence=without_keys(evidence),
            reason=self.reason,
            remedy=without_keys(remedy or self.remedy),
        )


def without_keys(text: str) -> str:
    """`text` with the word KEY for every key that stands before the zone of a list that needs one."""
    for zone in (one.zone for one in definition.living() if one.key):
        text = re.sub(rf"[A-Za-z0-9_-]+\.{re.escape(zone)}", f"KEY.{zone}", text, flags=re.IGNORECASE)
    return text
