"""systemd is told how we are, wherever its socket is; without one nothing happens."""

import asyncio
import os
import socket

import pytest

from gatepost.server.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def service_manager(request, tmp_path):
    """The socket of a service manager, and the environment that names it."""
    abstract = f"gatepost-test-{os.getpid()}"
    address, named = (
        (str(tmp_path / "notify"),) * 2 if request.param == "path" else (f"\0{abstract}", f"@{abstract}")
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        yield manager, {"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "40000"}


def test_the_states_of_a_service_are_told(service_manager):
    manager, environ = service_manager
    notifier = Notifier(environ)
    notifier.ready("answering on\ninet:127.0.0.1:10023")
    notifier.status("12 requests")
    notifier.reloading()
    notifier.stopping()
    told = [manager.recv(4096).decode() for _ in range(4)]
    notifier.close()

    assert "READY=1\nSTATUS=answering on inet:127.0.0.1:10023" == told[0]
    assert "STATUS=12 requests" == told[1]
    assert told[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert int(told[2].rpartition("=")[2]) > 0
    assert "STOPPING=1" == told[3]


def test_signs_of_life_are_given_until_the_end(service_manager):
    manager, environ = service_manager
    notifier = Notifier(environ)

    async def main():
        watching = asyncio.create_task(notifier.watch())
        told = [await asyncio.to_thread(manager.recv, 4096) for _ in range(3)]
        watching.cancel()
        return told

    assert [b"WATCHDOG=1"] * 3 == asyncio.run(main())
    notifier.close()


@pytest.mark.parametrize(
    "environ", [{}, {"NOTIFY_SOCKET": "/no/such/socket"}, {"NOTIFY_SOCKET": "vsock:2:1"}]
)
def test_without_a_service_manager_nothing_happens(environ):
    notifier = Notifier(environ)
    notifier.ready("x")
    asyncio.run(asyncio.wait_for(notifier.watch(), 1))
    notifier.close()
    notifier.stopping()
