"""TCP sockets that listen, on IPv4 and IPv6. Raises ListenError."""

import errno
import socket

from gatepost.server.owner import owner_of_port
from gatepost.server.place import BACKLOG, Inet, Listener, ListenError, taken


def open_inet(where: Inet) -> list[Listener]:
    """Listen at every address of a host: a name may have several, and `*` has two.

    Raises:
        ListenError: we cannot listen there.
    """
    host = None if where.host == "*" else where.host
    try:
        found = socket.getaddrinfo(host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"{where}: {where.host} is no address or name of this machine ({error})") from None
    opened: list[Listener] = []
    failed: OSError | None = None
    for family, _, _, _, address in found:
        try:
            opened.append(Listener(str(where), _listening(family, address)))
        except OSError as error:
            failed = error
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                break
    if failed is not None and (not opened or failed.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}):
        for listener in opened:
            listener.close()
        raise _why_not(where, failed)
    return opened


def _listening(family: int, address: tuple[object, ...]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


def _why_not(where: Inet, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return taken(where, owner_of_port(where.port))
    if error.errno == errno.EACCES:
        return ListenError(f"{where}: only root may listen at ports below 1024; choose a higher one")
    if error.errno == errno.EADDRNOTAVAIL:
        return ListenError(f"{where}: this machine does not have the address {where.host}")
    if error.errno == errno.EAFNOSUPPORT:
        return ListenError(f"{where}: this machine has no IPv6")
    return ListenError(f"{where}: {error.strerror}")
