"""Asks the daemon over its control socket. Raises ControlError, with a sentence for people."""

import socket

import msgspec

MAX_ANSWER = 64 * 1024 * 1024
"""Octets in an answer; the longest are lists and journals."""


class ControlError(Exception):
    """The daemon could not be asked, or said no."""


class NoDaemonError(ControlError):
    """Nobody answers at the control socket."""


def call(path: str, command: str, /, patience: float = 30.0, **arguments: object) -> object:
    """What the daemon answers to a command.

    Args:
        path: of the control socket.
        command: its name.
        patience: seconds for each step; a daemon that is busy answers late.
        **arguments: what the command takes, as JSON can say it.

    Raises:
        NoDaemonError: nobody answers there.
        ControlError: it may not be asked, did not answer, or refused.
    """
    question = msgspec.json.encode({**arguments, "command": command}) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
            connected.settimeout(patience)
            connected.connect(path)
            connected.sendall(question)
            line = _line(connected)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemonError(f"no daemon is running: nobody answers at {path}") from None
    except PermissionError:
        raise ControlError(
            f"you may not talk to the daemon at {path}: be root, or in the group of that file"
        ) from None
    except TimeoutError:
        raise ControlError(f"the daemon at {path} did not answer within {patience:g} seconds") from None
    except OSError as error:
        raise ControlError(f"the daemon at {path} could not be asked: {error.strerror or error}") from None
    return _result(line, path)


def _line(connected: socket.socket) -> bytes:
    found = bytearray()
    while not found.endswith(b"\n") and len(found) <= MAX_ANSWER:
        octets = connected.recv(1 << 18)
        if not octets:
            break
        found += octets
    return bytes(found)


def _result(line: bytes, path: str) -> object:
    try:
        answer = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        raise ControlError(f"the daemon at {path} closed the connection, or is no Gatepost") from None
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer.get("ok")
