"""The control socket: how commands reach the daemon.

One JSON object a line: `{"command": "status", ...arguments}`; one line back:
`{"ok": result}` or `{"error": "a sentence"}`. A command that is told of changes
gives back lines until the other side goes away. Who may connect at all is decided
by mode and group of the socket's file; commands are told who asked.
"""

import asyncio
import logging
import pwd
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec

from gatepost.server.owner import peer_credentials
from gatepost.server.place import Listener

log = logging.getLogger("gatepost.control")

MAX_LINE = 64 * 1024
"""Octets in a request."""
MAX_CLIENTS = 32
"""Connections at once."""
PATIENCE = 60.0
"""Seconds for a request to arrive, and for a reply to be taken."""


class CommandError(Exception):
    """A command cannot be done; the text is a sentence for the person who gave it."""


class Peer(msgspec.Struct, frozen=True):
    """Who gave a command: the process at the other end, as the kernel says (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The user's name, or the number of one without."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


Command = Callable[[dict[str, object], Peer], Awaitable[object]]
"""Takes the arguments and who gave them; answers what JSON can say, or raises CommandError.

An asynchronous iterator of such answers is given back one by one, until it ends or nobody reads.
"""


class ControlServer:
    """Answers commands on a unix socket."""

    def __init__(self, commands: Mapping[str, Command], patience: float = PATIENCE) -> None:
        """Remember what each command's name does; `patience` is in seconds."""
        self.commands = commands
        self._patience = patience
        self._clients: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._listener: Listener | None = None

    async def start(self, listener: Listener) -> None:
        """Accept commands; the listener belongs to the server from now on."""
        self._listener = listener
        self._server = await asyncio.start_unix_server(self._take, sock=listener.socket, limit=MAX_LINE)

    async def stop(self) -> None:
        """Accept nothing more, and end what goes on."""
        if self._server and self._listener:
            self._server.close()
            self._listener.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # went away, or said nothing for too long
        except asyncio.CancelledError:
            pass  # we stop; asyncio would log a handler that was cancelled
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(*peer_credentials(writer.get_extra_info("socket")))
        more = True
        while more:
            try:
                line = await asyncio.wait_for(reader.readuntil(), self._patience)
                answer = await self._answer(line, peer)
            except asyncio.LimitOverrunError:
                answer, more = {"error": f"a request has at most {MAX_LINE} octets"}, False
            if isinstance(answer, AsyncIterator):
                await self._serve_on(answer, reader, writer)
                return
            await self._write(answer, writer)

    async def _serve_on(
        self, answers: AsyncIterator[object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Give one answer after the other; nothing more is asked on this connection."""
        gone = asyncio.ensure_future(reader.read(1))

        async def give() -> None:
            async for one in answers:
                await self._write({"ok": msgspec.to_builtins(one)}, writer)

        giving = asyncio.ensure_future(give())
        try:
            await asyncio.wait((gone, giving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, giving):
                task.cancel()
            await asyncio.gather(gone, giving, return_exceptions=True)

    async def _write(self, answer: object, writer: asyncio.StreamWriter) -> None:
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(self._patience):
            await writer.drain()

    async def _answer(self, line: bytes, peer: Peer) -> dict[str, object] | AsyncIterator[object]:
        try:
            arguments = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.DecodeError, RecursionError) as error:
            return {"error": f"not a JSON object: {error}"}
        name = arguments.pop("command", "")
        command = self.commands.get(name) if isinstance(name, str) else None
        if command is None:
            return {"error": f'there is no command "{name}"; there are: {", ".join(sorted(self.commands))}'}
        try:
            result = await command(arguments, peer)
            return result if isinstance(result, AsyncIterator) else {"ok": msgspec.to_builtins(result)}
        except CommandError as error:
            return {"error": str(error)}
        except Exception as error:  # the fence of this connection: a faulty command must not stop the daemon
            log.exception("command=%s failed", name)
            return {"error": f"the daemon failed at this, see its log: {error!r}"}
