"""Where Postfix asks us: options of the listeners, and opening them. Raises ListenError."""

import resource
from collections.abc import Sequence

from gatepost.options import Duration, Options
from gatepost.server.inet import open_inet
from gatepost.server.place import Listener, ListenError, Unix, place
from gatepost.server.unix import open_unix

RESERVE = 200
"""File descriptors kept for everything but clients: store, DNS, logs."""


class ListenOptions(Options, frozen=True, kw_only=True):
    """Where Postfix asks us, and what its connections may cost."""

    policy: tuple[str, ...] = ("inet:127.0.0.1:10023",)
    """Where policy requests are answered: `inet:HOST:PORT`, `inet:[::1]:PORT`, `inet:PORT` (loopback) or
    `unix:/PATH`. The default is where users of postgrey point their Postfix already."""
    socket_mode: str = "0666"
    """Permissions of unix sockets, in octal. By default everybody on the machine may ask, as with TCP on
    loopback, because Postfix asks as its own user."""
    socket_group: str = ""
    """Group of unix sockets, by name or number; empty for the daemon's own."""
    max_connections: int = 10_000
    """Connections at once; the limit on open files bounds it, too. Beyond it the connections that have been
    idle longest are closed, since Postfix opens them again by itself; when none is idle, the newest."""
    idle: Duration = Duration(3600)
    """A connection without a request is closed after this time. Long, because Postfix itself gives up after
    five minutes, and pays a second for each connection that we close."""
    request_time: Duration = Duration(30)
    """A request that has begun must be complete, and a reply be taken, within this time; else the connection
    is closed."""
    drain: Duration = Duration(5)
    """On stop, questions that are being answered get this long to end."""


def open_listeners(texts: Sequence[str], mode: str = "0666", group: str = "") -> list[Listener]:
    """Listen at every place; on failure nothing stays open.

    Args:
        texts: the places, see `place`.
        mode: permissions of unix sockets, in octal.
        group: group of unix sockets, by name or number; empty for our own.

    Raises:
        ListenError: we cannot listen at one of them.
    """
    opened: list[Listener] = []
    try:
        for text in texts:
            where = place(text)
            opened.extend([open_unix(where, mode, group)] if isinstance(where, Unix) else open_inet(where))
    except (ListenError, ValueError) as error:
        for listener in opened:
            listener.close()
        raise error if isinstance(error, ListenError) else ListenError(str(error)) from None
    return opened


def raise_file_limit() -> int:
    """Allow ourselves as many open files as we may have (RLIMIT_NOFILE); how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def connection_cap(options: ListenOptions, files: int) -> int:
    """How many connections we take, when we may have so many open files."""
    return max(1, min(options.max_connections, files - RESERVE if files > 2 * RESERVE else files // 2))
