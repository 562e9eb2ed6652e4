"""Bans: that they stop who should be stopped and nobody else, and that only one program bans."""

from collections.abc import Iterator

from gatepost.network import parse_address, parse_network
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.clients import only_client, own_networks
from gatepost.postfix.audit.jails import Jail
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.planning.atconnect import doors
from gatepost.postfix.planning.stages import is_asked

JAILS = "/etc/fail2ban/jail.local"
COUNTS_DEFERRALS = ("normal", "more", "extra", "aggressive")
"""Modes of filter.d/postfix.conf whose pattern takes 4xx like 5xx."""
AT_CONNECT = "gatepost postfix apply --ban-at-connect"
START = "systemctl enable --now gatepost-firewall"

TWO = Fault(
    "bans.two",
    Severity.WARNING,
    "fail2ban bans mail clients, too",
    "Two count the same lines and ban by rules of their own: whom Gatepost spares fail2ban bans, and an "
    "address that was let free here stays shut out there.",
    "Take the jails over (gatepost import fail2ban), and switch them off.",
)
OUR_TROUBLE = Fault(
    "bans.our_trouble",
    Severity.WARNING,
    "A jail of fail2ban counts refusals that are only for a while",
    "In this mode `450 Client host rejected: cannot find your hostname` and `450 Domain not found` count as "
    "attacks. Postfix says so as well while our own resolver is ill, and honest servers that come again are "
    "banned for that.",
    "Let the jail count wrong passwords alone: filter = postfix[mode=auth]",
)
ONE_LISTING = Fault(
    "bans.one_listing",
    Severity.WARNING,
    "One refusal by a block list bans",
    "With maxretry = 1 a list that is shut down and lists everybody, or answers our resolver with an error, "
    "makes a ban of each first mail, and no mail comes again for its time.",
    "Switch the jail off: who is on a list is refused anyway.",
)
IGNOREIP = Fault(
    "bans.ignoreip",
    Severity.WARNING,
    "fail2ban is told to spare an address that cannot be",
    "fail2ban takes it for a host's name, finds no address for it, and spares nobody: whoever was meant can "
    "be banned.",
    "Write the address that is meant.",
)
NO_FIREWALL = Fault(
    "bans.no_firewall",
    Severity.WARNING,
    "Nothing stops who guesses passwords",
    "Bans are on, but Gatepost's firewall does not run: banned clients are refused mail at RCPT alone, and "
    "Postfix asks nobody before AUTH.",
    f"{START}\nor, for the ports of Postfix alone:\n{AT_CONNECT}",
)
NOT_AT_BOOT = Fault(
    "bans.not_at_boot",
    Severity.WARNING,
    "Gatepost's firewall runs, and will not after the next boot",
    "Its service is not enabled, so that bans stop nobody after a restart of the machine.",
    "systemctl enable gatepost-firewall",
)
BLIND = Fault(
    "bans.blind",
    Severity.WARNING,
    "Gatepost can read no mail log",
    "Wrong passwords and broken-off tries are told in the log alone, so that they are not counted.",
    "Let the daemon's user read the log or the journal.",
)
EVERYBODY = Fault(
    "bans.everybody",
    Severity.SERIOUS,
    "A ban would shut out everybody",
    "All connections seem to come from one private address: something in front (a container's gateway, NAT, "
    "a proxy) hides who connects. What one client does is held against all.",
    "Until the clients' addresses come through (see hidden.clients), let bans be watched only. In "
    'gatepost.toml:\n[ban]\nmode = "observe"',
)
FAULTS = (TWO, OUR_TROUBLE, ONE_LISTING, IGNOREIP, NO_FIREWALL, NOT_AT_BOOT, BLIND, EVERYBODY)


def look(scene: Scene) -> Iterator[Finding]:
    """Who bans, what for, and whether it stops anybody."""
    if scene.facts.bans.fail2ban is not False:
        yield from _fail2ban(scene)
    if scene.facts.bans.mode == "enforce":
        yield from _firewall(scene)
        yield from _everybody(scene)
    if scene.facts.bans.mode != "off":
        yield from _blind(scene)


def _fail2ban(scene: Scene) -> Iterator[Finding]:
    bans = scene.facts.bans
    if bans.jails and bans.mode == "enforce":
        off = "".join(f"\n[{jail.name}]\nenabled = false" for jail in bans.jails)
        seen = "; ".join(map(_told, bans.jails))
        yield TWO.found(seen, f"gatepost import fail2ban\nThen, in {JAILS}:{off}")
    for jail in bans.jails:
        if jail.filter == "postfix" and jail.mode in COUNTS_DEFERRALS:
            auth = f"In {JAILS}:\n[{jail.name}]\nfilter = postfix[mode=auth]"
            yield OUR_TROUBLE.found(_told(jail), auth)
        if jail.filter == "postfix" and jail.mode == "rbl" and jail.maxretry == "1":
            off = f"In {JAILS}:\n[{jail.name}]\nenabled = false"
            yield ONE_LISTING.found(f"{_told(jail)}, maxretry = 1", off)
    yield from _spared(bans.jails)


def _told(jail: Jail) -> str:
    """A jail, as evidence."""
    mode = f"[mode={jail.mode}]" if jail.mode else ""
    return f"{jail.place or JAILS}: [{jail.name}] is on, filter = {jail.filter}{mode}"


def _spared(jails: tuple[Jail, ...]) -> Iterator[Finding]:
    """Addresses that are none; what has letters may be the name of a host."""
    wrong: dict[str, list[str]] = {}
    for jail in jails:
        for word in jail.ignoreip:
            if _looks_like_address(word) and parse_network(word) is None and _without_bits(word) is None:
                wrong.setdefault(word, []).append(jail.name)
    for word, names in wrong.items():
        yield IGNOREIP.found(f"ignoreip of {', '.join(f'[{name}]' for name in names)} holds {word}")


def _looks_like_address(word: str) -> bool:
    head = word.partition("/")[0]
    return ":" in head or (bool(head) and not head.strip("0123456789."))


def _without_bits(word: str) -> object:
    """The address before the slash, where what follows can be a length or a mask: fail2ban takes both."""
    head, slash, bits = word.partition("/")
    address = parse_address(head)
    if address is None or not slash:
        return address
    if bits.isascii() and bits.isdigit():
        return address if int(bits[:4]) <= address.max_prefixlen else None
    return address if parse_address(bits) else None


def _firewall(scene: Scene) -> Iterator[Finding]:
    bans, instance = scene.facts.bans, scene.instance
    if bans.firewall is False and bans.daemon is not False:
        guessed = [s for s in doors(instance) if instance.truth("smtpd_sasl_auth_enable", s)]
        unasked = [s.key for s in guessed if not is_asked(instance, scene.line, s)]
        if unasked:
            state = f"; gatepost-firewall.service: {bans.unit}" if bans.unit else ""
            seen = f"no process `gatepost firewall`{state}; {', '.join(unasked)}: not asked before AUTH"
            yield NO_FIREWALL.found(seen)
    elif bans.firewall and bans.unit == "disabled":
        yield NOT_AT_BOOT.found(f"gatepost-firewall.service: {bans.unit}")


def _blind(scene: Scene) -> Iterator[Finding]:
    bans = scene.facts.bans
    if bans.read or not bans.unread:
        return
    group = "systemd-journal" if bans.unread == ("journal",) else "adm"
    journal = 'Where there is no such file, in gatepost.toml:\n[ban]\nlogs = ["journal"]'
    remedy = f"adduser {bans.user} {group}\nsystemctl restart gatepost\n{journal}"
    yield BLIND.found(f"{bans.user} cannot read {', '.join(bans.unread)}", remedy)


def _everybody(scene: Scene) -> Iterator[Finding]:
    found = only_client(scene)
    if found is not None and not any(found[0] in network for network in own_networks(scene)):
        address, count = found
        yield EVERYBODY.found(f"{scene.facts.log}: the latest {count} connections all come from {address}")
