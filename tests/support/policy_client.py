"""Speaks the policy protocol as smtpd does: one request, one reply, on a connection that stays open."""

import socket

ATTRIBUTES = {
    "request": "smtpd_access_policy",
    "protocol_state": "RCPT",
    "protocol_name": "ESMTP",
    "client_address": "192.0.2.7",
    "client_name": "mail.example.org",
    "client_port": "40000",
    "reverse_client_name": "mail.example.org",
    "server_address": "192.0.2.25",
    "server_port": "25",
    "helo_name": "mail.example.org",
    "sender": "alice@example.org",
    "recipient": "bob@example.net",
    "recipient_count": "0",
    "queue_id": "",
    "instance": "1.2.3.0",
    "size": "1234",
    "sasl_method": "",
    "sasl_username": "",
    "policy_context": "",
}


def request(**attributes):
    """A request as octets; attributes that are not given are those of an honest server."""
    lines = [f"{name}={value}\n" for name, value in (ATTRIBUTES | attributes).items()]
    return "".join(lines).encode() + b"\n"


class PolicyClient:
    """A connection to a policy service: (host, port), the path of a unix socket, or a connected socket."""

    def __init__(self, where, timeout=10.0):
        if isinstance(where, tuple):
            self.socket = socket.create_connection(where, timeout)
        elif isinstance(where, socket.socket):
            self.socket = where
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(where))
        self._left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        """The next action, or None when the service closed the connection."""
        while b"\n\n" not in self._left:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self._left += more
        line, _, self._left = self._left.partition(b"\n\n")
        assert line.startswith(b"action=")
        return line.removeprefix(b"action=").decode("ascii")

    def ask(self, **attributes):
        """Send a request and give back the action."""
        self.send(request(**attributes))
        return self.reply()
