"""DKIM (RFC 6376): the keys that our signer uses stand in the DNS, and are the right ones."""

import base64
import binascii
from collections.abc import AsyncIterator

from gatepost.dns.base import Kind, Resolver
from gatepost.postfix.audit import zonefile
from gatepost.postfix.audit.asking import exists
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own, SigningKey
from gatepost.postfix.audit.tags import tags_of

SMALLEST = 140
"""Octets of a public RSA key of 1024 bits, at least; smaller ones must not be believed (RFC 8301, 3.2)."""

MISSING = Fault(
    "dkim.missing",
    Severity.SERIOUS,
    "A DKIM key that we sign with is not in the DNS",
    "Every signature fails, which is worse than none where the domain has a strict DMARC policy.",
    "Add the key's record.",
)
DIFFERS = Fault(
    "dkim.differs",
    Severity.SERIOUS,
    "The DKIM key in the DNS is not the one that we sign with",
    "Every signature fails.",
    "Replace the record with that of the key in use.",
)
REVOKED = Fault(
    "dkim.revoked",
    Severity.SERIOUS,
    "A DKIM key that we sign with is revoked",
    "An empty p= says that the key must not be believed any more (RFC 6376, 3.6.1): every signature fails.",
    "Let the signer use another key, or put the key back.",
)
SEVERAL = Fault(
    "dkim.several",
    Severity.WARNING,
    "One DKIM selector has several records",
    "Which of them a receiver takes is undefined (RFC 6376, 3.6.2.2): signatures fail now and then.",
    "Remove all but one.",
)
WEAK = Fault(
    "dkim.weak",
    Severity.WARNING,
    "A DKIM key is too short",
    "RSA keys of less than 1024 bits must not be believed (RFC 8301); 2048 are usual.",
    "Make a new key of 2048 bits under a new selector.",
)
UNSIGNED = Fault(
    "dkim.unsigned",
    Severity.WARNING,
    "A domain of ours is not signed",
    "The signer on this machine has no key for it. Large providers want DKIM, and DMARC by SPF alone fails "
    "wherever mail is forwarded.",
    "Make a key for the domain, and add its record.",
)
NONE = Fault(
    "dkim.none",
    Severity.WARNING,
    "A domain of ours has no DKIM keys",
    "No signer was found on this machine, and the name server says that there is no name below _domainkey. "
    "Large providers want DKIM, and DMARC by SPF alone fails wherever mail is forwarded.",
    "Let a signer (OpenDKIM, rspamd) sign, and add its key's record.",
)
FAULTS = (MISSING, DIFFERS, REVOKED, SEVERAL, WEAK, UNSIGNED, NONE)


async def ask_domain(own: Own, domain: str, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at the keys of one domain."""
    if not await exists(domain, dns):
        return
    keys = [key for key in own.keys if key.domain == domain]
    for key in keys:
        if finding := await _key(key, dns):
            yield finding
    if keys or any(key.domain and domain.endswith(f".{key.domain}") for key in own.keys):
        return
    if own.signers:
        yield UNSIGNED.found(f"{', '.join(own.signers)}: no key for {domain}", _make_key(domain))
        return
    # A name that only has names below it answers "nodata", one that has none "nxdomain" (RFC 8020).
    answer = await dns.ask(f"_domainkey.{domain}", Kind.TXT)
    if answer.why == "nxdomain":
        yield NONE.found(f"_domainkey.{domain}: nxdomain", _make_key(domain))


async def _key(key: SigningKey, dns: Resolver) -> Finding | None:
    name = f"{key.selector}._domainkey.{key.domain}"
    answer = await dns.ask(name, Kind.TXT)
    if answer.unknown:
        return None
    wanted = _record(name, key)
    if answer.absent:
        return MISSING.found(f"{name} TXT: {answer.why}; {key.where} signs with it", wanted)
    said = f'{name} TXT: "{answer.records[0]}"; {key.where} signs with it'
    if len(answer.records) > 1:
        return SEVERAL.found(f"{name} has {len(answer.records)} TXT records; {key.where}", wanted)
    tags = tags_of(answer.records[0])
    if "p" not in tags:
        return MISSING.found(said, wanted)
    public = "".join(tags["p"].split())
    if not public:
        return REVOKED.found(said, wanted)
    octets = _octets(public)
    if not octets or (key.public and not _same(public, key.public)):
        return DIFFERS.found(said, wanted)
    if tags.get("k", "rsa").lower() == "rsa" and len(octets) < SMALLEST:
        return WEAK.found(said, _make_key(key.domain))
    return None


def _same(told: str, used: str) -> bool:
    """Whether both are one key: alone, or in the frame that openssl puts round it (SubjectPublicKeyInfo)."""
    octets = _octets(told)
    return bool(octets) and _octets(used).endswith(octets)


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _record(name: str, key: SigningKey) -> str:
    if not key.public:
        return f"The public half of the key that {key.where} names, as a TXT record at {name}."
    public = key.public
    if key.algorithm == "ed25519":
        public = base64.b64encode(_octets(public)[-32:]).decode()  # RFC 8463, 4: the bare key
    return zonefile.txt(name, f"v=DKIM1; k={key.algorithm}; p={public}")


def _make_key(domain: str) -> str:
    return (
        f"opendkim-genkey -b 2048 -d {domain} -s mail\n"
        f"or: rspamadm dkim_keygen -b 2048 -d {domain} -s mail\nthen add the record that it prints."
    )
