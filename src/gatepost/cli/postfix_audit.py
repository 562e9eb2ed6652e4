"""`gatepost postfix audit`: what is wrong with a Postfix, with evidence, reason and remedy."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
import uvloop

from gatepost import checks
from gatepost.cli.arguments import ConfigDir, ConfigFile, Json, configured
from gatepost.cli.planning import config_folder, our_line
from gatepost.cli.show import say, say_json, say_table
from gatepost.cli.trouble import CommandError
from gatepost.clock import SystemClock
from gatepost.config.schema import Config
from gatepost.dns.base import Kind
from gatepost.dns.open import Dns, open_dns
from gatepost.dnslist.lists import List
from gatepost.postfix.applying.program_now import run_now
from gatepost.postfix.audit.bans import read_bans
from gatepost.postfix.audit.base import Finding, Severity
from gatepost.postfix.audit.examine import ENDS_SMTPD, ask_around, judge
from gatepost.postfix.audit.facts import read_facts
from gatepost.postfix.audit.live_relay import try_relaying
from gatepost.postfix.audit.names import read_own
from gatepost.postfix.audit.own import Own
from gatepost.postfix.audit.scene import Probe, Scene
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.ours import OursOptions, read_ours
from gatepost.postfix.program import run_program
from gatepost.server.owner import owner_of_port

WithDns = Annotated[
    bool, typer.Option("--dns", help="Ask the DNS about our names, domains and listings, too.")
]
LiveProbe = Annotated[
    bool,
    typer.Option(
        "--probe/--no-probe", help="Try, where Postfix runs, whether a stranger can have mail relayed."
    ),
]


def audit(
    *,
    config_dir: ConfigDir = None,
    dns: WithDns = False,
    probe: LiveProbe = True,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Look at a Postfix and say what is wrong, each with evidence, reason and remedy; changes nothing.

    Exit status 1 when anything serious is found.
    """
    found = uvloop.run(_audit(config_folder(config_dir), configured(config), dns=dns, probe=probe))
    found.sort(key=lambda finding: finding.rank)
    if json:
        say_json(as_json(found))
    else:
        show(found)
    if any(finding.severity is Severity.SERIOUS for finding in found):
        raise typer.Exit(1)


async def _audit(folder: str, config: Config, *, dns: bool, probe: bool) -> list[Finding]:
    try:
        instance = await asyncio.to_thread(read_instance, folder)
        scene = await _scene(instance, config)
        found = judge(scene)
        if probe:
            facts = msgspec.structs.replace(scene.facts, probes=await _probes(instance, found))
            found = judge(msgspec.structs.replace(scene, facts=facts))
        if dns:
            found += await _ask(instance, config)
    except ConfError as error:
        raise CommandError(str(error)) from None
    return found


async def _scene(instance: Instance, config: Config) -> Scene:
    """The configuration, and what the machine says."""
    line = our_line(config)
    postfix = OursOptions(postfix_config_dir=instance.config_dir)
    ours = await read_ours(postfix, SystemClock())
    facts = await read_facts(instance, line, ours, config.listen.policy, run_program, owner_of_port)
    bans = await read_bans(config.ban, run_program)
    return Scene(instance, line, msgspec.structs.replace(facts, bans=bans))


async def _probes(instance: Instance, found: Sequence[Finding]) -> tuple[Probe, ...]:
    """What the live server says to a stranger; not waited for where nobody will greet."""
    if any(finding.name in ENDS_SMTPD for finding in found):
        return (Probe("smtpd does not start"),)
    return await asyncio.to_thread(try_relaying, instance, run_now)


async def _ask(instance: Instance, config: Config) -> list[Finding]:
    options = msgspec.structs.replace(config.ours, postfix_config_dir=instance.config_dir)
    ours = await read_ours(options, SystemClock())
    own = await read_own(instance, ours, _lists(config), run_program)
    opened = open_dns(config.dns, SystemClock())
    try:
        return await ask_around(own, opened.resolver, await _ill(opened, own))
    finally:
        await opened.close()


async def _ill(dns: Dns, own: Own) -> str:
    """Why the resolver cannot be believed. One that does not know the root may know us all the same."""
    ill = await dns.probe_once()
    if ill and not dns.health.lies:
        name = next(iter(own.domains), own.hostname)
        answers = [
            await dns.resolver.ask(*question) for question in ((own.hostname, Kind.A), (name, Kind.MX))
        ]
        ill = ill if all(answer.unknown for answer in answers) else ""
    return ill


def _lists(config: Config) -> list[List]:
    """Every public list that some check asks."""
    found = (kind(config.checks[name]) for name, kind in checks.find().items())
    return [one for check in found for one in getattr(check, "lists", ())]


def as_json(found: Sequence[Finding]) -> dict[str, Any]:
    """The findings, for programs."""
    return {
        "serious": count(found, Severity.SERIOUS),
        "warning": count(found, Severity.WARNING),
        "note": count(found, Severity.NOTE),
        "findings": [msgspec.to_builtins(finding) for finding in found],
    }


def count(found: Sequence[Finding], severity: Severity) -> int:
    """How many of this severity."""
    return Counter(finding.severity for finding in found)[severity]


def show(found: Sequence[Finding]) -> None:
    """The findings, for people: a table, and below it what to do, to be copied."""
    if not found:
        say("Nothing is wrong, as far as can be seen.")
        return
    rows = [
        (str(number), str(f.severity), f"{f.title} ({f.name})", f.evidence, f.reason)
        for number, f in enumerate(found, 1)
    ]
    say_table(("", "severity", "finding", "seen", "because"), rows)
    say()
    say("What to do:")
    for number, finding in enumerate(found, 1):
        say()
        say(f"{number}. {finding.title} ({finding.name})")
        for line in finding.remedy.splitlines():
            say(f"    {line}")
    say()
    say(", ".join(f"{count(found, severity)} {severity}" for severity in Severity))
