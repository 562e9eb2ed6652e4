"""A mail server with AUTH at ports 25, 587 and 465, and a policy server that bans one address.

    with Guarded(settings, users) as there:
        there.carry_out()
        there.first_words(587, BANNED)

The policy server stands for Gatepost's answer to `policy_context=ban`; whatever else it is asked passes.
All of it runs in a network namespace of its own; needs root on Linux.
"""

import base64
import contextlib
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from gatepost.lab.sasl import answer, greeting
from gatepost.postfix.conf.reading import read_instance
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.plan import Plan, make_plan
from support.namespace import Namespace
from support.postfix import Postfix

SERVER, BANNED, HONEST, OWN = "192.0.2.25", "198.51.100.66", "203.0.113.9", "10.0.0.5"
PORT = 10023
SASL = 10024
USERS = {"bob": "secret"}
REASON = b"Too many wrong passwords"
SETTINGS = {
    "mynetworks": "10.0.0.0/8",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": f"inet:127.0.0.1:{SASL}",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_security_options": "noanonymous",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_cert_file": "{home}/cert.pem",
    "smtpd_tls_key_file": "{home}/cert.pem",
    "smtpd_peername_lookup": "no",
}
BESIDE_POSTSCREEN = ("dnsblog unix - - n - 0 dnsblog", "tlsproxy unix - - n - 0 tlsproxy")
USERS_ONLY = ("smtpd_client_restrictions=permit_sasl_authenticated,reject",)


class _Serving:
    """A server whose socket listens in the namespace, in a thread of its own."""

    def __init__(self, there: Namespace, port: int, handler: type[socketserver.BaseRequestHandler]) -> None:
        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), handler, bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = there.listen("127.0.0.1", port)
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


class Guarded:
    """The server; a context manager."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        users: Sequence[str] = USERS_ONLY,
        mx: Sequence[str] = (),
        *,
        postscreen: bool = False,
    ) -> None:
        """Start nothing yet.

        Args:
            settings: of main.cf.
            users: settings of ports 587 and 465 alone.
            mx: settings of port 25 alone.
            postscreen: whether it stands before port 25.
        """
        self.there = Namespace(SERVER, BANNED, HONEST, OWN)
        own = "".join(f" -o {{ {one} }}" for one in users)
        first = "".join(f" -o {{ {one} }}" for one in mx)
        door = (f"25 inet n - n - - smtpd{first}",)
        if postscreen:
            door = ("25 inet n - n - 1 postscreen", f"smtpd pass - - n - - smtpd{first}", *BESIDE_POSTSCREEN)
        self.postfix = Postfix(
            settings=SETTINGS | dict(settings or {}),
            files={"cert.pem": _certificate()},
            host="127.0.0.1",
            port=1025,
            netns=self.there.name,
            services=(
                *door,
                f"587 inet n - n - - smtpd{own}",
                f"465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes{own}",
            ),
        )
        self.asked: list[dict[str, str]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.there)
            stack.callback(_Serving(self.there, SASL, _passwords()).stop)
            self.gatepost = _Serving(self.there, PORT, _bans(self.asked))
            stack.callback(self.stop_gatepost)
            stack.enter_context(self.postfix)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def stop_gatepost(self) -> None:
        """Nobody answers Postfix any more; harmless when nobody does."""
        if self.gatepost is not None:
            self.gatepost.stop()
            self.gatepost = None

    def plan(self, *, ban: bool = True) -> Plan:
        """What `plan --ban-at-connect` says of it now, or `plan` alone."""
        instance = read_instance(str(self.postfix.home / "etc"))
        return make_plan(instance, OurLine(f"inet:127.0.0.1:{PORT}"), ban=ban)

    def carry_out(self) -> Plan:
        """Plan, write, and let Postfix read it."""
        made = self.plan()
        for change in made.changes:
            self.postfix.write_file(str(Path(change.path).relative_to(self.postfix.home)), change.after)
        self.postfix.run("postfix", "check")
        self.postfix.reload()
        return made

    def connect(self, port: int, client: str) -> socket.socket:
        """A connection from an address, with TLS where the port begins with it."""
        connection = self.there.connect(SERVER, port, client, 20)
        if port != 465:
            return connection
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return trusting.wrap_socket(connection)

    def first_words(self, port: int, client: str) -> bytes:
        """All that a silent client is told until the server hangs up, or until it has been greeted."""
        said = b""
        with self.connect(port, client) as connection:
            while b"220 " not in said and (more := connection.recv(4096)):
                said += more
        return said

    def mail(
        self,
        port: int,
        client: str,
        *commands: str,
        helo: str = "mail.example.org",
        sender: str = "a@example.org",
        to: str = "x@example.net",
    ) -> list[str]:
        """The codes of a whole mail: greeting, EHLO, the commands, MAIL, RCPT, DATA, text."""
        steps = [
            *(f"EHLO {helo}", *commands, f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"),
            "Subject: x\r\n\r\nx\r\n.",
        ]
        with self.connect(port, client) as connection, connection.makefile("rb") as replies:
            return [*_talk(connection, replies, steps)]


def login(user: str = "bob", password: str = "secret") -> str:
    """AUTH with a password."""
    said = f"\0{user}\0{password}".encode()
    return f"AUTH PLAIN {base64.b64encode(said).decode()}"


def _talk(connection: socket.socket, replies, steps: Sequence[str]) -> Iterator[str]:
    code = _code(replies)
    yield code
    for step in steps:
        if step.startswith("Subject") and code != "354":
            return
        connection.sendall(f"{step}\r\n".encode())
        code = _code(replies)
        yield code


def _code(replies) -> str:
    while (line := replies.readline())[3:4] == b"-":
        pass
    return line[:3].decode("ascii")


def _passwords() -> type[socketserver.BaseRequestHandler]:
    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(greeting())
                for line in self.rfile:
                    self.wfile.write(answer(line.decode().rstrip("\n"), USERS).encode())

    return Conversation


def _bans(asked: list[dict[str, str]]) -> type[socketserver.BaseRequestHandler]:
    class Policy(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            question: dict[str, str] = {}
            with contextlib.suppress(OSError):
                for line in self.rfile:
                    name, equals, value = line.decode().rstrip("\n").partition("=")
                    if equals:
                        question[name] = value
                        continue
                    asked.append(question)
                    banned = (question["policy_context"], question["client_address"]) == ("ban", BANNED)
                    self.wfile.write(b"action=" + (b"521 5.7.1 " + REASON if banned else b"DUNNO") + b"\n\n")
                    question = {}

    return Policy


def _certificate() -> str:
    """A key and a certificate that nobody trusts."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *(
                    "-keyout",
                    f"{folder}/key",
                    "-out",
                    f"{folder}/cert",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=mx.example.net",
                ),
            ],
            check=True,
            capture_output=True,
        )
        return Path(folder, "key").read_text() + Path(folder, "cert").read_text()
