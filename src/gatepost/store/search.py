"""What somebody may look for in the journal, and the keys under which a verdict is found.

Addresses become 32 hexadecimal digits (IPv4 as mapped into IPv6) and mail
addresses `domain@local`, so that a network and a domain are each one range of
keys, and one comparison serves both the exact and the wide question.

Pure; raises nothing, whatever is asked.
"""

import ipaddress
import re
from itertools import takewhile

import msgspec

from gatepost.address import normal_domain, normal_mail, split
from gatepost.network import Network, parse_address, parse_network
from gatepost.store.base import JournalEntry

NULL_SENDER = "<>"
_LAST = "\U0010ffff"
_V4_MAPPED = 0xFFFF << 32
_CHANGED = re.compile(r"[^ !#-\[\]-~]+|xn--[a-z0-9-]+", re.IGNORECASE)
"""What may be written otherwise: JSON escapes it, or another script is spelled in another way."""


class Search(msgspec.Struct, frozen=True):
    """One thing looked for; ranges include both ends."""

    word: str
    """A reference or a queue id."""
    clients: tuple[str, str] | None = None
    mails: tuple[str, str] | None = None
    """Senders or recipients."""


class Keys(msgspec.Struct, frozen=True, gc=False):
    """What a verdict is found by, beside its reference, queue id and instance."""

    client: str
    sender: str
    recipient: str


def search(what: str) -> Search:
    """Read what somebody looks for: a reference, queue id, address, network, `user@domain` or `@domain`."""
    what = what.strip()
    if what == NULL_SENDER:
        return Search(what, mails=(NULL_SENDER, NULL_SENDER))
    bare = what.strip("<>")
    local, domain = split(bare)
    if domain and not local:
        head = normal_domain(domain) + "@"
        return Search(what, mails=(head, head + _LAST))
    if domain:
        key = mail_key(bare)
        return Search(what, mails=(key, key))
    return Search(what, clients=_client_range(bare))


def keys(entry: JournalEntry) -> Keys:
    """The keys of a verdict."""
    return Keys(client_key(entry.client_address), sender_key(entry.sender), mail_key(entry.recipient))


def client_key(text: str) -> str:
    """The key of a client address; text that is no address is its own key."""
    address = parse_address(text)
    return text if address is None else _hex(int(address), address.version)


def mail_key(mail: str) -> str:
    """The key of a mail address: its domain first."""
    local, domain = split(normal_mail(mail))
    return f"{domain}@{local}" if domain else local


def sender_key(mail: str) -> str:
    """The key of a sender, who may be nobody."""
    return mail_key(mail) or NULL_SENDER


def matches(entry: JournalEntry, wanted: Search, instances: set[str]) -> bool:
    """True when the entry is one of those looked for; `instances` are those of the queue id looked for."""
    if not wanted.word:
        return False
    if wanted.word in (entry.reference, entry.queue_id) or (entry.instance and entry.instance in instances):
        return True
    found = keys(entry)
    if wanted.clients and wanted.clients[0] <= found.client <= wanted.clients[1]:
        return True
    return wanted.mails is not None and any(
        wanted.mails[0] <= key <= wanted.mails[1] for key in (found.sender, found.recipient)
    )


def hint(wanted: Search) -> str:
    """Text that stands in the JSON of every entry wanted, in whatever case; empty when there is none.

    Clients are as Postfix writes addresses: the shortest form.
    """
    if wanted.word == NULL_SENDER:
        return '"sender":""'
    bare = wanted.word.strip("<>")
    network = _network(bare)
    if network is not None:
        return _beginning(network)
    return verbatim(normal_mail(bare) if wanted.mails else wanted.word)


def verbatim(text: str) -> str:
    """The longest part of `text` that JSON writes as it is, and IDNA too."""
    return max(_CHANGED.split(text), key=len)


def _beginning(network: Network) -> str:
    """What all addresses of a network begin with, as text."""
    address, bits = network.network_address, network.prefixlen
    if bits == network.max_prefixlen:
        return str(address)
    if network.version == 4:
        return "".join(f"{octet}." for octet in str(address).split(".")[: bits // 8])
    groups = [f"{int(group, 16):x}" for group in address.exploded.split(":")[: bits // 16]]
    return "".join(f"{group}:" for group in takewhile("0".__ne__, groups))


def _network(text: str) -> Network | None:
    network = parse_network(text)
    address = parse_address(text) if network is None else None
    return ipaddress.ip_network(address) if address is not None else network


def _client_range(text: str) -> tuple[str, str] | None:
    network = _network(text)
    if network is None:
        return None
    version = network.version
    return _hex(int(network.network_address), version), _hex(int(network.broadcast_address), version)


def _hex(number: int, version: int) -> str:
    return f"{number | _V4_MAPPED if version == 4 else number:032x}"
