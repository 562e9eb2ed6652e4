"""What each rule is worth: two profiles, and the thresholds. Pure tables.

`strict` is the usual guide to the letter: each rule refuses by itself, with
the code Postfix's own restriction would give. `balanced` is what can be
defended: hard evidence refuses, weak evidence adds up, and only mail with
points against it is greylisted.

A table is ordered; the first pattern that matches a rule counts. Patterns of
the configuration come before the profile's.
"""

from typing import Literal

from gatepost.options import Duration, Options

Worth = float | Literal["pass", "defer", "reject", "excuse"]
"""Points; or what the finding does by itself; `excuse`: it takes the findings it names out of the sum."""

WORDS = ("pass", "defer", "reject", "excuse")


SHORTEST, LONGEST = 0.05, 5.5
"""Seconds within which a question must be answered, between which the deadline may lie."""


class ScoreOptions(Options, frozen=True):
    """When points refuse and when they only let a mail wait."""

    refuse: float = 8.0
    """A mail with so many points is refused. The profile's points are made for 8."""
    greylist: float = 1.0
    """With `when = "doubtful"`, a mail with so many points is greylisted."""
    deadline: Duration = Duration(4)
    """Time a whole question may take before it is answered with what is known.
    Postfix is told to wait 6 s, so that our answer always comes before its default action."""
    remember: Duration = Duration(60)
    """How long what was found out about a client, its HELO name and its sender is remembered, at most;
    shorter where a DNS record says so."""

    def __post_init__(self) -> None:
        """Refuse a deadline that Postfix would not wait for.

        Raises:
            ValueError: it is too short to ask anybody, or too long.
        """
        if not SHORTEST <= self.deadline <= LONGEST:
            raise ValueError(
                f"deadline: must lie between {SHORTEST} and {LONGEST} seconds, below Postfix's 6"
            )


_OWN: dict[str, Worth] = {
    "access.deny": "reject",
    "access.defer": "defer",
    "access.allow": "pass",
    "access.note": 0,
    "access.*": "excuse",
    "ours.*": "pass",
    "known.*": "excuse",
    "banned.*": "reject",
    "error.*": 0,
}
_GREYLIST: dict[str, Worth] = {
    "greylist.new": "defer",
    "greylist.early": "defer",
    "greylist.mail": "defer",
    "greylist.*": 0,
}

BALANCED: dict[str, Worth] = {
    **_OWN,
    "ptr.missing": 5,
    "ptr.mismatch": 3,
    "ptr.generic": 3,
    "helo.ours": "reject",
    "helo.missing": 4,
    "helo.malformed": 5,
    "helo.short": 4,
    "helo.bare_address": 4,
    "helo.literal_mismatch": 4,
    "helo.reserved": 3,
    "helo.unresolvable": 3,
    "sender_domain.short": "reject",
    "sender_domain.null_mx": "reject",
    "sender_domain.bad_mx": "reject",
    "sender_domain.unresolvable": "defer",
    "sender_domain.ours": 5,
    "dnswl.*.none": 0,
    "dnswl.*": "excuse",
    "dnsbl.zen.pbl": 6,
    "dnsbl.zen.*": "reject",
    "dnsbl.*": 4,
    "rhsbl.dbl.abused*": 4,
    "rhsbl.dbl.*": "reject",
    "rhsbl.*": 4,
    **_GREYLIST,
}

STRICT: dict[str, Worth] = {
    **_OWN,
    "ptr.generic": 0,  # no restriction of Postfix's looks at it
    "ptr.*": "defer",
    "helo.reserved": "defer",
    "helo.unresolvable": "defer",
    "helo.*": "reject",
    "sender_domain.unresolvable": "defer",
    "sender_domain.*": "reject",
    "dnswl.*.none": 0,
    "dnswl.*": "excuse",
    "dnsbl.*": "reject",
    "rhsbl.*": "reject",
    **_GREYLIST,
}

PROFILES: dict[str, dict[str, Worth]] = {"balanced": BALANCED, "strict": STRICT}

GREYLIST_WHEN: dict[str, str] = {"balanced": "doubtful", "strict": "stranger"}
"""Whom greylisting asks to wait, where `[greylist] when` is not set."""
