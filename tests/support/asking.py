"""Asks policy questions over real sockets, as smtpd(8) does."""

import asyncio
from contextlib import asynccontextmanager

from gatepost.model import Action, Verdict
from gatepost.server.listen import ListenOptions, open_listeners
from gatepost.server.policy import PolicyServer

PASS = Verdict(action=Action.PASS)
DUNNO = b"action=DUNNO\n\n"


def question(**attributes):
    lines = {"request": "smtpd_access_policy", "protocol_state": "RCPT", **attributes}
    return "".join(f"{name}={value}\n" for name, value in lines.items()).encode() + b"\n"


def said(text):
    """A verdict whose reply holds `text`, and that reply."""
    verdict = Verdict(action=Action.REJECT, code=550, enhanced="5.7.1", text=text)
    return verdict, f"action=550 5.7.1 {text}\n\n".encode()


def passes(request):
    return PASS


@asynccontextmanager
async def serving(handler=passes, places=("inet:127.0.0.1:0",), **options):
    """A policy server, and its listeners."""
    settings = ListenOptions(policy=tuple(places), **{"drain": 0.2, **options})
    listeners = open_listeners(settings.policy, settings.socket_mode, settings.socket_group)
    server = PolicyServer(handler, settings)
    await server.start(listeners)
    server.place = listeners[0].port
    try:
        yield server
    finally:
        await server.stop()


class Client:
    """One connection to a policy server."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, place, host="127.0.0.1"):
        """Connect to a port, or to the path of a unix socket."""
        connect = asyncio.open_unix_connection(place) if isinstance(place, str) else None
        return cls(*await (connect or asyncio.open_connection(host, place)))

    def send(self, octets):
        self.writer.write(octets)

    async def reply(self):
        return await asyncio.wait_for(self.reader.readuntil(b"\n\n"), 5)

    async def ask(self, **attributes):
        self.send(question(**attributes))
        return await self.reply()

    async def closed(self, within=5.0):
        """True when the server closes without saying anything more."""
        try:
            return await asyncio.wait_for(self.reader.read(), within) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.writer.close()
