"""Passwords for the lab's submission port: a server of Dovecot's authentication protocol, PLAIN only.

Postfix speaks this protocol with `smtpd_sasl_type = dovecot`; a Dovecot would
be one more program to install. The conversation (Dovecot, "Authentication
protocol v1.1"): both sides greet; `AUTH <id> PLAIN ... resp=<base64>` is answered
with `OK <id> user=<name>`, `FAIL <id>` or, when `resp` is yet to come,
`CONT <id>`.
"""

import base64
import binascii
import contextlib
import secrets
import socketserver
import threading
from collections.abc import Iterator

from gatepost.lab.internet import Internet

PORT = 10024


def greeting() -> bytes:
    """What the server says first."""
    cookie = secrets.token_hex(16)
    return f"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t{cookie}\nDONE\n".encode()


def answer(line: str, users: dict[str, str]) -> str:
    """The reply to one line of Postfix; empty when none is due."""
    command, *fields = line.split("\t")
    if command not in {"AUTH", "CONT"} or not fields:
        return ""
    number = fields[0]
    response = fields[1] if command == "CONT" and len(fields) > 1 else None
    for field in fields:
        if field.startswith("resp="):
            response = field.removeprefix("resp=")
    if response is None:
        return f"CONT\t{number}\t\n"
    user = _user(response, users)
    return f"OK\t{number}\tuser={user}\n" if user else f"FAIL\t{number}\n"


def _user(response: str, users: dict[str, str]) -> str:
    """Who logs in with this PLAIN response (RFC 4616), empty when he may not."""
    try:
        _, user, password = base64.b64decode(response, validate=True).decode().split("\0")
    except (binascii.Error, ValueError):
        return ""
    known = users.get(user)
    return user if known is not None and secrets.compare_digest(known.encode(), password.encode()) else ""


@contextlib.contextmanager
def sasl(internet: Internet, users: dict[str, str]) -> Iterator[None]:
    """Answer Postfix's questions about these users while the block runs."""

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(greeting())
                for line in self.rfile:
                    self.wfile.write(answer(line.decode("utf-8", "replace").rstrip("\n"), users).encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = internet.within(lambda: Server(("127.0.0.1", PORT), Conversation))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
