"""postgrey's whitelist_clients and whitelist_recipients: every form it reads, each doing what it says. Pure.

Where postgrey's own reading is a slip, the plain meaning is taken instead:
`192.0` is a /16 (postgrey takes 192.0.0.0/24), a leading dot or @ does no
harm, and names are only compared with a verified name, never with `unknown`.

Raises: AccessMapError, with every line whose pattern cannot be matched.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_network

from gatepost.access.base import Match
from gatepost.access.index import UNVERIFIED, Index
from gatepost.access.patterns import PatternError
from gatepost.access.trouble import Reading
from gatepost.network import Network

_PREFIX = re.compile(r"\d{1,3}(?:\.\d{1,3}){0,2}\.?")
_ADDRESS = re.compile(r"[\d.]+(?:/\d+)?|[0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:/\d+)?")
_NAME = re.compile(r"[^\s/@:,;]+")


def parse_clients(data: bytes, reading: Reading) -> Index[Match]:
    """whitelist_clients: names, addresses, networks, prefixes, `/patterns/` over the name."""
    index: Index[Match] = Index()
    for number, text in _lines(data, reading):
        _take_client(number, text, index, reading)
    index.close()
    reading.done()
    return index


def parse_recipients(data: bytes, reading: Reading) -> Index[Match]:
    """whitelist_recipients: `user@domain` (any extension), `user@`, `domain`, `/patterns/` over it all."""
    index: Index[Match] = Index()
    for number, text in _lines(data, reading):
        _take_recipient(number, text, index, reading)
    index.close()
    reading.done()
    return index


def _lines(data: bytes, reading: Reading) -> Iterator[tuple[int, str]]:
    """Lines without comments, which begin at any #."""
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            text = line.partition(b"#")[0].decode().strip()
        except UnicodeDecodeError:
            reading.warn(number, "skipped: the line is not UTF-8")
            continue
        if text:
            yield number, text


def _match(number: int, what: str, looks_at: str, reading: Reading) -> Match:
    return Match("allow", "greylist", looks_at, what, f"{reading.file}:{number}")


def _take_client(number: int, text: str, index: Index[Match], reading: Reading) -> None:
    match = _match(number, text, "client", reading)
    if _take_pattern(number, text, match, index, reading):
        return
    if _ADDRESS.fullmatch(text):
        network = _network(text)
        if network is None:
            reading.warn(number, f'skipped: "{text}" is neither an address nor a network')
        else:
            index.add_network(network, match)
    elif not _NAME.fullmatch(text) or text.lower() == UNVERIFIED:
        reading.warn(number, f'skipped: "{text}" is neither a host name nor an address')
    else:
        index.add_name(text, match)


def _take_recipient(number: int, text: str, index: Index[Match], reading: Reading) -> None:
    match = _match(number, text, "recipient", reading)
    if _take_pattern(number, text, match, index, reading):
        return
    user, at, domain = text.rpartition("@")
    if re.search(r"\s", text) or not text.strip("@.") or (domain and not _NAME.fullmatch(domain)):
        reading.warn(number, f'skipped: "{text}" is no mail address, user or domain')
    elif at and user:
        index.add_mail(text, match)
    else:
        index.add_name(domain, match)


def _take_pattern(number: int, text: str, match: Match, index: Index[Match], reading: Reading) -> bool:
    if not (len(text) > 2 and text[0] == text[-1] == "/"):
        return False
    try:
        index.add_pattern(text[1:-1], match)
    except PatternError as error:
        reading.error(number, str(error))
    return True


def _network(text: str) -> Network | None:
    """Address, network (bits beside the mask are ignored, as postgrey does), or one to three octets."""
    if _PREFIX.fullmatch(text):
        octets = text.rstrip(".").split(".")
        text = f"{'.'.join([*octets, '0', '0', '0'][:4])}/{8 * len(octets)}"
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None
