"""Lines of Dovecot's login services (2.2 to 2.4, client-common.c) as events. Pure; see `maillog`.

The user's name, which a stranger chooses, stands before the client's address: the last place counts, and what
follows it must be Dovecot's own words.
"""

import re

from gatepost.wire.mail_event import Event, Kind, event, word

_LOGIN_SERVICE = re.compile(rb"(imap|pop3|submission|managesieve)-login: (?:Info: )?([^<]*)")
_ATTEMPTS = re.compile(rb"\(auth failed, (\d{1,6}) attempts?\b")
_CUT = re.compile(rb"\(disconnected while authenticating, ")
"""Dovecot waits before it says no, and at once says yes: a guesser need not wait to be told."""
_RIP = re.compile(
    rb", rip=([0-9A-Fa-f.:]{2,45}), lip=[0-9A-Fa-f.:]{2,45}(?:, [^<>]*?)?(?:, session=<[A-Za-z0-9+/=]*>)?$"
)
_AUTH = re.compile(rb"auth(?:-worker)?(?:\(\d+\))?: (?:[A-Za-z]+: )?[a-z0-9-]{1,40}\(")
_AUTH_CLIENT = re.compile(rb",([0-9A-Fa-f.:]{2,45})(?:,<[A-Za-z0-9+/=]*>)?\): ")
MAX_ATTEMPTS = 10
"""Attempts counted of one connection: it is one line, whatever number it says."""


def dovecot(message: bytes, seconds: float, _tag: bytes) -> Event | None:
    """What a session ended with: Dovecot writes it once, so nothing is counted twice."""
    match = _LOGIN_SERVICE.match(message)
    if match is None:
        return None
    service, client = word(match[1]), _last_rip(message)
    if match[2].startswith((b"Login: ", b"Logged in: ")):
        return client and event(Kind.LOGIN, seconds, service, client[1], "AUTH")
    attempts = _ATTEMPTS.search(match[2])
    if attempts is None:
        cut = client if _CUT.search(match[2]) else None
        return cut and event(Kind.LOST, seconds, service, cut[1], "AUTH")
    count = max(1, min(int(attempts[1]), MAX_ATTEMPTS))
    return client and event(Kind.AUTH_FAILED, seconds, service, client[1], "AUTH", count=count)


def _last_rip(message: bytes) -> re.Match[bytes] | None:
    """The last `rip=`: the user's name, which a stranger chooses, stands before it."""
    start = message.rfind(b", rip=")
    return None if start < 0 else _RIP.match(message, start)


def dovecot_client(message: bytes) -> re.Match[bytes] | None:
    """Of login services the last `rip=`, of auth what follows the user, when that stands there once only."""
    if _LOGIN_SERVICE.match(message):
        return _last_rip(message)
    found = list(_AUTH_CLIENT.finditer(message)) if _AUTH.match(message) else []
    return found[0] if len(found) == 1 else None
