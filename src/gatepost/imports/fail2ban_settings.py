"""fail2ban's jails as settings of ours, or why not. Pure but for what `Machine` looks up; raises nothing."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from gatepost.ban.fail2ban.jails import Jails, TheirJail
from gatepost.ban.fail2ban.spec import Spec, parse_spec
from gatepost.ban.fail2ban.trouble import FilterError
from gatepost.ban.jail import MAIL
from gatepost.ban.options import lenient_network
from gatepost.imports.fail2ban_time import seconds
from gatepost.imports.report import Report
from gatepost.options import Duration

FOLDER = "/etc/fail2ban"
MAIL_PORTS = frozenset(
    [
        "25",
        "smtp",
        "465",
        "smtps",
        "ssmtp",
        "submissions",
        "urd",
        "587",
        "submission",
        "110",
        "pop3",
        "pop-3",
        "143",
        "imap",
        "imap2",
        "993",
        "imaps",
        "995",
        "pop3s",
        "4190",
        "sieve",
        "managesieve",
    ]
)
"""Ports, and names of ports, that our firewall closes by itself."""
NO_END = 365 * 86400.0
"""Seconds of a ban that is to have no end."""
LONGEST = 36_000 * 86400.0
"""Seconds that a duration of ours can have."""

_NAME = re.compile(r"[^A-Za-z0-9._-]")


class Machine(msgspec.Struct, frozen=True):
    """What has to be looked up."""

    folder: str
    """fail2ban's."""
    loads: Callable[[str], str]
    """Why a filter cannot be used; empty when it can."""
    expand: Callable[[str], Sequence[str]]
    """The files that a pattern of files means."""


def settings_of(found: Jails, machine: Machine, report: Report) -> None:
    """Put into `report` what the jails say, each thing as a wish or with the reason why not."""
    taken = [jail for jail in found.jails if _take(jail, found.defaults, machine, report)]
    if not found.jails:
        report.leave("jails", "none is switched on")
    _take_never(found.defaults, report)
    _take_growth(taken, found.defaults, report)
    for option, why in _IN_GENERAL.items():
        if value := found.defaults.get(option):
            report.leave(f"{option} = {_short(value)}", why)


# --- one jail -----------------------------------------------------------------------------------------


def _take(jail: TheirJail, defaults: TheirJail, machine: Machine, report: Report) -> bool:
    """Whether the jail becomes one of ours."""
    name = f"jail {jail.name}"
    for fault in jail.faults:
        report.leave(name, fault)
    source, why = _filter(jail, machine)
    if why:
        report.leave(f"{name}: filter {_short(jail.get('filter'))}", why)
        return False
    logs, missing = _logs(jail, machine)
    for one in missing:
        report.leave(f"{name}: logpath {one}", "there is no such file")
    if not logs:
        why = 'it has no log that is there; if it logs to the journal, write [[jail]] with logs = ["journal"]'
        report.leave(name, why)
        return False
    value: dict[str, Any] = {"name": _name(jail.name), "filter": source, "logs": logs}
    value |= _numbers(jail, name, report)
    ignored = _ignored(jail, defaults, name, report)
    if ignored:
        value["ignoreip"] = ignored
    report.wish(f"jail {jail.name}, filter {jail.get('filter')}", "jail", value=value, append=True)
    _tell_differences(jail, defaults, report)
    return True


def _name(name: str) -> str:
    """The name of a jail of ours; `mail` is taken, by what `[ban]` itself says."""
    plain = _NAME.sub("-", name)[:64] or "jail"
    return f"fail2ban-{plain}"[:64] if plain == MAIL else plain


def _filter(jail: TheirJail, machine: Machine) -> tuple[str, str]:
    """What our jail says as its filter, and why it cannot; one of them is empty."""
    try:
        spec = parse_spec(jail.get("filter"))
    except FilterError as error:
        return "", error.reason
    if spec.name.rpartition("/")[2].removesuffix(".conf") == "recidive":
        return "", "it counts fail2ban's own bans; ours last longer each time, see `grow` in [ban]"
    own = [option for option in _OF_FILTERS if jail.get(option)]
    if own:
        return (
            "",
            f"the jail itself says {', '.join(own)}: write a filter file with that, and name it in [[jail]]",
        )
    source = _source(spec, machine.folder)
    return (source, "") if not (why := machine.loads(source)) else ("", why)


_OF_FILTERS = ("failregex", "ignoreregex", "prefregex", "datepattern", "maxlines")


def _source(spec: Spec, folder: str) -> str:
    path = spec.name
    if folder != FOLDER and "/" not in path:
        path = f"{folder}/filter.d/{path.removesuffix('.conf')}.conf"
    if not spec.parameters:
        return path
    return f"{path}[{', '.join(f'{name}={_quoted(value)}' for name, value in spec.parameters.items())}]"


def _quoted(value: str) -> str:
    if value and not set(value) & set(" ,[]\"'"):
        return value
    return f'"{value}"' if '"' not in value else f"'{value}'"


def _logs(jail: TheirJail, machine: Machine) -> tuple[list[str], list[str]]:
    """The logs, and what leads to none."""
    if jail.get("backend").startswith("systemd"):
        return ["journal"], []
    found: list[str] = []
    missing: list[str] = []
    for line in jail.get("logpath").split("\n"):
        path, _, how = line.strip().rpartition(" ")
        pattern = path.strip() if how in ("head", "tail") and path else line.strip()
        files = list(machine.expand(pattern)) if pattern else []
        found += [file for file in files if file not in found]
        missing += [pattern] if pattern and not files else []
    return found, missing


def _numbers(jail: TheirJail, name: str, report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {}
    retries = jail.get("maxretry")
    if retries.isascii() and retries.isdigit() and 0 < int(retries[:9]) <= 10_000:
        found["maxretry"] = int(retries)
    elif retries:
        report.leave(f"{name}: maxretry = {_short(retries)}", "is no number of failures that we count to")
    for option in ("findtime", "bantime"):
        said = jail.get(option)
        time = seconds(said)
        if option == "bantime" and time is not None and time < 0:
            report.leave(
                f"{name}: bantime = {_short(said)}", "a ban that follows from offences ends; a year it is"
            )
            time = NO_END
        if time is not None and 0 < time <= LONGEST:
            found[option] = str(Duration(round(time)))
        elif said:
            report.leave(f"{name}: {option} = {_short(said)}", "is no time that we can read")
    return found


# --- who is never banned ------------------------------------------------------------------------------


def _words(jail: TheirJail) -> list[str]:
    return jail.get("ignoreip").replace(",", " ").split()


def _ignored(jail: TheirJail, defaults: TheirJail, name: str, report: Report) -> list[str]:
    """What only this jail spares."""
    usual = set(_words(defaults))
    return _networks([word for word in _words(jail) if word not in usual], f"{name}: ignoreip", report)


def _take_never(defaults: TheirJail, report: Report) -> None:
    for network in reversed(_networks(_words(defaults), "ignoreip", report)):
        report.wish(f"ignoreip {network}", "ban", "never", value=network, append=True)


def _networks(words: Iterable[str], what: str, report: Report) -> list[str]:
    found: list[str] = []
    for word in words:
        network = lenient_network(word)
        if network is None:
            reason = (
                "a file of addresses: copy them" if "/" in word else "no address; names are never looked up"
            )
            report.leave(f"{what} {_short(word)}", reason)
        else:
            text = str(network.network_address if network.prefixlen == network.max_prefixlen else network)
            found += [text] if text not in found else []
    return found


# --- how long -----------------------------------------------------------------------------------------


def _take_growth(jails: Sequence[TheirJail], defaults: TheirJail, report: Report) -> None:
    growing = [jail for jail in (*jails, defaults) if jail.is_on("bantime.increment")]
    if not growing:
        if jails:
            why = "ours last longer each time; with `grow = 1` in [ban] they do not"
            report.leave("bans that always last the same time", why)
        return
    one = growing[0]
    report.wish("bantime.increment", "ban", "grow", value=2)
    longest = seconds(one.get("bantime.maxtime"))
    if longest is not None and 0 < longest <= LONGEST:
        report.wish("bantime.maxtime", "ban", "longest", value=str(Duration(round(longest))))
    for option, why in _OF_GROWTH.items():
        if value := one.get(option):
            report.leave(f"{option} = {_short(value)}", why)


_OF_GROWTH = {
    "bantime.factor": "each further ban lasts `grow` times as long as the one before",
    "bantime.formula": "each further ban lasts `grow` times as long as the one before",
    "bantime.multipliers": "each further ban lasts `grow` times as long as the one before",
    "bantime.rndtime": "our bans end when they are said to",
}


# --- what has no counterpart --------------------------------------------------------------------------

_IN_GENERAL = {
    "ignorecommand": "no program is asked whether to ban; name addresses in `never` of [ban]",
    "usedns": "names are never looked up: whoever has a name's DNS could choose whom we ban",
    "banaction": "`gatepost firewall` shuts out with nftables, by itself",
}


def _tell_differences(jail: TheirJail, defaults: TheirJail, report: Report) -> None:
    """What this jail says that is not taken, where it differs from what all say."""
    name = f"jail {jail.name}"
    others = [word for word in re.split(r"[,\s]+", jail.get("port")) if word and word not in MAIL_PORTS]
    if others:
        why = 'our firewall closes the ports of mail; set `ports` in [firewall], or "all", to close these'
        report.leave(f"{name}: port {_short(', '.join(others))}", why)
    for option, why in _OF_JAILS.items():
        value = jail.get(option)
        if value and (option in _ALWAYS or value != defaults.get(option)):
            report.leave(f"{name}: {option} = {_short(value)}", why)
    actions = _actions(jail.get("action"), jail.get("banaction"))
    if actions:
        report.leave(
            f"{name}: action {_short(', '.join(actions))}", "no programs are run when somebody is banned"
        )
    if not jail.is_on("ignoreself", otherwise=True):
        report.leave(f"{name}: ignoreself = {_short(jail.get('ignoreself'))}", "we never ban ourselves")


_OF_JAILS = {
    **_IN_GENERAL,
    "logtimezone": "times without a zone are the machine's own",
    "journalmatch": "of the journal we read what mail servers write",
}
_ALWAYS = ("journalmatch", "logtimezone")


def _actions(action: str, banaction: str) -> list[str]:
    """Names of actions besides that which bans."""
    names = re.findall(r"^\s*([\w.-]+)(?:\[|\s*$)", action, re.MULTILINE)
    return [name for name in dict.fromkeys(names) if name != banaction.partition("[")[0].strip()]


def _short(text: str) -> str:
    """A value as it is told."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
