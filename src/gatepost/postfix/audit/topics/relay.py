"""Whether strangers can have mail relayed: by the configuration, and by trying it."""

from collections.abc import Iterator, Sequence

from gatepost.network import is_public, parse_network
from gatepost.postfix import settings
from gatepost.postfix.audit.access_text import broad, lets_in
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import LOOPBACK, as_lines, flat, guards, is_ours, reached, set_to
from gatepost.postfix.audit.scene import Scene
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.restrictions import POLICY, TABLES, Item
from gatepost.postfix.ours import DOMAIN_LISTS

CONTROLS = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
GUARDED = ("permit_mynetworks", "permit_sasl_authenticated", "reject_unauth_destination")
FORGEABLE = ("check_sender", "check_helo", "check_reverse_client_hostname")
"""Tables that look at what the client only claims."""
HARMLESS = ("check_recipient", "check_etrn", "check_sasl", "check_ccert")
"""Tables that look at the recipient, or at who proved himself."""
HUGE_V4, HUGE_V6 = 16, 32
WIDE_V4, WIDE_V6 = 24, 48
"""Prefix lengths: shorter ones are hardly one's own."""

PROBED = Fault(
    "relay.probed",
    Severity.SERIOUS,
    "A stranger can have mail relayed",
    "It was tried: the server takes mail from a foreign address for a foreign address. Spammers find that "
    "within hours, and then every block list has this server.",
    "Find the cause among the other findings; stop Postfix until then: postfix stop",
)
UNPROBED = Fault(
    "relay.unprobed",
    Severity.NOTE,
    "It was not tried whether strangers can have mail relayed",
    "The configuration says what should be so; only a try shows what is.",
    "Run it again as root while Postfix runs.",
)
UNGUARDED = Fault(
    "relay.unguarded",
    Severity.SERIOUS,
    "Nothing refuses relaying",
    "smtpd ends with an error as soon as it starts when neither smtpd_relay_restrictions nor "
    "smtpd_recipient_restrictions holds reject_unauth_destination or the like where it is reached: no mail "
    "comes in at all.",
    "Write reject_unauth_destination into smtpd_relay_restrictions.",
)
NETWORKS = Fault(
    "relay.networks",
    Severity.SERIOUS,
    "Own networks hold strangers",
    "Whoever is in mynetworks may have mail relayed, and is not checked.",
    "Let mynetworks hold this machine and your own networks, nothing else.",
)
NEIGHBOURS = Fault(
    "relay.neighbours",
    Severity.WARNING,
    "Own networks may hold neighbours",
    "Whoever is in mynetworks may have mail relayed. With rented servers the network of the interface is "
    "shared with other customers.",
    "Let mynetworks hold this machine and your own networks, nothing else.",
)
EVERYTHING = Fault(
    "relay.everything",
    Severity.SERIOUS,
    "Every domain counts as ours",
    "A list of own domains holds a table that answers for every name, so nothing is a foreign address any "
    "more: the server relays for everybody.",
    "Name the domains.",
)
STAR = Fault(
    "relay.star",
    Severity.NOTE,
    "A list of domains holds a star, which means nothing",
    "`*` stands for all domains in transport maps only; here it is a name that nobody has.",
    "Take it out; name the domains.",
)
BROAD = Fault(
    "relay.broad_ok",
    Severity.SERIOUS,
    "A table lets many in before relaying is refused",
    "OK in an access table ends the list before reject_unauth_destination: these clients can have mail "
    "relayed anywhere.",
    "Move the table behind reject_unauth_destination, or say DUNNO instead of OK.",
)
FORGED = Fault(
    "relay.forgeable",
    Severity.SERIOUS,
    "A claim is enough to have mail relayed",
    "Sender address, HELO name and unverified reverse name are whatever the client says; an OK for one of "
    "them before reject_unauth_destination opens the relay to whoever guesses it.",
    "Move the table behind reject_unauth_destination.",
)
UNREAD = Fault(
    "relay.table",
    Severity.NOTE,
    "A table can let clients relay",
    "It stands before reject_unauth_destination and could not be read here: each OK in it lets somebody "
    "relay.",
    "Move the table behind reject_unauth_destination, unless it is meant to let clients relay.",
)
POLICIED = Fault(
    "relay.policy",
    Severity.WARNING,
    "A policy service is asked before relaying is refused",
    "When it says OK, mail is relayed (SMTPD_POLICY_README: it must stand after reject_unauth_destination).",
    "Move it behind reject_unauth_destination.",
)
CERTIFICATES = Fault(
    "relay.certificates",
    Severity.WARNING,
    "Any client certificate is enough to have mail relayed",
    "permit_tls_all_clientcerts lets in whoever has a certificate of any authority that is trusted, for "
    "example a free one.",
    "Use permit_tls_clientcerts with relay_clientcerts instead.",
)
BACKUP = Fault(
    "relay.mx_backup",
    Severity.WARNING,
    "Strangers can make this server their backup MX",
    "permit_mx_backup takes mail for every domain whose MX record names this server, and anybody can write "
    "such a record.",
    "List the domains in relay_domains instead, or set permit_mx_backup_networks to the main servers' "
    "networks.",
)
FAULTS = (
    *(PROBED, UNPROBED, UNGUARDED, NETWORKS, NEIGHBOURS, EVERYTHING, STAR),
    *(BROAD, FORGED, UNREAD, POLICIED, CERTIFICATES, BACKUP),
)


def look(scene: Scene) -> Iterator[Finding]:
    """What lets strangers relay."""
    for probe in scene.facts.probes:
        if probe.relays is not False:
            yield (PROBED if probe.relays else UNPROBED).found(probe.text)
    for service in scene.outside:
        yield from _service(scene, service)
        yield from _networks(scene, service)
        yield from _domains(scene, service)


# --- restrictions -------------------------------------------------------------------------------------


def _service(scene: Scene, service: Service) -> Iterator[Finding]:
    """Both lists together: one that refuses for certain is enough."""
    lists = {name: reached(flat(scene, name, service)) for name in CONTROLS}
    guarded = {name: _before_guard(items) for name, items in lists.items() if any(map(guards, items))}
    if not guarded:
        says = "; ".join(scene.says(name, service) for name in CONTROLS)
        yield UNGUARDED.found(
            f"{service.key}: {says}", set_to(scene, CONTROLS[0], as_lines(GUARDED), service)
        )
        return
    found = {
        name: [one for item in before for one in _let_in(scene, service, name, item)]
        for name, before in guarded.items()
    }
    if all(found.values()):
        yield from (one for several in found.values() for one in several)


def _before_guard(items: Sequence[Item]) -> list[Item]:
    end = next(n for n, item in enumerate(items) if guards(item))
    return [item for item in items[:end] if not item.warns]


def _let_in(scene: Scene, service: Service, parameter: str, item: Item) -> Iterator[Finding]:
    """How a restriction before the guard lets strangers relay."""
    says = f"{scene.item(parameter, item, service)} before relaying is refused"
    if item.name == "permit_tls_all_clientcerts":
        yield CERTIFICATES.found(says)
    elif item.name == "permit_mx_backup":
        if not scene.instance.value("permit_mx_backup_networks", service):
            yield BACKUP.found(says, set_to(scene, "permit_mx_backup_networks", "192.0.2.0/24", service))
    elif item.name == "permit_naked_ip_address":
        yield FORGED.found(says, "Remove permit_naked_ip_address.")
    elif item.name == POLICY and not is_ours(scene, item):
        yield POLICIED.found(says)
    elif item.name in TABLES and not item.name.startswith(HARMLESS):
        yield from _table(scene, item, says)
    elif item.name == "check_recipient_access" and (key := _broad(scene, item)):
        yield BROAD.found(f"{says}; it says OK for {key}")


def _table(scene: Scene, item: Item, says: str) -> Iterator[Finding]:
    text = scene.facts.contents.get(item.argument)
    if item.argument.startswith(("static:", "inline:")):
        text = item.argument
    if text is None:
        yield UNREAD.found(says)
    elif key := _broad(scene, item):
        yield BROAD.found(f"{says}; it says OK for {key}")
    elif item.name.startswith(FORGEABLE) and (key := lets_in(item.argument, text)):
        yield FORGED.found(f"{says}; it says OK for {key}")


def _broad(scene: Scene, item: Item) -> str:
    return broad(item.argument, scene.facts.contents.get(item.argument, ""))


# --- networks -----------------------------------------------------------------------------------------


def _networks(scene: Scene, service: Service) -> Iterator[Finding]:
    """Networks whose clients may relay."""
    permitted = any(
        item.name == "permit_mynetworks" for name in CONTROLS for item in flat(scene, name, service)
    )
    if not permitted:
        return
    if service.override("mynetworks") is None and scene.instance.main.find("mynetworks") is None:
        yield from _style(scene)
        return
    says = scene.says("mynetworks", service)
    words = settings.split_list(scene.instance.value("mynetworks", service))
    kept = [word for word in words if _breadth(word) is None]
    remedy = set_to(scene, "mynetworks", " ".join(kept) if len(kept) < len(words) else LOOPBACK, service)
    for text in _texts(scene, service):
        fault = _breadth(text)
        if fault is not None:
            yield fault.found(f"{says}; {text} is in it", remedy)


def _breadth(text: str) -> Fault | None:
    """What a network of mynetworks is, if it is too wide to be one's own."""
    network = parse_network(text)
    if network is None or (network.prefixlen and not is_public(network.network_address)):
        return None
    huge, wide = (HUGE_V4, WIDE_V4) if network.version == 4 else (HUGE_V6, WIDE_V6)
    if network.prefixlen < huge:
        return NETWORKS
    return NEIGHBOURS if network.prefixlen < wide else None


def _texts(scene: Scene, service: Service) -> Sequence[str]:
    """The networks in force, as far as they are known."""
    if service.override("mynetworks") is None and scene.facts.networks is not None:
        return scene.facts.networks
    words = settings.split_list(scene.instance.value("mynetworks", service))
    return [word for word in words if not word.startswith("!")]


def _style(scene: Scene) -> Iterator[Finding]:
    """What mynetworks is when nobody set it."""
    style = scene.instance.value("mynetworks_style")
    shared = [text for text in scene.facts.interfaces if _is_shared(text)]
    if style in ("subnet", "class") and shared:
        says = f"{scene.says('mynetworks_style')}, mynetworks is not set; interfaces: {', '.join(shared)}"
        fault = NETWORKS if style == "class" else NEIGHBOURS
        yield fault.found(says, set_to(scene, "mynetworks_style", "host"))


def _is_shared(text: str) -> bool:
    """Whether an interface's network is a public one of several addresses."""
    head, _, bits = text.partition("/")
    network = parse_network(head)
    if network is None or not is_public(network.network_address) or not bits.isdigit():
        return False
    return int(bits) < network.max_prefixlen - 1 and (network.version == 4 or int(bits) < 64)


# --- domains ------------------------------------------------------------------------------------------


def _domains(scene: Scene, service: Service) -> Iterator[Finding]:
    """Lists of own domains that hold every domain."""
    for parameter in DOMAIN_LISTS:
        for word in settings.split_list(scene.instance.value(parameter, service)):
            says = f"{scene.says(parameter, service)}"
            name = set_to(scene, parameter, "example.org, example.net", service)
            if word.startswith("static:") or word in scene.facts.everything:
                yield EVERYTHING.found(f"{says}; {word} holds every name", name)
            elif word == "*":
                yield STAR.found(says, name)
