r"""Whether the address that a pattern found is that of the client, and not one that a stranger wrote. Pure.

Patterns of others are as good as whoever wrote them: `.*\[<HOST>\]` takes the last brackets in
a line, and HELO names, senders and user names may hold brackets. So an address counts only

- in lines of mail servers that we know, when it is the client's by the structure of the line (`client_of`);
- in lines of sshd, Exim and Courier where their structure tells it;
- in all other lines when it is the only address there, own addresses aside.

What cannot be told apart is no offence of anybody.
"""

import re
from collections.abc import Callable, Container, Iterator

from gatepost.ban.fail2ban.engine import Late
from gatepost.ban.fail2ban.filter import Match
from gatepost.ban.fail2ban.stamps import Stamps
from gatepost.network import Address, parse_address

ClientOf = Callable[[bytes], str]
"""The client that a line of a mail server is about, in its one form; empty when none can be told."""

NOBODY: frozenset[Address] = frozenset()


def trusted(match: Match, client_of: ClientOf, own: Container[Address] = NOBODY) -> bool:
    """Whether the address of `match` may be blamed; `own` are addresses of ours."""
    line = match.source
    if not match.address:
        return False
    client = client_of(line)
    if client:
        return client == match.address
    head, message = _parts(line)
    if _KNOWN.search(head):  # one whose lines we know, and yet no client
        return False
    return match.address in _by_structure(head, message) or _is_only_one(match.address, line, own)


# --- lines whose structure tells it -------------------------------------------------------------------

_KNOWN = re.compile(rb"postfix|/(?:smtpd|postscreen|smtp|cleanup|qmgr|lmtp)\b|dovecot", re.IGNORECASE)
"""Names under which Postfix and Dovecot log."""
_HEAD = re.compile(rb"\s*(?:[^\s\[\]:]+ +)?([A-Za-z][\w./-]*)(?:\[\d+\])?: ")
_ADDRESS = rb"((?:::ffff:)?[0-9.]{7,15}|[0-9a-fA-F:]+(?:[0-9.]{7,15})?)"
_PORT = rb" port \d{1,5}"


def _parts(line: bytes) -> tuple[bytes, bytes]:
    """The name of the program and its message, the stamp cut out; no name in files that only one writes."""
    rest, _ = _STAMPS.cut(line, Late())
    head = _HEAD.match(rest)
    return (head[1], rest[head.end() :]) if head else (b"", rest)


_STAMPS = Stamps(None)


def _by_structure(head: bytes, message: bytes) -> Iterator[str]:
    """The addresses that can only be the client's."""
    if message.count(b") [") > 1:  # somebody writes what looks like Exim's own HELO and address
        return
    for program, pattern in _STRUCTURES:
        if program.fullmatch(head) and (found := pattern.match(message)):
            address = parse_address(found[1].decode("ascii"))
            if address is not None:
                yield str(address)


# sshd: what follows the last address is its own, so nobody can have written another one after it; behind
# "ssh2:" stands a key, with a name that its owner gave it. Of "Received disconnect" the end is the client's,
# and its address comes first.
_SSHD = re.compile(rb"sshd(?:-session)?")
_STRUCTURES = tuple(
    (program, re.compile(pattern, re.DOTALL))
    for program, pattern in (
        (
            _SSHD,
            rb"(?!.* ssh\d*: )(?:error: |fatal: )?(?:PAM: )?(?:Failed \S+ for |Accepted \S+ for |"
            rb"Invalid user |"
            rb"maximum authentication attempts exceeded for |Bad protocol version identification |"
            rb"Connection (?:closed|reset) by |Disconnected from ).*?(?:^| )"
            + _ADDRESS + _PORT + rb"(?: ssh\d*)?(?: \[preauth\])?\s*\Z",
        ),
        (_SSHD, rb"(?:error: |fatal: )?Received disconnect from " + _ADDRESS + rb"(?: port \d+)?:"),
        (_SSHD, rb"Connection from " + _ADDRESS + _PORT + rb"\b"),
        # Courier: the relay first, and in failed logins the address last, behind what was sent.
        (re.compile(rb"courieresmtpd"), rb"error,relay=" + _ADDRESS + rb","),
        (
            re.compile(rb"(?:courier)?(?:imapd?|pop3d?)(?:login)?(?:-ssl)?"),
            rb"LOGIN FAILED, (?:.*, )?ip=\[" + _ADDRESS + rb"\](?:, port=\[\d+\])?\s*\Z",
        ),
        # Exim: brackets after the verified name and the HELO name in parentheses; neither holds a space.
        (
            re.compile(rb"|exim4?"),
            rb"\s*(?:\[\d+\] )?(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} )?"
            rb"(?:H=|[a-z_]{1,40} authenticator failed for )"
            rb"(?:[A-Za-z0-9.-]+ )?(?:\(\S*\) )?\[" + _ADDRESS + rb"\](?::\d+)?[ :]",
        ),
    )
)  # fmt: skip


# --- the only address in a line -----------------------------------------------------------------------

_QUAD = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3}")
_COLONS = re.compile(rb"[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*(?:\.\d{1,3}){0,3}")


def _is_only_one(address: str, line: bytes, own: Container[Address]) -> bool:
    """Whether there is no other address in a line, in any place."""
    for like in (*_QUAD.finditer(line), *_COLONS.finditer(line)):
        text = like[0].decode("ascii")
        found = parse_address(text) or parse_address(text.strip(":"))
        if found is None:
            if (
                "::" in text or text.count(":") > 3
            ):  # not a time of day: it may be an address with more about it
                return False
        elif str(found) != address and not found.is_loopback and found not in own:
            return False
    return True
