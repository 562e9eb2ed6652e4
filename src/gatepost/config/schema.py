"""The whole configuration: the sections that the parts declare beside their code, put together.

Nothing is declared here but what belongs to no part. A check's section has
the check's name and holds its class's `Options`.
"""

from collections.abc import Mapping
from fnmatch import filter as filter_names
from typing import Any, Literal

import msgspec

from gatepost import checks
from gatepost.ban.options import BanOptions, JailOptions
from gatepost.checks.base import Check
from gatepost.dns.options import DnsOptions
from gatepost.dnslist.options import WatchOptions
from gatepost.engine.profile import PROFILES, ScoreOptions, Worth
from gatepost.engine.rules import catalogue
from gatepost.engine.verdict import SCORE, layered
from gatepost.firewall.options import FirewallOptions
from gatepost.observe.log import LogOptions
from gatepost.options import Duration, Options
from gatepost.postfix.ours import OursOptions
from gatepost.server.listen import ListenOptions
from gatepost.store.options import StoreOptions


class ControlOptions(Options, frozen=True):
    """How commands reach the daemon."""

    socket: str = ""
    """Path of the unix socket; empty: `/run/gatepost/control.sock`, or `gatepost/control.sock` in
    `$XDG_RUNTIME_DIR` when an ordinary user runs the daemon. With a file given by `--config` that has a
    store of its own, `control-` and a number made from the store's URL: so each command reaches the daemon of
    its configuration."""
    group: str = ""
    """Group whose members may give commands, by name or number; empty: the daemon's own group. Commands can
    let mail in and refuse it, so this is for administrators."""


class Config(Options, frozen=True):
    """Everything that can be set. No file at all is a good configuration."""

    mode: Literal["enforce", "observe"] = "enforce"
    """`observe` lets every mail pass and writes into the journal what would have happened."""
    profile: Literal["balanced", "strict"] = "balanced"
    """What each rule is worth before `[rules]` says otherwise. `balanced`: hard evidence refuses, weak
    evidence adds up, only doubtful mail is greylisted. `strict`: each rule refuses by itself, and every
    stranger is greylisted."""
    ours: OursOptions = OursOptions()
    listen: ListenOptions = ListenOptions()
    store: StoreOptions = StoreOptions()
    dns: DnsOptions = DnsOptions()
    watch: WatchOptions = WatchOptions()
    score: ScoreOptions = ScoreOptions()
    log: LogOptions = LogOptions()
    control: ControlOptions = ControlOptions()
    ban: BanOptions = BanOptions()
    jail: tuple[JailOptions, ...] = ()
    """Jails of one's own, beside the one that `[ban]` describes."""
    firewall: FirewallOptions = FirewallOptions()
    rules: dict[str, Worth] = msgspec.field(default_factory=dict)
    """What rules are worth: a pattern over rule names, and points, `"pass"`, `"defer"`, `"reject"`,
    `"excuse"`, or 0 to only watch. The first pattern that matches counts; the profile's own patterns come
    after these."""
    delay: dict[str, Duration] = msgspec.field(default_factory=dict)
    """How long an answer waits when a rule was found (tarpit), by patterns as in `[rules]`."""
    checks: dict[str, Any] = msgspec.field(default_factory=dict)
    """The options of every check, by its name. In the file each is a section of its own."""
    warnings: tuple[str, ...] = ()
    """What could not be used of the file, and was left out. Not an option: reading it fills this."""

    @property
    def worths(self) -> dict[str, Worth]:
        """What rules are worth, ordered: the first pattern that matches counts."""
        return layered(self.rules, PROFILES[self.profile])


TABLES = ("rules", "delay")
"""Sections that are tables of patterns."""


def sections() -> dict[str, type[Options]]:
    """The sections that belong to no check, by name."""
    return {
        field.encode_name: field.type
        for field in msgspec.structs.fields(Config)
        if isinstance(field.type, type) and issubclass(field.type, Options)
    }


def arrays() -> dict[str, type[Options]]:
    """The sections that belong to no check and may stand several times, by name."""
    return {"jail": JailOptions}


def switches() -> dict[str, Any]:
    """The options at the top of the file, and their types."""
    others = {*sections(), *arrays(), *TABLES, "checks", "warnings"}
    return {f.encode_name: f.type for f in msgspec.structs.fields(Config) if f.encode_name not in others}


def check_sections() -> dict[str, type[Check]]:
    """The checks that can be configured, by name."""
    return {name: check for name, check in checks.find().items() if has_options(check)}


def has_options(check: type[Check]) -> bool:
    """Whether there is anything to configure: a Struct with fields, or a list of Structs."""
    kind = check.Options
    return not isinstance(kind, type) or bool(msgspec.structs.fields(kind))


def check_defaults(check: type[Check]) -> Any:
    """A check's options when the file does not name it."""
    given = getattr(check, "defaults", None)
    kind = check.Options
    return given if given is not None else kind() if isinstance(kind, type) else []


def default_config() -> Config:
    """The configuration without a file."""
    return Config(checks={name: check_defaults(check) for name, check in checks.find().items()})


def rule_names(options: Mapping[str, Any]) -> frozenset[str]:
    """Every rule that the checks can find with these `options`; a check without any there is left out."""
    built = [check(options[name]) for name, check in checks.find().items() if name in options]
    return frozenset(catalogue(built)) - {SCORE.name}


def as_file(config: Config) -> dict[str, Any]:
    """`config` as it would stand in a file: the checks' sections beside the others, all rules' worth."""
    fields = {name: getattr(config, name) for name in (*switches(), *sections(), *arrays())}
    options = {name: config.checks[name] for name in check_sections()}
    known = rule_names(config.checks)
    rules = {pattern: worth for pattern, worth in config.worths.items() if filter_names(known, pattern)}
    return {**fields, "rules": rules, "delay": config.delay, **options}
