"""Records ready to be pasted into a zone file (RFC 1035, 5.1). Pure."""

from ipaddress import IPv4Address

from gatepost.network import Address, pointer_name

TTL = 3600
LONGEST_STRING = 255
"""Octets in one string of a TXT record; longer text is several strings, which readers join."""


def record(name: str, kind: str, data: str) -> str:
    """One record."""
    return f"{name}. {TTL} IN {kind} {data}"


def txt(name: str, text: str) -> str:
    """A TXT record that says `text`, which is printable ASCII."""
    pieces = [text[at : at + LONGEST_STRING] for at in range(0, len(text), LONGEST_STRING)] or [""]
    quoted = (piece.replace("\\", r"\\").replace('"', r"\"") for piece in pieces)
    return record(name, "TXT", " ".join(f'"{piece}"' for piece in quoted))


def address(name: str, one: Address) -> str:
    """An A or AAAA record."""
    return record(name, "A" if isinstance(one, IPv4Address) else "AAAA", str(one))


def pointer(one: Address, name: str) -> str:
    """The PTR record that is the reverse name of an address."""
    return record(pointer_name(one), "PTR", f"{name}.")


def mx(domain: str, host: str, preference: int = 10) -> str:
    """An MX record."""
    return record(domain, "MX", f"{preference} {host}.")
