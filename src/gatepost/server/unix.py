"""Unix sockets that listen, with their mode and group. Raises ListenError."""

import errno
import grp
import os
import socket
import stat
from pathlib import Path

from gatepost.server.owner import owner_of_peer
from gatepost.server.place import BACKLOG, Listener, ListenError, Unix, taken


def open_unix(where: Unix, mode: str, group: str) -> Listener:
    """Listen at a path. A socket that is there is replaced only when nobody answers at it.

    Args:
        where: the path.
        mode: permissions in octal, such as `0660`.
        group: name or number; empty for our own.

    Raises:
        ListenError: we cannot listen there.
    """
    permissions, gid = _permissions(where, mode), _gid(where, group)
    listener = _bound(where)
    try:
        os.chown(where.path, -1, gid)
        Path(where.path).chmod(permissions)
        listener.socket.listen(BACKLOG)
    except OSError as error:
        listener.close()  # and its file: to one that nobody may connect to, no later start could get through
        why = error.strerror
        if group and isinstance(error, PermissionError):
            why = f'we cannot give it to the group "{group}", since our user is not in it'
        raise ListenError(f"{where}: {why}") from None
    return listener


def _bound(where: Unix) -> Listener:
    """A socket at the path, to which nobody may connect before group and mode are right."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.setblocking(False)
    before = os.umask(0o777)
    try:
        _clear(where)
        opened.bind(where.path)
    except OSError as error:
        opened.close()
        raise ListenError(f"{where}: {error.strerror}") from None
    except ListenError:
        opened.close()
        raise
    finally:
        os.umask(before)
    return Listener(str(where), opened, where.path)


def _permissions(where: Unix, mode: str) -> int:
    if mode and len(mode) <= 4 and all(digit in "01234567" for digit in mode) and int(mode, 8) <= 0o777:
        return int(mode, 8)
    raise ListenError(f'{where}: "{mode}" is no permission in octal, such as "0660"')


def _gid(where: Unix, group: str) -> int:
    if not group:
        return -1
    if group.isascii() and group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ListenError(f'{where}: there is no group "{group}"') from None


def _clear(where: Unix) -> None:
    """Remove a socket that somebody left, when nobody answers at it any more."""
    try:
        kind = os.lstat(where.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"{where}: there is a file of that name which is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(where.path)
        except ConnectionRefusedError:
            Path(where.path).unlink()
            return
        except OSError as error:
            if error.errno != errno.EAGAIN:  # EAGAIN: somebody listens, and is busy
                raise
            raise taken(where, "") from None
        raise taken(where, owner_of_peer(probe))
