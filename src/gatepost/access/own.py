"""Own entries: what people allow, deny and expect, by command or in the configuration. Pure.

What an entry can be:

- about a client: an address, a network, a host name, `/a pattern/` over the name. Names are
  compared with the verified name only, since anybody can write any name into a PTR record.
- about a HELO name: a host name, an address or network (also given as a literal), a pattern.
- about a sender or recipient: `user@domain` (with any extension), `user@` (in every domain),
  a domain, a pattern; `<>` is the null sender.

A name or domain stands for itself and everything below it, with or without a
dot before it: `.example.org` and `example.org` are the same.
"""

import re
from collections.abc import Iterator, Sequence

from gatepost.access.base import Match
from gatepost.access.index import UNVERIFIED, Index
from gatepost.access.patterns import PatternError, compile_pattern
from gatepost.model import Request
from gatepost.network import parse_address, parse_network
from gatepost.store.base import ListEntry

LISTS = ("allow", "deny", "expect")
LOOKS_AT = ("client", "helo", "sender", "recipient")
SCOPES = ("all", "helo", "lists", "client", "greylist")
OWN_LIST = "own list"
MAX_LENGTH = 320

_NAME = re.compile(r"\.?(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?")


def guess_looks_at(what: str, list_name: str = "allow") -> str:
    """What an entry is about when nobody says: mail addresses are senders, all else is about clients.

    `expect` is always about a recipient.
    """
    if list_name == "expect":
        return "recipient"
    return "sender" if "@" in what or what == "<>" else "client"


def entry_error(entry: ListEntry) -> str:
    """A sentence saying why this cannot be an entry; empty when it can."""
    what = entry.what
    if entry.list not in LISTS:
        return f'"{entry.list}" is no list; there are allow, deny and expect'
    if entry.looks_at not in LOOKS_AT:
        return f'an entry is about client, helo, sender or recipient, not about "{entry.looks_at}"'
    if entry.scope not in SCOPES:
        return f'"{entry.scope}" is no scope; there are all, helo, lists, client and greylist'
    if entry.list != "allow" and entry.scope != "all":
        return "only what is allowed has a scope"
    if entry.list == "expect" and entry.looks_at != "recipient":
        return "only a recipient can expect mail"
    if not what.strip() or len(what) > MAX_LENGTH or not what.isprintable():
        return f"an entry is one line of 1 to {MAX_LENGTH} characters"
    if _is_pattern(what):
        return _pattern_error(what)
    if entry.looks_at in ("client", "helo"):
        return _host_error(what)
    return _mail_error(what, entry.looks_at)


def _is_pattern(what: str) -> bool:
    return len(what) > 2 and what[0] == what[-1] == "/"


def _pattern_error(what: str) -> str:
    try:
        pattern = compile_pattern(what[1:-1])
    except PatternError as error:
        return str(error)
    return f"{what} fits everything" if pattern.search("") else ""


def _host_error(what: str) -> str:
    if parse_address(what) is not None or parse_network(what) is not None:
        return ""
    if "/" in what or ":" in what or re.fullmatch(r"[\d.]+", what):
        return f'"{what}" is neither an address nor a network (are there bits beside the mask?)'
    if what.lower() == UNVERIFIED:
        return f'"{what}" is no name: Postfix calls every client so whose name it cannot verify'
    return "" if _NAME.fullmatch(what) else f'"{what}" is neither an address, a network nor a host name'


def _mail_error(what: str, looks_at: str) -> str:
    if what == "<>":
        return "" if looks_at == "sender" else "<> is the null sender; no recipient is called so"
    local, at, domain = what.rpartition("@")
    if re.search(r"\s", local) or (at and not local and not domain):
        return f'"{what}" is neither a mail address nor a domain'
    if domain and not _NAME.fullmatch(domain):
        return f'"{domain}" is no domain'
    return ""


class OwnEntries:
    """Own entries, ready to be asked."""

    def __init__(self, entries: Sequence[ListEntry], source: str = OWN_LIST) -> None:
        """Take all that can be taken; `errors` holds a sentence for each of the others."""
        self.errors: list[str] = []
        self._by: dict[str, Index[tuple[float, Match]]] = {}
        for entry in entries:
            if error := entry_error(entry):
                self.errors.append(f"{source}: {entry.what}: {error}")
            else:
                self._add(entry, source)
        for index in self._by.values():
            index.close()

    def _add(self, entry: ListEntry, source: str) -> None:
        index = self._by.setdefault(entry.looks_at, Index())
        match = Match(entry.list, entry.scope, entry.looks_at, entry.what, source, entry.comment)
        item = (float("inf") if entry.expires is None else entry.expires, match)
        what = entry.what
        if _is_pattern(what):
            index.add_pattern(what[1:-1], item)
        elif entry.looks_at in ("client", "helo"):
            network = parse_network(str(parse_address(what) or what))
            if network is not None:
                index.add_network(network, item)
            else:
                index.add_name(what, item)
        elif what == "<>":
            index.add_mail("", item)
        elif what.rpartition("@")[0]:
            index.add_mail(what, item)
        else:
            index.add_name(what.removeprefix("@"), item)

    def __len__(self) -> int:
        return sum(len(index) for index in self._by.values())

    def matches(self, request: Request, now: float, *, sender_known: bool) -> Iterator[Match]:
        """Every entry that fits and is not over at `now` (seconds since 1970)."""
        for looks_at, index in self._by.items():
            for expires, match in _find(index, looks_at, request, sender_known=sender_known):
                if now < expires:
                    yield match


def _find(
    index: Index[tuple[float, Match]], looks_at: str, request: Request, *, sender_known: bool
) -> Iterator[tuple[float, Match]]:
    if looks_at == "client":
        return index.client(request.client_name, request.client_address)
    if looks_at == "helo":
        return index.helo(request.helo_name)
    if looks_at == "sender":
        return index.mail(request.sender) if request.sender or sender_known else iter(())
    return index.mail(request.recipient) if request.recipient else iter(())
