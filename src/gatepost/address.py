"""Mail addresses and domain names: splitting, and the forms under which they are remembered.

Everything here takes text from strangers and never raises.
"""

import re

import idna

MAX_LOCAL, MAX_DOMAIN = 64, 255
MAX_KEY = MAX_LOCAL + 1 + MAX_DOMAIN
"""Characters kept of an address in a key: of local part, @ and domain (RFC 5321, 4.5.3.1)."""

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

    Registries sold names that IDNA 2008 refuses, such as those with a heart; they get the A-labels of
    UTS 46. A name that this refuses, too, is given back in lower case: others decide about it.
    """
    name = name.rstrip(".").lower()
    if name.isascii() or len(name) > MAX_NAME:
        return name
    try:
        return idna.encode(name, uts46=True).decode("ascii").rstrip(".").lower()
    except (idna.IDNAError, UnicodeError):
        return _of_symbols(name)


def _of_symbols(name: str) -> str:
    """A-labels of a name with symbols (UTS 46, section 4, without the checks of IDNA 2008)."""
    try:
        labels = idna.uts46_remap(name, std3_rules=False).split(".")
    except (idna.IDNAError, UnicodeError):
        return name
    if any(not label or label[0] == "-" or label[-1] == "-" for label in labels):
        return name
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels
    )


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
    local, at, domain = mail.rpartition("@")
    return f"{local.lower()}@{normal_domain(domain)}" if at else domain.lower()


_BATV = re.compile(r"^(?:prvs=[0-9a-f]{10}=|btv1==[0-9a-z]+==|msprvs1=[^=]*=)", re.IGNORECASE)
_BATV_BEHIND = re.compile(r"^(?P<local>.+)=prvs=[0-9a-f]{10}$", re.IGNORECASE)
_SRS0 = re.compile(r"^srs0[=+-][^=]+=[^=]{1,4}=(?P<host>[^=]+)=(?P<local>.+)$", re.IGNORECASE)
_SRS1 = re.compile(r"^srs1[=+-][^=]+=(?P<host>[^=]+)=[=+-].*$", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"(?<![a-z])(?=[0-9a-f]*[0-9])[0-9a-f]{6,}(?![a-z])")
_DIGITS = re.compile(r"[0-9]+")


def normal_sender(mail: str) -> str:
    """`mail` as the sender in a greylisting key: what changes from try to try is cut or masked.

    BATV tags, SRS hashes, sub-addresses (`+detail`), VERP (`list-return-123-user=example.org`)
    and runs of digits or hexadecimal digits; at most MAX_KEY characters. A normal
    sender stays as it is.
    """
    local, domain = split(mail)
    local = _normal_local(local.lower())
    return f"{local[:MAX_LOCAL]}@{normal_domain(normal_domain(domain)[:MAX_DOMAIN])}"


def _normal_local(local: str) -> str:
    if local.startswith("srs#"):
        return _masked(local)
    local = _BATV.sub("", local)
    if match := _BATV_BEHIND.match(local):
        local = match["local"]
    if match := _SRS0.match(local):
        return _masked(f"srs#{_without_detail(match['local'])}={match['host']}")
    if match := _SRS1.match(local):
        return _masked(f"srs#{match['host']}")
    return _masked(_without_detail(local))


def _without_detail(local: str) -> str:
    """Without sub-address, and without the recipient that VERP puts at the end as `user=domain`."""
    local = local.partition("+")[0] or local
    head, verp, _ = local.partition("=")
    if not verp:
        return local
    return head[: head.rfind("-")] + "-#" if "-" in head else "#"


def _masked(local: str) -> str:
    for pattern in (_UUID, _HEX, _DIGITS):
        local = pattern.sub("#", local)
    return local
