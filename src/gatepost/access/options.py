"""Options of the own lists: which files are read and followed, and entries in the configuration itself."""

from gatepost.options import Options


class InlineEntry(Options, frozen=True):
    """One own entry in the configuration, where a plain text does not say enough."""

    what: str
    """An address, a network, a host name, a mail address, a domain, or a `/pattern/`."""
    looks_at: str = ""
    """`client`, `helo`, `sender` or `recipient`. Empty: mail addresses are senders, all else are clients."""
    scope: str = "all"
    """What an allow entry excuses: `all`, `helo`, `lists` (block lists), `client` (block lists and reverse
    names) or `greylist`."""
    comment: str = ""
    """For people: why."""


class AccessOptions(Options, frozen=True):
    """Own lists. A file is given by its path, or as in main.cf with its type: `cidr:/etc/postfix/clients`.

    Types are `texthash` (as without), `cidr`, `regexp` and `pcre`. `hash:`, `btree:` and `lmdb:` are taken
    too: in main.cf they name a database; here the source text that it was made from is read.
    Files are followed: what changes in them counts within seconds, without a reload.
    """

    helo_access: tuple[str, ...] = ()
    """Postfix access maps over the HELO name. What they allow is excused from HELO rules only."""
    rbl_override: tuple[str, ...] = ()
    """Postfix access maps over the client. What they allow is excused from block lists only."""
    client_override: tuple[str, ...] = ()
    """Postfix access maps over the client. What they allow is excused from block lists and from rules about
    the reverse name."""
    client_access: tuple[str, ...] = ()
    """Postfix access maps over the client: its verified name, then its address. What they allow passes."""
    sender_access: tuple[str, ...] = ()
    """Postfix access maps over the envelope sender. What they allow passes every check, so beware:
    anybody can write any sender."""
    recipient_access: tuple[str, ...] = ()
    """Postfix access maps over the recipient. What they allow passes every check."""
    postgrey_clients: tuple[str, ...] = ()
    """postgrey's whitelist_clients files: these clients are not greylisted."""
    postgrey_recipients: tuple[str, ...] = ()
    """postgrey's whitelist_recipients files: mail to these is not greylisted."""
    allow: tuple[str | InlineEntry, ...] = ()
    """Own entries that pass: `["192.0.2.1", ".example.org"]`."""
    deny: tuple[str | InlineEntry, ...] = ()
    """Own entries that are refused."""
    parent_domain_matches: bool = True
    """Whether `example.org` in a Postfix map also matches what is below it, as Postfix does by default
    (smtpd_access_maps in parent_domain_matches_subdomains); otherwise `.example.org` does."""
    recipient_delimiter: str = "+"
    """Characters that begin an address extension in Postfix maps (recipient_delimiter in main.cf)."""
