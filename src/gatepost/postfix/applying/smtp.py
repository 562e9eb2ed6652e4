"""A small strict SMTP client (RFC 5321) for probes: replies bounded in size and time, nothing is ever sent.

Raises: SmtpError, when the server cannot be reached, hangs up, is late, or does not speak SMTP.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

from gatepost.postfix.applying.smtp_reply import Reply
from gatepost.postfix.applying.targets import Target

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 75.0
"""For one reply. Behind postscreen a greeting takes some seconds; a dead resolver costs smtpd up to 60."""
LONGEST_LINE = 2048
"""Octets; RFC 5321 says 512."""
MOST_LINES = 100

Got = TypeVar("Got")

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?\n")


class SmtpError(Exception):
    """The conversation came to nothing."""


class SmtpClient:
    """One session, for the length of a `with` block.

    `source` is the address to come from; with a proxied target it is only said.
    """

    def __init__(self, target: Target, source: str = "", seconds: float = REPLY_SECONDS) -> None:
        """Connect, and wait for nothing yet."""
        self._seconds = seconds
        self._left = b""
        bound = (source, 0) if source and not target.proxied else None
        try:
            self._socket = socket.create_connection((target.host, target.port), CONNECT_SECONDS, bound)
        except OSError as error:
            raise SmtpError(f"{target}: {_reason(error)}") from None
        if target.proxied:
            _attempt(lambda: self._socket.sendall(self._proxy_line(source or target.host)), self._seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if kind is None:
                self._socket.sendall(b"QUIT\r\n")
        self._socket.close()

    @property
    def own_address(self) -> str:
        """Where the server sees us come from, unless the address is translated on the way."""
        return str(self._socket.getsockname()[0])

    def say(self, command: str) -> Reply:
        """Send a command; the reply."""
        octets = command.encode("ascii")
        _attempt(lambda: self._socket.sendall(octets + b"\r\n"), self._seconds)
        return self.reply()

    def reply(self) -> Reply:
        """The next reply, all its lines as one."""
        deadline = time.monotonic() + self._seconds
        texts = []
        for _ in range(MOST_LINES):
            found = _LINE.fullmatch(self._line(deadline))
            if found is None:
                raise SmtpError("the server does not speak SMTP")
            texts.append((found[3] or b"").decode("ascii", "backslashreplace"))
            if found[2] != b"-":
                return Reply(int(found[1]), " / ".join(texts))
        raise SmtpError(f"a reply of more than {MOST_LINES} lines")

    def start_tls(self) -> None:
        """Go on encrypted. Whose certificate it is does not matter to a probe."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._left = b""
        self._socket = _attempt(lambda: context.wrap_socket(self._socket), self._seconds)

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._left:
            if len(self._left) > LONGEST_LINE:
                raise SmtpError(f"a line of more than {LONGEST_LINE} octets")
            rest = deadline - time.monotonic()
            if rest <= 0:
                raise SmtpError(f"no reply within {self._seconds:g} seconds")
            self._socket.settimeout(rest)
            octets = _attempt(lambda: self._socket.recv(4096), self._seconds)
            if not octets:
                raise SmtpError("the server hung up")
            self._left += octets
        line, _, self._left = self._left.partition(b"\n")
        return line + b"\n"

    def _proxy_line(self, source: str) -> bytes:
        """The PROXY protocol, version 1 (HAProxy, proxy-protocol.txt)."""
        family = "TCP6" if ":" in source else "TCP4"
        own = "::1" if ":" in source else "127.0.0.1"
        return f"PROXY {family} {source} {own} 40000 25\r\n".encode("ascii")


def _attempt(do: Callable[[], Got], seconds: float) -> Got:
    try:
        return do()
    except TimeoutError:
        raise SmtpError(f"no reply within {seconds:g} seconds") from None
    except OSError as error:
        raise SmtpError(_reason(error)) from None


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error)).lower()
