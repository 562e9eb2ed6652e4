"""Commands reach the daemon over its control socket, and every failure is a sentence."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import uvloop

from gatepost.server.control import MAX_LINE, CommandError, ControlServer
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.server.listen import open_listeners


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


async def echo(arguments, peer):
    return {"arguments": arguments, "who": peer.name, "pid": peer.pid, "uid": peer.uid}


async def refuse(arguments, peer):
    raise CommandError("there is no such entry")


async def fail(arguments, peer):
    raise RuntimeError("a fault")


async def hang(arguments, peer):
    await asyncio.sleep(60)


async def unsayable(arguments, peer):
    return object()


COMMANDS = {"echo": echo, "refuse": refuse, "fail": fail, "hang": hang, "unsayable": unsayable}


@asynccontextmanager
async def serving(path, patience=5.0, mode="0660"):
    server = ControlServer(COMMANDS, patience)
    await server.start(open_listeners([f"unix:{path}"], mode)[0])
    try:
        yield server
    finally:
        await server.stop()


def asked(run, path, command, /, **arguments):
    async def main():
        async with serving(path):
            return await asyncio.to_thread(call, str(path), command, **arguments)

    return run(main())


def exchanged(run, path, octets, patience=5.0):
    """What comes back for raw octets, until the server closes or a second passes."""

    async def main():
        async with serving(path, patience):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(octets)
            writer.write_eof()
            found = b""
            try:
                async with asyncio.timeout(1):
                    while piece := await reader.read(65536):
                        found += piece
            except (TimeoutError, ConnectionResetError):
                pass
            writer.close()
            return found

    return [json.loads(line) for line in run(main()).splitlines()]


def test_a_command_is_answered_and_knows_who_asked(run, tmp_path):
    answer = asked(run, tmp_path / "control", "echo", what="192.0.2.7", comment="é")

    assert {"what": "192.0.2.7", "comment": "é"} == answer["arguments"]
    assert (os.getpid(), os.getuid()) == (answer["pid"], answer["uid"])


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("refuse", "there is no such entry"),
        ("fail", "the daemon failed at this"),
        ("unsayable", "the daemon failed at this"),
        ("dance", 'there is no command "dance"; there are: echo, fail'),
    ],
)
def test_what_cannot_be_done_is_a_sentence(run, tmp_path, command, why):
    with pytest.raises(ControlError, match=why):
        asked(run, tmp_path / "control", command)


def test_one_connection_carries_many_commands(run, tmp_path):
    answers = exchanged(
        run,
        tmp_path / "control",
        b'{"command":"echo","n":1}\n{"command":"refuse"}\n{"command":"echo","n":2}\n',
    )

    assert 1 == answers[0]["ok"]["arguments"]["n"]
    assert {"error": "there is no such entry"} == answers[1]
    assert 2 == answers[2]["ok"]["arguments"]["n"]


@pytest.mark.parametrize(
    "line", [b"\n", b"nonsense\n", b"[]\n", b'"status"\n', b"\xff\xfe\n", b'{"command":1}\n', b"{}\n"]
)
def test_nonsense_is_answered_with_an_error(run, tmp_path, line):
    answers = exchanged(run, tmp_path / "control", line)

    assert ["error"] == list(answers[0])


def test_a_request_has_a_limit(run, tmp_path):
    answers = exchanged(run, tmp_path / "control", b'{"command":"' + b"a" * MAX_LINE + b'"}\n')

    assert [{"error": f"a request has at most {MAX_LINE} octets"}] == answers


def test_whoever_says_nothing_is_let_go(run, tmp_path):
    async def main():
        async with serving(tmp_path / "control", patience=0.1):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control"))
            closed = await asyncio.wait_for(reader.read(), 2)
            writer.close()
        return closed

    assert b"" == run(main())


def test_clients_have_a_limit(run, tmp_path):
    async def main():
        async with serving(tmp_path / "control"):
            clients = [await asyncio.open_unix_connection(str(tmp_path / "control")) for _ in range(40)]
            last = await asyncio.wait_for(clients[-1][0].read(), 2)
            clients[0][1].write(b'{"command":"echo"}\n')
            first = await asyncio.wait_for(clients[0][0].readline(), 2)
            for _, writer in clients:
                writer.close()
        return last, first[:5]

    assert (b"", b'{"ok"') == run(main())


def test_stopping_does_not_wait_for_a_command_that_hangs(run, tmp_path):
    async def main():
        async with serving(tmp_path / "control"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control"))
            writer.write(b'{"command":"hang"}\n')
            await asyncio.sleep(0.05)
        closed = await asyncio.wait_for(reader.read(), 2)
        writer.close()
        return closed

    assert b"" == run(asyncio.wait_for(main(), 5))
    assert not (tmp_path / "control").exists()


def test_without_a_daemon_that_is_said(tmp_path):
    with pytest.raises(NoDaemonError, match=r"no daemon is running: nobody answers at .*/control"):
        call(str(tmp_path / "control"), "status")

    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left"))
    left.close()
    with pytest.raises(NoDaemonError):
        call(str(tmp_path / "left"), "status")


def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(run, tmp_path):
    with pytest.raises(ControlError, match=r"did not answer within 0\.1 seconds"):
        asked(run, tmp_path / "control", "hang", patience=0.1)


def test_something_else_at_the_socket_is_told(tmp_path):
    async def main():
        server = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "control")
        async with server:
            return await asyncio.to_thread(call, str(tmp_path / "control"), "status")

    with pytest.raises(ControlError, match=r"could not be asked|is no Gatepost"):
        asyncio.run(main())


def test_whoever_is_not_in_the_group_may_not_ask(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("control")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    path = folder / "control"
    script = (
        f"import os, sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "from gatepost.server.control_client import ControlError, call\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    call(sys.argv[1], 'echo')\nexcept ControlError as error:\n    print(error)\n"
    )

    async def main():
        async with serving(path):
            command = [sys.executable, "-c", script, str(path)]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

    assert f"you may not talk to the daemon at {path}: be root, or in the group of that file" == run(main())
