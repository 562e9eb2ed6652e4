"""Mail addresses and domain names: splitting, and the forms under which they are remembered.

Everything here takes text from strangers and never raises.
"""

import re

import idna

MAX_KEY = 320
"""Octets kept of an address in a key: 64 of local part, one @, 255 of domain (RFC 5321, 4.5.3.1)."""

MAX_NAME = 253
MAX_LABEL = 63
"""Octets of a name as written, and of one label (RFC 1035, 2.3.4; one octet is the root, one a length)."""

_NAME = re.compile(r"[a-z0-9._-]+", re.IGNORECASE)


def split(mail: str) -> tuple[str, str]:
    """Local part and domain of `mail`; the domain is empty when there is none."""
    local, at, domain = mail.rpartition("@")
    return (local, domain) if at else (mail, "")


def normal_domain(name: str) -> str:
    """`name` as it is compared and looked up: lower case, A-labels (RFC 5890), no trailing dot.

    A name that IDNA refuses is given back in lower case: others decide about it.
    """
    name = name.rstrip(".").lower()
    if name.isascii() or len(name) > MAX_NAME:
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii").rstrip(".").lower()
    except (idna.IDNAError, UnicodeError):
        return name


def name_fault(text: str) -> str:
    """What is wrong with `text` as a host or domain name, in a few words; empty when nothing is.

    Letters, digits, hyphens and dots (RFC 1123, 2.1), one dot at the end, and
    underscores, which are no letters but are met and which Postfix lets pass.
    A name in another script counts as its A-labels (RFC 5890).
    """
    name = normal_domain(text)
    if not name or text.endswith("..") or ".." in name or name[0] == ".":
        return "an empty label"
    if len(name) > MAX_NAME:
        return "longer than a name can be"
    if not _NAME.fullmatch(name):
        return "characters that no host name has"
    labels = name.split(".")
    if any(len(label) > MAX_LABEL for label in labels):
        return "a label longer than 63 octets"
    if any(label[0] == "-" or label[-1] == "-" for label in labels):
        return "a hyphen at the edge of a label"
    if labels[-1].isdigit():
        return "a number as its last label"
    return ""


def domain_of(mail: str) -> str:
    """The normal domain of a mail address, empty when there is none."""
    return normal_domain(split(mail)[1])


def normal_mail(mail: str) -> str:
    """`mail` for own lists and correspondents: lower case, normal domain, nothing cut off."""
    local, domain = split(mail)
    return f"{local.lower()}@{normal_domain(domain)}" if domain else local.lower()


_BATV = re.compile(r"^(?:prvs=[0-9a-f]{10}=|btv1==[0-9a-z]+==|msprvs1=[^=]*=)", re.IGNORECASE)
_BATV_BEHIND = re.compile(r"^(?P<local>.+)=prvs=[0-9a-f]{10}$", re.IGNORECASE)
_SRS0 = re.compile(r"^srs0[=+-][^=]+=[^=]{1,4}=(?P<host>[^=]+)=(?P<local>.+)$", re.IGNORECASE)
_SRS1 = re.compile(r"^srs1[=+-][^=]+=(?P<host>[^=]+)=[=+-].*$", re.IGNORECASE)
_HEX = re.compile(r"(?<![a-z])(?=[0-9a-f]*[0-9])[0-9a-f]{6,}(?![a-z])")
_DIGITS = re.compile(r"[0-9]+")


def normal_sender(mail: str) -> str:
    """`mail` as the sender in a greylisting key: what changes from try to try is cut or masked.

    BATV tags, SRS hashes, sub-addresses (`+detail`), VERP (`list-return-123-user=example.org`)
    and runs of digits or hexadecimal digits; at most MAX_KEY characters.
    """
    local, domain = split(mail)
    local = local.lower()
    local = _BATV.sub("", local)
    if match := _BATV_BEHIND.match(local):
        local = match["local"]
    if match := _SRS0.match(local):
        local = f"srs#{match['local']}={match['host']}"
    elif match := _SRS1.match(local):
        local = f"srs#{match['host']}"
    if not local.startswith("srs#"):
        local = local.partition("+")[0] or local
        if "=" in local:  # VERP: the recipient is encoded as user=domain at the end
            local = local.partition("=")[0]
            local = local[: local.rfind("-")] + "-#" if "-" in local else "#"
    local = _HEX.sub("#", local)
    local = _DIGITS.sub("#", local)
    return f"{local}@{normal_domain(domain)}"[:MAX_KEY]
