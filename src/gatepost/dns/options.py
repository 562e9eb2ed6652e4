"""Options of the DNS: section `[dns]` of the configuration."""

from gatepost.dns.record import without_asking
from gatepost.dns.resolvconf import MOST_SERVERS, parse_server
from gatepost.options import Duration, Options


class DnsOptions(Options, frozen=True, kw_only=True):
    """Whom we ask, how long we wait, and how long an answer is believed."""

    servers: tuple[str, ...] = ()
    """Name servers, each `address`, `address:port` or `[IPv6 address]:port`; at most eight. Empty: those
    of `/etc/resolv.conf`. They must be resolvers that do the whole work for us, best one of your own on
    this machine: public block lists refuse the big public ones."""
    timeout: Duration = Duration(1)
    """How long a name server is waited for before the next one is asked too, or the same one again; what
    the first says late is still taken. Default `1s`: a resolver that works mostly needs much less."""
    attempts: int = 2
    """How often every name server is asked at most, 1 to 5. Default 2: packets get lost now and then."""
    deadline: Duration = Duration(3.5)
    """How long one question may take in all, whatever happens; then its answer is unknown, which is never
    held against a sender. Default `3500ms`: below the four seconds that a request has."""
    in_flight: int = 1024
    """Questions that may be under way at once, 1 to 4096; each holds a file descriptor. More of them wait
    in a queue. Default 1024: more than a hundred processes of Postfix can ask at once, even when each has a
    client whose domains answer nothing."""
    cache_entries: int = 20_000
    """Answers kept in memory, 100 to 10 million; the least recently used go first. An answer of unusual
    size counts as several. Default 20,000: about 15 MB when full."""
    longest: Duration = Duration(3600)
    """An answer is believed as long as its zone says, but never longer than this. Default `1h`."""
    longest_absent: Duration = Duration(900)
    """The same for the answer that there is no such name or record. Default `15m`, so that somebody who
    adds a missing record is not refused for long."""
    unknown_for: Duration = Duration(2)
    """How long a question without usable answer is not asked again, so that a dead server is not
    hammered. Default `2s`."""
    probe_every: Duration = Duration(60)
    """How often we look whether our own resolver is well. Default `1m`; it is also done at start, and at
    once when many questions in a row had no usable answer."""
    probe: str = "."
    """A name whose NS records a resolver that is well can always tell. Default `.`: the root."""
    canaries: tuple[str, ...] = ("invalid", "com")
    """Domains in which a random name cannot exist. When such a name resolves, the resolver lies about
    absent names and its answers prove nothing. Default `invalid`, reserved for that by RFC 2606, and `com`,
    since some resolvers treat `invalid` alone rightly."""
    suspicious_after: int = 10
    """After so many questions in a row without usable answer we look whether the resolver is ill.
    Default 10; a stranger with a broken domain can cause them, so alone they prove nothing."""

    def __post_init__(self) -> None:
        """Refuse what cannot work; the text says what would.

        Raises:
            ValueError: an option has no meaning.
        """
        if len(self.servers) > MOST_SERVERS:
            raise ValueError(f"servers: at most {MOST_SERVERS} name servers")
        for server in self.servers:
            parse_server(server)
        for name, least, most in (
            ("attempts", 1, 5),
            ("in_flight", 1, 4096),
            ("cache_entries", 100, 10_000_000),
            ("suspicious_after", 1, 10_000),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name}: expected a number from {least} to {most}")
        for name in (self.probe, *self.canaries):
            if without_asking(name) is not None:
                raise ValueError(f'probe, canaries: "{name}" is no name in the DNS')
        for name in ("timeout", "deadline", "probe_every"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: expected more than no time at all")
