r"""The policy delegation protocol of Postfix: octets into Requests, Verdicts into replies.

Manual: SMTPD_POLICY_README and access(5) of Postfix; attributes of 2.1 to 3.11, and later ones.
A request is `name=value` lines and one empty line; a reply is `action=...` and one empty line.

The parser raises ProtocolError and nothing else; the server then closes without a reply, as
Postfix asks for. `encode` raises nothing: every verdict has a legal reply.

What a stranger can put into a value never makes a request invalid. Postfix passes on any octet
but NUL and LF that a client writes between quotes in an address; were that an error, the default
action would let his mail in unasked. Such octets, and those that are not UTF-8, stand as `\xNN`.
What no Postfix sends is an error: a line without `=`, a name that is none, the same name twice,
NUL, lines that end in CR LF, another `request=`, and more than the limits. Any attribute may be
missing or empty; only where none tells that Postfix asks, nothing was asked, and that is an error.
"""

import re
from unicodedata import combining, normalize

from gatepost.model import Action, Request, Stage, Verdict

MAX_REPLY = 400
"""Octets in a reply line. Postfix cuts what it tells the client at 510."""
PREPEND_STAGES = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA})
"""Where PREPEND is legal: with a sender known, and before the end of the message (access(5))."""

# fmt: off
_SENT = [
    "request", "protocol_state", "protocol_name", "client_address", "client_name", "client_port",
    "reverse_client_name", "server_address", "server_port", "helo_name", "sender", "recipient",
    "recipient_count", "queue_id", "instance", "size", "etrn_domain", "stress", "sasl_method",
    "sasl_username", "sasl_sender", "ccert_subject", "ccert_issuer", "ccert_fingerprint",
    "ccert_pubkey_fingerprint", "encryption_protocol", "encryption_cipher", "encryption_keysize",
    "policy_context",
]
# fmt: on
_SENT_SINCE_3_8 = [*_SENT, "compatibility_level", "mail_version"]
_IN_ORDER = tuple(
    (names, re.compile("\n".join(f"{name}=(.*)" for name in names))) for names in (_SENT, _SENT_SINCE_3_8)
)
"""What Postfix 3.2 and later send, in their order: one match costs half of 28 splits. It need not match."""

_KIND = "smtpd_access_policy"
_STAGES = {str(stage): stage for stage in Stage}
_CONTROL_OCTETS = bytes(octet for octet in range(32) if octet != 10) + b"\x7f"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class ProtocolError(Exception):
    """What came is not the policy protocol; the text says why, for our log."""


class Parser:
    """Octets in, Requests out: `feed` what came, then ask `next` until it answers None.

    Requests that were complete before an error are given out before it is
    raised. After an error the parser is dead: it takes and gives nothing more.
    """

    MAX_LINE = 8192
    """Octets in a line; a line_length_limit of 2048 bounds all that a client can say."""
    MAX_REQUEST = 65536
    """Octets in a request."""
    MAX_ATTRIBUTES = 100
    """Lines in a request; Postfix 3.11 sends 30."""

    __slots__ = ("_at", "_buffer", "_checked", "_dead", "max_attributes", "max_line", "max_request")

    def __init__(
        self,
        *,
        max_line: int = MAX_LINE,
        max_request: int = MAX_REQUEST,
        max_attributes: int = MAX_ATTRIBUTES,
    ) -> None:
        self.max_line = max_line
        self.max_request = max_request
        self.max_attributes = max_attributes
        self._buffer = b""
        self._at = 0  # where the request that is not given out yet begins
        self._checked = 0  # where its first line that is not complete, or not looked at yet, begins
        self._dead = False

    @property
    def pending(self) -> int:
        """Octets taken and not given out yet."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Take what came, however it was cut."""
        if self._dead:
            return
        if self._at == len(self._buffer):
            self._buffer = data
            self._at = self._checked = 0
        else:
            self._buffer = self._buffer[self._at :] + data
            self._checked -= self._at
            self._at = 0

    def next(self) -> Request | None:
        """The next complete request, or None when more must come first.

        Raises:
            ProtocolError: what comes next is no policy request.
        """
        at, buffer = self._at, self._buffer
        if self._dead or at == len(buffer):
            return None
        end = buffer.find(b"\n\n", max(at, self._checked - 1))
        try:
            if end < 0:
                self._look_ahead()
                return None
            request = self._read(buffer[at:end])
        except ProtocolError:
            self._dead = True
            self._buffer, self._at = b"", 0
            raise
        self._at = self._checked = end + 2
        return request

    def _look_ahead(self) -> None:
        """Refuse as early as possible what can no longer become a request."""
        buffer = self._buffer
        if len(buffer) - self._at > self.max_request:
            raise ProtocolError(f"no end of the request within {self.max_request} octets")
        while (end := buffer.find(b"\n", self._checked)) >= 0:
            line = buffer[self._checked : end]
            self._check_length(line)
            _split(line.decode("utf-8", "backslashreplace"))
            self._checked = end + 1
        self._check_length(buffer[self._checked :])

    def _check_length(self, line: bytes | str) -> None:
        if len(line) > self.max_line:
            raise ProtocolError(f"a line of more than {self.max_line} octets")

    def _read(self, block: bytes) -> Request:
        if len(block) > self.max_line:  # else no line can be too long
            if len(block) > self.max_request:
                raise ProtocolError(f"a request of more than {self.max_request} octets")
            for octets in block.split(b"\n"):
                self._check_length(octets)
        try:
            text = block.decode()
        except UnicodeDecodeError:
            text = block.decode("utf-8", "backslashreplace")
        clean = len(block.translate(None, _CONTROL_OCTETS)) == len(block)
        if clean:
            for names, pattern in _IN_ORDER:
                if match := pattern.fullmatch(text):
                    return _request(dict(zip(names, match.groups(), strict=True)))
        lines = text.split("\n")
        if len(lines) > self.max_attributes:
            raise ProtocolError(f"more than {self.max_attributes} attributes")
        attributes = _in_any_order(lines) if clean else dict(map(_split, lines))
        if len(attributes) != len(lines):
            raise ProtocolError("an attribute that is there twice")
        return _request(attributes)


def _in_any_order(lines: list[str]) -> dict[str, str]:
    """The attributes of lines without control octets, in a third of the time that `_split` takes."""
    try:
        attributes = dict([line.split("=", 1) for line in lines])
    except ValueError:  # a line without =
        attributes = {"": ""}
    return dict(map(_split, lines)) if "" in attributes else attributes


def _split(line: str) -> tuple[str, str]:
    """Name and value of a line, control octets escaped; says what is wrong with it."""
    name, equals, value = line.partition("=")
    if not line:
        raise ProtocolError("an empty request")
    if "\0" in line:
        raise ProtocolError("a NUL octet")
    if not equals:
        raise ProtocolError("a line without =")
    if not name or _CONTROL.search(name):
        raise ProtocolError("a line without the name of an attribute before =")
    return name, _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", value)


def _request(attributes: dict[str, str]) -> Request:
    get = attributes.get
    kind = get("request") or (_KIND if get("protocol_state") or get("client_address") else "")
    if kind != _KIND:
        raise ProtocolError(f"request= is not {_KIND}")
    return Request(
        stage=_STAGES.get(get("protocol_state", ""), Stage.OTHER),
        client_address=get("client_address", ""),
        client_name=get("client_name", ""),
        reverse_client_name=get("reverse_client_name", ""),
        client_port=get("client_port", ""),
        server_address=get("server_address", ""),
        server_port=get("server_port", ""),
        protocol_name=get("protocol_name", ""),
        helo_name=get("helo_name", ""),
        sender=get("sender", ""),
        recipient=get("recipient", ""),
        recipient_count=_number(get("recipient_count", "")),
        queue_id=get("queue_id", ""),
        instance=get("instance", ""),
        size=_number(get("size", "")),
        sasl_method=get("sasl_method", ""),
        sasl_username=get("sasl_username", ""),
        sasl_sender=get("sasl_sender", ""),
        encryption_protocol=get("encryption_protocol", ""),
        policy_context=get("policy_context", ""),
        attributes=attributes,
    )


def _number(text: str) -> int:
    """The number `text` says; 0 for what is none, or has more digits than an octet count can have."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


# --- replies ------------------------------------------------------------------------------------------

HANG_UP = 521
"""After this refusal Postfix closes the connection (access(5), RFC 7504)."""

_PASS = "DUNNO"
_PASS_OCTETS = b"action=DUNNO\n\n"
_FRAME = len("action=")
_TOLD = 510 - len("450 4.777.777 <>: Recipient address rejected: ")
"""Octets that Postfix leaves for a name and our text in what it tells the client."""
_LEAST = 60
"""Octets that our text gets whatever name stands before it."""

_ENHANCED = re.compile(r"(?:[245]\.)?((?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2}))")
_REFERENCE = re.compile(r"[^A-Za-z0-9_-]+")
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,75}):[ \t\r\n]*(.*)", re.DOTALL)
_UNSPOKEN = re.compile(r"[^ -~]+")
_SILENT = {
    Action.REJECT: "Refused by the policy of this site",
    Action.DEFER: "Please try again later",
}
"""Never an empty text: a code alone would be taken as permission."""


def encode(verdict: Verdict, stage: Stage = Stage.RCPT, named: int = 0) -> bytes:
    """The reply to `verdict`, as octets for Postfix. Total: every verdict has one.

    Args:
        verdict: what was decided; where it says what cannot be said, the nearest legal thing is said.
        stage: where Postfix asked; PREPEND is not legal everywhere.
        named: octets of the name that Postfix will put before our text (see `longest_name`).
    """
    if verdict.observed or (not verdict.header and verdict.action == Action.PASS):
        return _PASS_OCTETS
    return f"action={reply(verdict, stage, named)}\n\n".encode("ascii")


def reply(verdict: Verdict, stage: Stage = Stage.RCPT, named: int = 0) -> str:
    """The reply to `verdict` as `encode` sends it, without its frame: for the journal and for people."""
    if verdict.observed:
        return _PASS
    if verdict.action == Action.REJECT:
        code = HANG_UP if verdict.hangs_up else _code(verdict.code, 500, 550)
        return _refusal(str(code), 5, verdict, named)
    if verdict.action == Action.DEFER:
        code = _code(verdict.code, 400, 450)
        return _refusal("DEFER_IF_PERMIT" if verdict.if_permit else str(code), 4, verdict, named)
    return _passing(verdict.header, stage)


def longest_name(request: Request) -> int:
    """Octets of the longest name of `request` that Postfix may tell the client before our text.

    Postfix says `450 4.7.1 <NAME>: Recipient address rejected: ...` and cuts
    that at 510 octets; which name depends on where its configuration asks us.
    """
    client = len(request.client_name) + len(request.client_address) + 2
    names = (request.recipient, request.sender, request.helo_name)
    return max(client, *(len(n) if n.isascii() else len(n.encode("utf-8", "replace")) for n in names))


def _code(code: int, lowest: int, default: int) -> int:
    """`code` when it is a reply code of this class (RFC 5321, 4.2) that does not hang up: 421 and 521 do."""
    return code if lowest <= code < lowest + 60 and code != lowest + 21 else default


def _refusal(word: str, kind: int, verdict: Verdict, named: int) -> str:
    match = _ENHANCED.fullmatch(verdict.enhanced)
    head = f"{word} {kind}.{match[1] if match else '7.1'} "
    room = min(MAX_REPLY - _FRAME - len(head), max(_TOLD - max(named, 0), _LEAST))
    reference = _REFERENCE.sub("", verdict.reference[:100])[:32]
    tail = f" (ref {reference})" if reference else ""
    text = _plain(verdict.text).removesuffix(tail)
    return head + _cut(text or _SILENT[verdict.action], room - len(tail)) + tail


def _passing(header: str, stage: Stage) -> str:
    """PREPEND where the header is one and may stand here; else DUNNO, never OK."""
    fits = stage in PREPEND_STAGES and len(header) <= MAX_REPLY
    match = _HEADER.fullmatch(header) if fits else None
    if match and (value := _plain(match[2])):
        line = f"PREPEND {match[1]}: {value}"
        if len(line) <= MAX_REPLY - _FRAME:
            return line
    return _PASS


def _plain(text: str) -> str:
    """`text` as one line of printable ASCII: accents fall off, what has no ASCII becomes `?`.

    So no rule about UTF-8 in replies (SMTPUTF8, RFC 6531) can ever touch it.
    """
    text = text[: 4 * MAX_REPLY]
    if not text.isascii():
        text = "".join(c for c in normalize("NFKD", text) if not combining(c))
        text = text.encode("ascii", "replace").decode("ascii")
    if not text.isprintable():
        text = _UNSPOKEN.sub(" ", text)
    return " ".join(text.split())


def _cut(text: str, room: int) -> str:
    """`text` in at most `room` octets, ended between words."""
    if len(text) <= room:
        return text
    head = text[: room - 3]
    return (head[: head.rfind(" ")] if " " in head[room // 2 :] else head).rstrip() + "..."
