"""Listening: modes and groups of unix sockets, places that are taken and by whom, sockets from systemd."""

import asyncio
import fcntl
import grp
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.server.activation import inherited
from gatepost.server.listen import open_listeners
from gatepost.server.place import ListenError
from support.asking import DUNNO, Client, serving

HOLD_PORT = """
import socket, sys
taken = socket.create_server(("127.0.0.1", 0))
print(taken.getsockname()[1], flush=True)
sys.stdin.read()
"""
HOLD_PATH = """
import socket, sys
taken = socket.socket(socket.AF_UNIX)
taken.bind(sys.argv[1])
taken.listen()
print(flush=True)
sys.stdin.read()
"""


class Holder:
    """Another program that listens."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate("")


def close(listeners):
    for listener in listeners:
        listener.close()


def test_a_port_in_use_names_its_owner():
    with Holder(sys.executable, "-c", HOLD_PORT) as holder, pytest.raises(ListenError) as raised:
        open_listeners([f"inet:127.0.0.1:{holder.said}"])

    assert f"inet:127.0.0.1:{holder.said} is already taken by python" in str(raised.value)
    assert f"(pid {holder.process.pid})" in str(raised.value)


def test_postgrey_in_our_place_is_asked_about(tmp_path):
    postgrey = tmp_path / "postgrey"
    postgrey.write_text(HOLD_PORT)
    with Holder(sys.executable, str(postgrey)) as holder, pytest.raises(ListenError) as raised:
        open_listeners([f"inet:127.0.0.1:{holder.said}"])

    assert f"by postgrey (pid {holder.process.pid}). Is postgrey still running?" in str(raised.value)


def test_a_port_in_use_on_all_addresses_is_in_use_on_ours():
    taken = open_listeners(["inet:*:0"])
    try:
        with pytest.raises(ListenError, match=rf"\(pid {os.getpid()}\)"):
            open_listeners([f"inet:127.0.0.1:{taken[0].port}"])
    finally:
        close(taken)


def test_when_one_place_fails_no_other_stays_open(tmp_path):
    taken = open_listeners(["inet:127.0.0.1:0"])
    path = tmp_path / "policy"
    try:
        with pytest.raises(ListenError):
            open_listeners([f"unix:{path}", f"inet:127.0.0.1:{taken[0].port}"])
    finally:
        close(taken)

    assert not path.exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("inet:192.0.2.99:10023", "does not have the address"),
        ("inet:no.such.host.invalid:10023", "no address or name of this machine"),
        ("unix:/no/such/folder/policy", "No such file or directory"),
        ("unix:/etc/passwd", "no socket"),
        ("nonsense", "is no place to listen"),
    ],
)
def test_a_place_that_cannot_be_is_explained(text, why):
    with pytest.raises(ListenError, match=why):
        open_listeners([text])


@pytest.mark.parametrize("mode", ["0600", "0660", "0666"])
def test_a_unix_socket_has_the_mode_and_group_that_were_set(tmp_path, mode):
    path = tmp_path / "policy"
    close_after = open_listeners([f"unix:{path}"], mode, "postfix")
    found = path.stat()
    close(close_after)

    assert int(mode, 8) == stat.S_IMODE(found.st_mode)
    assert grp.getgrnam("postfix").gr_gid == found.st_gid
    assert not path.exists()


@pytest.mark.parametrize(
    ("mode", "group", "why"), [("0999", "", "octal"), ("", "", "octal"), ("0660", "nobodies", "no group")]
)
def test_a_mode_or_group_that_is_none_is_explained(tmp_path, mode, group, why):
    with pytest.raises(ListenError, match=why):
        open_listeners([f"unix:{tmp_path}/policy"], mode, group)


def test_a_socket_that_was_left_is_replaced(tmp_path):
    path = tmp_path / "policy"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    listeners = open_listeners([f"unix:{path}"])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    close(listeners)


def test_a_socket_at_which_somebody_answers_is_not_replaced(tmp_path):
    path = tmp_path / "policy"
    with Holder(sys.executable, "-c", HOLD_PATH, str(path)) as holder:
        with pytest.raises(ListenError, match=rf"already taken by python.* \(pid {holder.process.pid}\)"):
            open_listeners([f"unix:{path}"])
        assert path.exists()


def test_a_socket_that_another_put_in_our_place_is_not_removed(tmp_path):
    path = tmp_path / "policy"
    listeners = open_listeners([f"unix:{path}"])
    path.unlink()
    later = open_listeners([f"unix:{path}"])
    close(listeners)
    there = path.exists()
    close(later)

    assert there
    assert not path.exists()


def test_several_places_answer_at_once(tmp_path):
    async def main():
        async with serving(places=["inet:127.0.0.1:0", f"unix:{tmp_path}/policy"]) as server:
            clients = [await Client.to(server.place), await Client.to(f"{tmp_path}/policy")]
            replies = [await client.ask() for client in clients]
            for client in clients:
                client.close()
        return replies

    assert [DUNNO, DUNNO] == asyncio.run(main())


PASSED = """
import asyncio, os, sys
sys.path[:0] = {path!r}
from support.asking import passes
from gatepost.server.activation import inherited
from gatepost.server.policy import PolicyServer

async def main():
    found = inherited(os.environ)
    left = [name for name in os.environ if name.startswith("LISTEN_")]
    print(len(found["policy"]), len(found["control"]), left, flush=True)
    server = PolicyServer(passes)
    await server.start(found["policy"])
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()

for number, passed in enumerate({passed}, start=3):  # as systemd does: from descriptor 3 on
    os.dup2(passed, number, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
asyncio.run(main())
"""


def test_sockets_that_systemd_opened_are_served(tmp_path):
    opened = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
    opened[1].bind(str(tmp_path / "control"))
    opened[1].listen()

    environ = os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "policy:control"}
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in opened]
    script = PASSED.format(path=[p for p in sys.path if p], passed=high)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=environ,
        pass_fds=high,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = process.stdout.readline().strip()

        async def main():
            client = await Client.to(opened[0].getsockname()[1])
            reply = await client.ask()
            client.close()
            return reply

        assert "1 1 []" == said
        assert DUNNO == asyncio.run(main())
    finally:
        process.communicate("")
        for number in high:
            os.close(number)
        for one in opened:
            one.close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_PID": "self", "LISTEN_FDS": "many"}],
    ids=["none", "for another process", "nonsense"],
)
def test_what_is_not_for_us_is_left_alone(environ):
    environ = {k: str(os.getpid()) if v == "self" else v for k, v in environ.items()}

    assert {"policy": [], "control": []} == inherited(environ)
    assert {} == environ


def test_what_systemd_passes_must_be_a_socket_that_listens(tmp_path):
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "policy"}
    with Path(tmp_path / "file").open("w") as file, pytest.raises(ListenError, match="no socket"):
        inherited(dict(environ), file.fileno())
    with socket.socket() as deaf, pytest.raises(ListenError, match="no stream socket that listens"):
        inherited(dict(environ), os.dup(deaf.fileno()))
