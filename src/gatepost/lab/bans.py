"""The act about bans: guessers, floods and harvesters are shut out by the kernel, and nobody else is.

Then rules of the kernel are flushed, a short ban ends, the daemon is stopped, and both processes are started
again. What is told is what was seen: replies, time-outs, bans, and the kernel's own counters.

Raises: LabError when a part does not start or a command fails.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from gatepost.lab import cast, offenders
from gatepost.lab.bans_report import BansReport, Row, Trial
from gatepost.lab.bans_stage import Act, stage
from gatepost.lab.crossing import forward
from gatepost.lab.offenders import (
    ADMIN,
    BROKEN,
    FLOOD,
    GUESSER,
    HARVESTER,
    HONEST,
    HOPPER,
    HOPS,
    SHORT,
    Attempt,
    Host,
)
from gatepost.lab.processes import LabError

HEALED = 2.0
"""Seconds that a flushed ban may be missing in the kernel."""
SECONDS = 4.0
"""How long the short ban lasts."""
LATE = 2.5
"""Seconds that it may seem to last longer: who is shut out learns of the end by trying."""
A_HOP = 5
"""Passwords that are guessed from each network of the /48."""
COMES_AGAIN = 12
"""How often the server without a name is told to come again."""
SETTLED = 1.0
"""Seconds after which the daemon has read what was logged."""
LOST = 15.0
"""Seconds after which something is given up."""
LOOK = 0.05
SPARED = (BROKEN, ADMIN, HONEST)
"""Who must never be banned."""


def play() -> BansReport:
    """Play the act; what came of it."""
    began = time.monotonic()
    with stage() as act:
        tried = _offend(act)
        _settle(act)
        rows = tuple(_rows(tried, act))
        trials = (_hopped(act), *_forwarded(act), *_flushed(act), _short(act), *_restarted(act), *_asked(act))
    return BansReport(rows=rows, trials=trials, seconds=round(time.monotonic() - began, 1))


# --- what everybody does ------------------------------------------------------------------------------


def _offend(act: Act) -> dict[Host, list[Attempt]]:
    """Let everybody act, one after the other; the honest in between."""
    tried: dict[Host, list[Attempt]] = {HONEST: []}
    for host, do in (
        (GUESSER, offenders.guess),
        (FLOOD, offenders.garbage),
        (HARVESTER, offenders.harvest),
    ):
        tried[host] = _until_shut_out(act, do, host.address)
        tried[HONEST].append(act.outside(lambda: offenders.mail(HONEST.address)))
    hops = [hop for hop in HOPS[:-1] for _ in range(A_HOP)]
    tried[HOPPER] = act.outside(lambda: [*map(offenders.guess, hops)])
    _settle(act)
    tried[HOPPER].append(act.outside(lambda: offenders.guess(HOPS[0])))
    tried[BROKEN] = [act.outside(lambda: offenders.mail(BROKEN.address)) for _ in range(COMES_AGAIN)]
    tried[ADMIN] = [act.outside(lambda: offenders.mistype(ADMIN.address)) for _ in range(2)]
    right = offenders.login(cast.PASSWORD)
    tried[ADMIN].append(act.outside(lambda: offenders.mail(ADMIN.address, right, port=offenders.SUBMISSION)))
    tried[HONEST].append(act.outside(lambda: offenders.mail(HONEST.address)))
    return tried


def _until_shut_out(act: Act, do: Callable[[str], Attempt], address: str) -> list[Attempt]:
    return act.outside(lambda: list(offenders.until_shut_out(do, address)))


def _settle(act: Act) -> None:
    """Wait until no ban is new and the kernel holds all of them: a line of the log takes its way."""
    seen: set[str] = set()
    ends = time.monotonic() + LOST
    while time.monotonic() < ends:
        bans, kernel = {*act.bans()}, act.kernel() or {}
        held = all(any(_covers(one, str(ip_network(ban)[0])) for one in kernel) for ban in bans)
        if bans == seen and held:
            return
        seen = bans
        time.sleep(SETTLED)


def _rows(tried: Mapping[Host, Sequence[Attempt]], act: Act) -> Iterator[Row]:
    bans, kernel = act.bans(), act.kernel() or {}
    for host in (GUESSER, FLOOD, HARVESTER, HOPPER, BROKEN, ADMIN, HONEST):
        attempts = tried[host]
        addresses = {attempt.address for attempt in attempts}
        covering = [network for network in bans if any(_covers(network, one) for one in addresses)]
        yield Row(
            story=host.story,
            address=host.address,
            tries=len(attempts),
            answered=sum(attempt.code > 0 for attempt in attempts),
            last=f"{attempts[-1].code} {attempts[-1].text}" if attempts[-1].code else "no answer",
            banned=tuple(f"{network}: {bans[network]['reason']}" for network in covering),
            packets=sum(n for held, n in kernel.items() if any(_covers(held, one) for one in addresses)),
            spared=host in SPARED,
        )


def _covers(network: str, address: str) -> bool:
    first, dash, last = network.partition("-")
    where = ip_address(address)
    if dash:
        low, high = ip_address(first), ip_address(last)
        return low.version == where.version and int(low) <= int(where) <= int(high)
    return where in ip_network(network)


# --- trials -------------------------------------------------------------------------------------------


def _hopped(act: Act) -> Trial:
    """A network of the /48 from which nothing came yet."""
    return _trial("the hopper is shut out where it never was, too", not act.connects(HOPS[-1]))


def _forwarded(act: Act) -> Iterator[Trial]:
    """The port that leads to the container."""
    there = cast.OUR_SECOND_ADDRESS
    yield _trial("a forwarded port is closed to the guesser", not act.connects(GUESSER.address, there))
    yield _trial("a forwarded port greets the honest server", act.connects(HONEST.address, there))


def _flushed(act: Act) -> Iterator[Trial]:
    """Somebody flushes what is ours along with his own rules."""
    for what in (("ruleset",), ("set", "inet", "gatepost", "banned4")):
        act.net.host.run("nft", "flush", *what)
        seconds = _until(lambda: GUESSER.address in (act.kernel() or {}))
        name = f"nft flush {' '.join(what)}: the guesser is in the kernel again"
        yield _trial(name, seconds <= HEALED, seconds)
    forward(act.net.host)


def _short(act: Act) -> Trial:
    """A ban by hand ends by itself."""
    began = time.monotonic()
    act.gate.command("ban", "add", SHORT.address, "--for", f"{SECONDS:g}s")
    _until(lambda: SHORT.address in (act.kernel() or {}))
    shut = not act.connects(SHORT.address)
    _until(lambda: act.connects(SHORT.address))
    seconds = time.monotonic() - began
    on_time = SECONDS - 1 <= seconds <= SECONDS + LATE
    return _trial(f"a ban of {SECONDS:g} s shuts out and ends on time", shut and on_time, seconds)


def _restarted(act: Act) -> Iterator[Trial]:
    """The daemon goes; both go and come again."""
    before = {*act.bans()}
    act.stop("run")
    yield _trial("the kernel holds the bans while the daemon is down", not act.connects(GUESSER.address))
    act.stop("firewall")
    act.start("firewall")
    yield _trial("and when the firewall starts without it", not act.connects(GUESSER.address))
    act.start("run")
    seconds = _until(lambda: GUESSER.address in (act.kernel() or {}))
    held = not act.connects(GUESSER.address) and before == {*act.bans()}
    yield _trial("and after both were started again", held, seconds)
    yield _trial("the honest server delivers to the end", _delivers(act))


def _asked(act: Act) -> Iterator[Trial]:
    """There is no firewall, but Postfix asks before its greeting."""
    act.stop("firewall")
    act.gate.command("firewall", "--remove")
    greeted = act.greeting(GUESSER.address, offenders.SUBMISSION).code
    yield _trial("without the firewall the guesser is greeted again", greeted == 220)
    act.apply("--ban-at-connect")
    said = [act.greeting(GUESSER.address, port) for port in (offenders.MX, offenders.SUBMISSION)]
    refused = all(reply.code == 521 for reply in said)
    yield _trial("until Postfix asks before its greeting: 521, and no password is tried", refused)
    yield _trial("a user logs in and the honest server delivers then", _logs_in(act) and _delivers(act))
    act.stop("run")
    yield _trial("and while nobody answers Postfix", _logs_in(act) and _delivers(act))


def _logs_in(act: Act) -> bool:
    return act.outside(lambda: offenders.log_in_and_mail(ADMIN.address)).code == 250


def _delivers(act: Act) -> bool:
    return act.outside(lambda: offenders.mail(HONEST.address)).code == 250


def _trial(name: str, passed: bool, seconds: float | None = None) -> Trial:  # noqa: FBT001
    return Trial(name, passed, None if seconds is None else round(seconds, 2))


def _until(so: Callable[[], Any]) -> float:
    """Seconds until something is so.

    Raises:
        LabError: it never is.
    """
    began = time.monotonic()
    while not so():
        if time.monotonic() - began > LOST:
            raise LabError(f"not so after {LOST:g} s, while the act about bans was played")
        time.sleep(LOOK)
    return time.monotonic() - began
