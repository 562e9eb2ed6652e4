"""`gatepost ban stats`: what was counted, by which rules, and what the firewall dropped."""

from typing import Any

from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.bandesk import BanDesk
from gatepost.cli.show import say, say_json, say_table


def stats(config: ConfigFile = None, json: Json = False) -> None:
    """Tell what was counted since the daemon started, what each rule weighs, and what was dropped."""
    options = configured(config, alone=True)
    told = BanDesk(options).stats()
    book = Rulebook(find(), options.ban.weights)
    rules = {rule.name: {"weight": rule.weight, "says": rule.says} for rule in book.rules}
    if json:
        say_json({**told, "rules": rules})
        return
    _say(told)
    say()
    rows = [
        (name, f"{rule['weight']:g}", str(told["offences"].get(name, 0)), str(rule["says"]))
        for name, rule in sorted(rules.items())
    ]
    others = sorted(told["offences"].keys() - rules.keys())
    rows += [(name, "1", str(told["offences"][name]), "a filter of your own") for name in others]
    say_table(("rule", "points", "offences", "what it is"), rows)


def _say(told: dict[str, Any]) -> None:
    say(f"{told['in_force']} bans in force, {told['banned']} made since the start; mode {told['mode']}")
    if told["observed"]:
        say(f"{told['observed']} would have been made.")
    say(f"{told['spared']} offences of clients that are never banned.")
    if told["not_counted"]:
        say(f"{told['not_counted']} offences were not counted while our own resolver or store was ill.")
    if told["too_old"]:
        say(
            f"{told['too_old']} offences were too old when they were read. If that grows, the log is written "
            "in another time zone than the daemon's (TZ), or by a wrong clock."
        )
    say(f"Logs: {', '.join(told['logs']) or 'none is read'}")
    for jail, filter_ in told["filters"].items():
        say(
            f"Filter of jail {jail}: {filter_['engine']}; {filter_['not_trusted']} lines whose address "
            f"a stranger may have written, {filter_['given_up']} given up for their time, "
            f"{filter_['too_long']} too long"
        )
    if told["firewall"]:
        say(
            f"Firewall: {told['in_kernel']} bans in the kernel; {told['packets']} packets and "
            f"{told['bytes']} octets dropped, to ports {told['ports']}."
        )
    elif told["asked_first"]:
        say("The firewall does not run; Postfix asks before its greeting.")
    else:
        say("The firewall does not run: who guesses passwords is not stopped.")
    for trouble in told["trouble"]:
        say(f"! {trouble}")
