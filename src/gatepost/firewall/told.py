"""What daemon and firewall tell each other over the control socket: one JSON object a line. Pure.

Raises ToldError, and nothing else.
"""

from collections.abc import Iterable, Mapping

import msgspec

from gatepost.network import Network, parse_network

WATCH = b'{"command":"ban.watch"}\n'
MAX_BANS = 250_000
MAX_NEVER = 20_000
MAX_LINE = 64 * 1024 * 1024
"""Octets of a line from the daemon."""
MAX_NETWORKS = 1000
"""Networks in a report."""
MAX_REPORT = 60_000
"""Octets of a report; the control socket takes 64 kB."""
MAX_TROUBLE = 2000
MAX_REFUSED = 100


class ToldError(Exception):
    """The daemon said what we do not understand; the text is a sentence."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A ban as it is sent."""

    network: str
    until: float | None = None


class All(msgspec.Struct, frozen=True, tag="all", tag_field="kind"):
    """Every ban; replaces what was known."""

    bans: list[Row]
    never: list[str] = []


class Change(msgspec.Struct, frozen=True, tag="change", tag_field="kind"):
    """What is different from now on."""

    put: list[Row] = []
    removed: list[str] = []
    never: list[str] | None = None
    """None: as before."""


class Alive(msgspec.Struct, frozen=True, tag="alive", tag_field="kind"):
    """Nothing new."""


class _Line(msgspec.Struct, frozen=True):
    ok: All | Change | Alive | None = None
    error: str = ""


_decoder = msgspec.json.Decoder(_Line)


def parse_line(line: bytes) -> All | Change | Alive:
    """What a line says.

    Raises:
        ToldError: it says nothing of the sort, or that the daemon refuses.
    """
    try:
        told = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ToldError(f"the daemon said what this firewall does not understand: {error}") from None
    if told.ok is None:
        raise ToldError(f"the daemon refuses: {told.error[:MAX_TROUBLE] or 'without a reason'}")
    return told.ok


class Bans:
    """The bans as we know them, and whom the daemon spares; bounded."""

    def __init__(self, most: int = MAX_BANS) -> None:
        self._most = most
        self.until: dict[Network, float | None] = {}
        self.never: tuple[Network, ...] = ()
        self.trouble = ""
        self.version = 0
        """Grows with each change."""

    def take(self, told: All | Change | Alive) -> bool:
        """Follow what was told; whether anything may be different."""
        match told:
            case All():
                self.until.clear()
                self.trouble = ""
                self._put(told.bans)
                self._spare(told.never)
            case Change():
                for text in told.removed:
                    if network := parse_network(text):
                        self.until.pop(network, None)
                self._put(told.put)
                if told.never is not None:
                    self._spare(told.never)
            case Alive():
                return False
        self.version += 1
        return True

    def forget(self, now: float) -> None:
        """Drop the bans that are over."""
        over = [one for one, until in self.until.items() if until is not None and until <= now]
        for network in over:
            del self.until[network]
        self.version += bool(over)

    def _put(self, rows: Iterable[Row]) -> None:
        for row in rows:
            network = parse_network(row.network)
            if network is None:
                self.trouble = f'the daemon sent "{row.network[:60]}", which is no network'
            elif network in self.until or len(self.until) < self._most:
                self.until[network] = row.until
            else:
                self.trouble = f"there are more than {self._most} bans; the newest are left out"

    def _spare(self, texts: Iterable[str]) -> None:
        found: list[Network] = []
        for text in texts:
            if (network := parse_network(text)) is None:
                self.trouble = f'the daemon wants to spare "{text[:60]}", which is no network'
            elif len(found) < MAX_NEVER:
                found.append(network)
            else:
                self.trouble = f"there are more than {MAX_NEVER} networks to spare; the rest are not spared"
        self.never = tuple(found)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How the firewall is."""

    in_kernel: int
    """Bans that are in force."""
    packets: int
    """Dropped, since the table was made."""
    bytes: int
    ports: str
    trouble: str
    networks: Mapping[str, int]
    """Packets dropped of each ban that had any."""
    refused: Mapping[str, str]
    """Bans that the firewall does not take, and why."""


def report_line(report: Report) -> bytes:
    """The report as a command for the control socket; of too many networks, the busiest."""
    busiest = sorted(report.networks.items(), key=lambda item: -item[1])[:MAX_NETWORKS]
    refused = dict(list(report.refused.items())[:MAX_REFUSED])
    while True:
        short = msgspec.structs.replace(
            report, networks=dict(busiest), refused=refused, trouble=report.trouble[:MAX_TROUBLE]
        )
        line = msgspec.json.encode({"command": "firewall.report", **msgspec.to_builtins(short)}) + b"\n"
        if len(line) <= MAX_REPORT or not busiest:
            return line
        del busiest[len(busiest) // 2 :]
