r"""A line of a mail log as a typed event: Postfix (smtpd, postscreen, cleanup) and Dovecot. Pure.

A line is parsed once. What a stranger chose (HELO name, sender, recipient,
user, what he sent instead of commands) stands in these lines as well, so every
pattern is anchored at the message's begin and reaches the client's address over
the program's own words only. Nothing is raised, whatever the octets are.

The forms are those of Postfix 2.10 to 3.11 (smtpd.c, smtpd_sasl_glue.c,
smtpd_chat.c, postscreen_*.c); Dovecot's stand in `maillog_dovecot`.
"""

import re
from collections.abc import Callable, Iterable, Iterator

import re2

from gatepost.wire.mail_event import Event, Kind, canonical, event, word
from gatepost.wire.maillog_dovecot import dovecot, dovecot_client
from gatepost.wire.syslog import Stamps, service_of, split_head

MAX_LINE = 8192
"""Octets looked at of a line: Postfix writes at most 2,000 or so in one."""


class Parser:
    """Parses lines one after the other; remembers stamps and programs it met."""

    __slots__ = ("_services", "stamps")

    def __init__(self, now: float) -> None:
        """`now`: see `Stamps`."""
        self.stamps = Stamps(now)
        self._services: dict[bytes, _Reader | None] = {}

    def parse(self, line: bytes) -> Event | None:
        """What `line` tells; None when that is nothing of ours, as with most lines."""
        head = split_head(line)
        if head is None:
            return None
        stamp, tag, message = head
        service = service_of(tag)
        try:
            reader = self._services[service]
        except KeyError:
            reader = self._meet(service)
        if reader is None:
            return None
        seconds = self.stamps.seconds(stamp)
        return None if seconds is None else reader(message, seconds, tag)

    def scan(self, block: bytes, wanted: "Wanted") -> Iterator[tuple[int, int, int, Event]]:
        """The events in a block of whole lines, with the number of the line, from 0, and its begin and end.

        Nearly all lines of a log tell nothing of ours: one linear look over the whole block finds those that
        may. A stranger's text may make a line look as if it did; then `parse` says no.
        """
        number = at = 0
        for match in wanted.pattern.finditer(block):
            begin, end = match.span()
            number += block.count(b"\n", at, begin)
            at = begin
            event = self.parse(block[begin:end])
            if event is not None:
                yield number, begin, end, event

    def _meet(self, service: bytes) -> "_Reader | None":
        if len(self._services) > 1000:  # a log of names that nobody has
            self._services.clear()
        reader = self._services[service] = _reader_of(service)
        return reader


class Wanted:
    """What somebody wants to hear of, so that all other lines are passed over quickly."""

    __slots__ = ("pattern",)

    def __init__(self, kinds: Iterable[Kind], lost_after: Iterable[str] = (), lowest: int = 400) -> None:
        """Want these kinds; of `LOST` after some commands (none: after any), of `REJECT` from a code on."""
        after = "|".join(sorted(lost_after)).encode("ascii") or rb"[A-Z-]"
        words = _WORDS | {
            Kind.LOST: rb"\]: (?:lost connection|timeout) after (?:"
            + after
            + rb")|-login: [^<]*\(disconnected while ",
            Kind.REJECT: rb": (?:milter-)?reject: [^ ]+ from [^ ]+: "
            + (rb"5" if lowest >= _FINAL else rb"[45]"),
        }
        union = b"|".join(words[kind] for kind in sorted(set(kinds)))
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        self.pattern = re2.compile(rb"(?m)^.*(?:" + union + rb").*$", options)


def client_of(line: bytes) -> str:
    """The address that a mail server's line is about, in its one form; empty where none can be trusted.

    Unlike `Parser.parse` it knows no forms: of Postfix's smtpd and postscreen the
    first `name[address]` before any text a stranger chose, of Dovecot the last `rip=`.
    """
    head = split_head(line[:MAX_LINE])
    if head is None:
        return ""
    name = _name_of(service_of(head[1]))
    if name in (b"smtpd", b"postscreen"):
        match = _ANY_CLIENT.match(head[2])
    elif name == b"cleanup":
        match = _CLEANUP.match(head[2])
    elif name == b"dovecot":
        match = dovecot_client(head[2])
    else:
        return ""
    return canonical(match[1]) if match else ""


def is_mail_server(line: bytes) -> bool:
    """Whether Postfix or Dovecot wrote the line, so that `client_of` knows whom it is about."""
    head = split_head(line[:MAX_LINE])
    return head is not None and _name_of(service_of(head[1])) != b""


# --- which program ------------------------------------------------------------------------------------


_Reader = Callable[[bytes, float, bytes], Event | None]
"""Takes the message, its time and its tag."""


def _name_of(service: bytes) -> bytes:
    """`smtpd` of `postfix/smtpd`, `postfix-mx/smtps/smtpd` and the like; `dovecot`; else empty.

    `syslog_name` may be anything; it is the administrator who chose it.
    """
    first, _, rest = service.partition(b"/")
    if first == b"dovecot":
        return b"dovecot"
    last = rest.rpartition(b"/")[2]
    return last if first.startswith(b"postfix") or last in _READERS else b""


def _reader_of(service: bytes) -> _Reader | None:
    return _READERS.get(_name_of(service))


# --- smtpd --------------------------------------------------------------------------------------------

_CLIENT = rb"[A-Za-z0-9._-]{0,255}\[([0-9A-Fa-f.:]{2,45})\](?::\d{1,5})?"
_ANY_CLIENT = re.compile(
    rb"(?:warning: )?"
    rb"(?:[^\[\]<>\"]{0,80}? from |DNSBL rank \d+ for |(?:PASS (?:NEW|OLD)|[A-Z]+LISTED|[A-Z]+LIST VETO) )?"
    + _CLIENT
    + rb"(?=[:;,]? |[:;,]?$)"
)
"""The client stands behind these words, or first. Elsewhere may stand what a stranger's name server said."""
_QUEUE_ID = rb"[0-9A-Za-z]{5,32}"
_SASL = re.compile(
    rb"warning: " + _CLIENT + rb": SASL \S{1,40} authentication failed:? ?(.*)",
    re.DOTALL,
)
_LOST = re.compile(
    rb"(?:lost connection|timeout) after ([A-Z-]{3,20})(?: \(\d+ bytes\))? from " + _CLIENT + rb"$"
)
_PROTOCOL = re.compile(
    rb"(?:warning: )?(improper command pipelining|too many errors|non-SMTP command)"
    rb"(?: after ([A-Z-]{3,20})(?: \(\d+ bytes\))?)? from " + _CLIENT + rb"(?:: |$)"
)
_REFUSED = re.compile(
    rb"(?:NOQUEUE|"
    + _QUEUE_ID
    + rb"): (?:milter-)?reject: ([A-Z-]{3,20}) from "
    + _CLIENT
    + rb": (?:([45]\d\d) )?(?:([45]\.\d{1,3}\.\d{1,3}) )?(.*)",
    re.DOTALL,
)
_LOGGED_IN = re.compile(
    _QUEUE_ID + rb": client=" + _CLIENT + rb", (?:orig_\S+ )?sasl_method=\S{1,40}, sasl_username=."
)
_SENDER = re.compile(rb"; from=<([^>]{0,320})")

_NOT_THEIRS = (
    b"Connection lost to authentication server",
    b"Can't connect to authentication server",
    b"Temporary authentication failure",
    b"generic failure",
    b"no mechanism available",
    b"cannot connect",
    b"authentication server",
    b"bad protocol",
    b"another step is needed",
    b"Invalid authentication mechanism",
    b"Unsupported authentication mechanism",
)
"""Reasons that say nothing of a password: trouble of ours (xsasl_dovecot_server.c, sasl_errstring(3)), or
a client that was set up for another server."""


def _smtpd(message: bytes, seconds: float, tag: bytes) -> Event | None:
    """Most lines end at the first comparison."""
    reader = _STARTS.get(message[:5])
    if reader is not None:
        return reader(message, seconds, tag)
    colon = message.find(b": ", 0, 40)
    after = message[colon + 2 : colon + 9]
    if after == b"reject:" or after == b"milter-":  # noqa: PLR1714 - a tuple would cost as much again
        return _refused(message, seconds, tag, "smtpd")
    if after == b"client=" and b"sasl_username=" in message:
        match = _LOGGED_IN.match(message)
        return match and event(Kind.LOGIN, seconds, "smtpd", match[1], "AUTH")
    return None


def _lost(message: bytes, seconds: float, tag: bytes) -> Event | None:
    match = _LOST.match(message)
    return match and event(Kind.LOST, seconds, "smtpd", match[2], word(match[1]), mail=tag)


def _warning(message: bytes, seconds: float, tag: bytes) -> Event | None:
    if message[9:17] == b"non-SMTP":
        return _protocol(message, seconds, tag)
    match = _SASL.match(message)
    if match is None:
        return None
    kind = Kind.AUTH_TROUBLE if match[2].startswith(_NOT_THEIRS) else Kind.AUTH_FAILED
    return event(kind, seconds, "smtpd", match[1], "AUTH", reason=match[2], mail=tag)


def _protocol(message: bytes, seconds: float, _tag: bytes) -> Event | None:
    match = _PROTOCOL.match(message)
    return match and event(Kind.PROTOCOL, seconds, "smtpd", match[3], word(match[2] or b""), reason=match[1])


_STARTS: dict[bytes, _Reader] = {
    b"warni": _warning,
    b"lost ": _lost,
    b"timeo": _lost,
    b"impro": _protocol,
    b"too m": _protocol,
    b"non-S": _protocol,
}


def _refused(message: bytes, seconds: float, tag: bytes, service: str) -> Event | None:
    match = _REFUSED.match(message)
    if match is None:
        return None
    command, address, code, enhanced, reason = match.groups()
    if code is None and enhanced is None:
        return None
    sender = _SENDER.search(reason)
    return event(
        Kind.REJECT,
        seconds,
        service,
        address,
        word(command),
        code=int(code) if code else int(enhanced[:1]) * 100,
        enhanced=word(enhanced or b""),
        reason=reason,
        mail=tag + sender[1] if sender else b"",
    )


# --- postscreen, cleanup ------------------------------------------------------------------------------

_PREGREET = re.compile(rb"PREGREET \d+ after [0-9.]+ from " + _CLIENT + rb": ")
_DEEP = re.compile(
    rb"(COMMAND PIPELINING|NON-SMTP COMMAND|BARE NEWLINE|COMMAND LENGTH LIMIT) from "
    + _CLIENT
    + rb"(?: after ([A-Z-]{3,20}))?"
)
_CLEANUP = re.compile(_QUEUE_ID + rb": milter-reject: [A-Z-]{3,20} from " + _CLIENT + rb": ")


def _postscreen(message: bytes, seconds: float, tag: bytes) -> Event | None:
    if message.startswith(b"PREGREET"):
        match = _PREGREET.match(message)
        return match and event(Kind.PREGREET, seconds, "postscreen", match[1], "CONNECT")
    if message.startswith(b"NOQUEUE: reject:"):
        return _refused(message, seconds, tag, "postscreen")
    match = _DEEP.match(message)
    if match is None:
        return None
    command = word(match[3] or b"")
    return event(Kind.PROTOCOL, seconds, "postscreen", match[2], command, reason=match[1].lower())


def _cleanup(message: bytes, seconds: float, tag: bytes) -> Event | None:
    """A milter's refusals; those of header_checks stand behind text of the mail, and are left alone."""
    return _refused(message, seconds, tag, "cleanup") if _CLEANUP.match(message) else None


_READERS: dict[bytes, _Reader] = {
    b"smtpd": _smtpd,
    b"postscreen": _postscreen,
    b"cleanup": _cleanup,
    b"dovecot": dovecot,
}


# --- which lines are worth a look ---------------------------------------------------------------------

_FINAL = 500
_WORDS = {
    Kind.AUTH_FAILED: rb"\](?::\d+)?: SASL |-login: [^<]*\(auth failed, ",
    Kind.AUTH_TROUBLE: rb": SASL [^ ]+ authentication failed:? ?(?:" + b"|".join(_NOT_THEIRS) + rb")",
    Kind.LOGIN: rb"sasl_username=|-login: (?:Info: )?Log",
    Kind.PROTOCOL: rb"\]: (?:improper |too many errors|(?:warning: )?non-SMTP|COMMAND |NON-SMTP|BARE NEW)",
    Kind.PREGREET: rb"\]: PREGREET ",
}
