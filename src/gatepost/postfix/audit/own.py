"""What is ours in the DNS, as values: all that the topics which ask the DNS start from."""

import msgspec

from gatepost.dnslist.lists import List
from gatepost.network import Address


class SigningKey(msgspec.Struct, frozen=True):
    """A DKIM key that a signer on this machine uses."""

    domain: str
    selector: str
    where: str
    """The file, and the line, that says so."""
    public: str = ""
    """Its public half as in DNS records (base64); empty when it could not be told."""
    algorithm: str = "rsa"
    """`rsa` or `ed25519`."""


class Own(msgspec.Struct, frozen=True):
    """Our side of the Internet."""

    hostname: str
    helo_name: str
    """What we say at EHLO as a client (smtp_helo_name)."""
    addresses: tuple[Address, ...] = ()
    """Public addresses that mail comes from."""
    domains: tuple[str, ...] = ()
    """Domains whose mail ends here or that we send for."""
    names: frozenset[str] = frozenset()
    """All host names of ours."""
    signers: tuple[str, ...] = ()
    """Configuration files of DKIM signers that were read."""
    keys: tuple[SigningKey, ...] = ()
    lists: tuple[List, ...] = ()
    """Public lists that Gatepost asks."""
