"""Tries, at every door of a running Postfix, whether a stranger can have mail relayed.

Raises nothing: what could not be tried is told as such.
"""

from collections.abc import Iterable, Iterator

from gatepost.postfix.applying.live import Live, LiveError
from gatepost.postfix.applying.observed import Result
from gatepost.postfix.applying.probe import relay_probe
from gatepost.postfix.applying.program_now import RunNow
from gatepost.postfix.applying.targets import PORT_25, Target, target_at, targets
from gatepost.postfix.audit.scene import Probe
from gatepost.postfix.conf.instance import Instance
from gatepost.postfix.conf.mastercf import Service

ANYWHERE = ("", "*", "0.0.0.0", "::")
_RELAYS = {Result.PASSED: False, Result.FAILED: True, Result.NOT_MADE: None}


def try_relaying(instance: Instance, run: RunNow) -> tuple[Probe, ...]:
    """What every door said."""
    live = Live(instance.config_dir, run)
    if not live.runs():
        return (Probe("Postfix does not run"),)
    try:
        parameters = live.parameters()
        doors = [*targets(live.services(), parameters), *_others(instance.mx_services, parameters)]
    except LiveError as error:
        return (Probe(str(error)),)
    probed = (relay_probe(door, run, parameters["mynetworks"]) for door in doors)
    return tuple(Probe(one.text, _RELAYS[one.result]) for one in probed)


def _others(services: Iterable[Service], parameters: dict[str, str]) -> Iterator[Target]:
    """The only door of a server that listens at another port than 25."""
    for service in services:
        if service.type == "inet" and service.port not in PORT_25 and service.port.isdigit():
            host = "127.0.0.1" if service.host in ANYWHERE else service.host
            yield target_at(host, int(service.port), parameters)
