"""What can be set about bans: for whom, after what, for how long; and jails of one's own."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gatepost.network import Network, parse_address, parse_network
from gatepost.options import Duration, Options

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class BanOptions(Options, frozen=True):
    """Who is shut out, after what, and for how long. Offences are counted in points, by their kind."""

    mode: Literal["enforce", "observe", "off"] = "enforce"
    """`observe` bans nobody, and reports who would have been banned; `off` does not even count."""
    logs: tuple[str, ...] = ("auto",)
    """Where offences are read, beside our own verdicts: paths of mail logs, `journal` for systemd's journal,
    or `auto`: /var/log/mail.log or /var/log/maillog where it can be read, else the journal."""
    findtime: Duration = Duration(600)
    """Offences within this time are counted together."""
    maxretry: Annotated[float, Meta(gt=0, le=10_000)] = 5
    """Points that lead to a ban. One password failure is a point; `gatepost ban stats` shows the weights."""
    bantime: Duration = Duration(3600)
    """How long a first ban lasts."""
    grow: Annotated[float, Meta(ge=1, le=100)] = 2
    """Each further ban of the same network lasts so many times as long as the one before."""
    longest: Duration = Duration(7 * 86400)
    """No ban that follows from offences lasts longer."""
    forget: Duration = Duration(30 * 86400)
    """A network that was banned is a stranger again when this time has passed since its last ban ended."""
    never: tuple[str, ...] = ()
    """Addresses and networks that are never banned, beside our own."""
    trust: Duration = Duration(30 * 86400)
    """How long a client is not banned after somebody authenticated himself from there, or after a
    correspondent's mail or a public allow list spoke for it."""
    weights: dict[str, Annotated[float, Meta(ge=0, le=1000)]] = msgspec.field(default_factory=dict)
    """Points of kinds of offences, by patterns over their names, as in `"protocol.*" = 0`, which then count
    nothing. The first that matches counts, before the weight that the rule itself says."""
    ipv6_wider: bool = True
    """Ban a /56, then a /48, when several of its /64 offend: who has a /48 never runs out of addresses. Not
    where a sender that delivered lately would be shut out as well."""
    ipv4_wider: bool = False
    """Ban a whole /24 when several of its addresses offend, with the same exception."""
    tracked: Annotated[int, Meta(ge=100, le=10_000_000)] = 200_000
    """Networks whose offences are remembered at once, about half a kilobyte each. Beyond, the oldest are
    forgotten."""

    def __post_init__(self) -> None:
        for text in self.never:
            if parse_network(text) is None:
                raise ValueError(f'never: "{text}" is no address or network')


class JailOptions(Options, frozen=True):
    """A jail of one's own: what is an offence, and what follows. Its words are fail2ban's."""

    name: str
    """Stands in bans as their origin."""
    filter: str = ""
    """What is an offence: a filter of fail2ban as it is (its path, or its name in /etc/fail2ban/filter.d,
    `postfix[mode=aggressive]`), or a regular expression with `<HOST>`. Empty: our own rules."""
    rules: tuple[str, ...] = ("*",)
    """Without `filter`: which of our own rules count here, by patterns over their names."""
    logs: tuple[str, ...] = ()
    """Logs that this jail reads; empty: those of `[ban]`."""
    findtime: Duration | None = None
    """Offences within this time are counted together. Without it, as `[ban]` says."""
    maxretry: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    """Points that lead to a ban; what a `filter` finds is a point each. Without it, as `[ban]` says."""
    bantime: Duration | None = None
    """How long a first ban lasts. Without it, as `[ban]` says."""
    ignoreip: str | tuple[str, ...] = ()
    """Addresses and networks that this jail never bans: a list, or one text with blanks between them. What
    is no address is left out, with a warning."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError('name: must be letters, digits, ".", "_" and "-", at most 64')

    @property
    def ignored(self) -> tuple[tuple[Network, ...], tuple[str, ...]]:
        """Networks never banned here, and what was said that is none."""
        words = self.ignoreip.replace(",", " ").split() if isinstance(self.ignoreip, str) else self.ignoreip
        read = [(word, lenient_network(word)) for word in words]
        return tuple(n for _, n in read if n is not None), tuple(word for word, n in read if n is None)


def lenient_network(text: str) -> Network | None:
    """The network that `text` says, host bits or not, as fail2ban takes it; None when it is none."""
    network = parse_network(text)
    if network is not None:
        return network
    head, slash, bits = text.partition("/")
    address = parse_address(head)
    if address is None or not slash or not bits.isascii() or not bits.isdigit():
        return None
    width = min(int(bits[:4]), address.max_prefixlen + 1)
    if width > address.max_prefixlen:
        return None
    shift = address.max_prefixlen - width
    return parse_network(f"{type(address)(int(address) >> shift << shift)}/{width}")
