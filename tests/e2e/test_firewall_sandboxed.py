"""The installed firewall does its work under all that its unit forbids: user, capability, root, filter."""

import json
import subprocess
import time

import pytest

from support.control import Control
from support.firewall import wait_until
from support.machine import copy_of
from support.service import FIREWALL, Service, inside

CONTROL = "/run/gatepost/control.sock"
BANNED = "192.0.2.66"
NOT_PERMITTED, READ_ONLY = "Operation not permitted", "Read-only file system"
NO_SUCH_FAMILY = "Address family not supported by protocol"


@pytest.fixture(scope="module")
def box(installed):
    with copy_of(installed) as copy:
        yield copy


@pytest.fixture
def service(box):
    box.run("sh", "-c", "rm -rf /var/lib/gatepost-firewall /var/log/gatepost-test; nft flush ruleset")
    with Service(box, sockets=False, unit=FIREWALL) as found:
        yield found


@pytest.fixture
def control(box):
    """The daemon's control socket, as the daemon's user would have made it."""
    with Control(box.path(CONTROL)) as found:
        box.run("chown", "gatepost:gatepost", CONTROL)
        box.run("chmod", "660", CONTROL)
        yield found


def held(box):
    """The elements of our set, as the kernel has them."""
    told = json.loads(box.run("nft", "-j", "list", "set", "inet", "gatepost", "banned4"))
    return [one["elem"]["val"] for one in told["nftables"][1]["set"].get("elem", ())]


def test_it_starts_before_the_daemon_and_says_so_to_systemd(box, service):
    assert "READY=1" in service.start()
    assert "WATCHDOG=1" == service.told("WATCHDOG=1")
    assert [] == held(box)
    assert 0 == service.stop()
    assert "Traceback" not in service.logged()


def test_a_ban_of_the_daemon_reaches_the_kernel_and_outlives_both(box, service, control):
    service.start()
    control.put(BANNED, until=time.time() + 600)
    wait_until(lambda: held(box) == [BANNED], why=service.logged)
    report = control.wait_for_report(lambda report: report["in_kernel"] == 1)
    control.stop()
    service.stop()
    box.run("nft", "flush", "ruleset")
    service.start()

    assert [BANNED] == held(box)
    assert "" == report["trouble"]
    assert "gatepost-firewall:gatepost-firewall 600 /var/lib/gatepost-firewall/bans.json\n" == box.run(
        "stat", "-c", "%U:%G %a %n", "/var/lib/gatepost-firewall/bans.json"
    )


def test_what_is_flushed_comes_back(box, service, control):
    control.bans[BANNED] = None
    service.start()
    wait_until(lambda: held(box) == [BANNED], why=service.logged)
    box.run("nft", "flush", "ruleset")

    def is_back():
        return BANNED in box.run("sh", "-c", "nft list table inet gatepost 2>&1 || true")

    assert wait_until(is_back) < 2


def test_what_the_machine_has_for_itself_is_spared(box, service, control):
    control.put("127.0.0.1", "192.0.2.1")
    service.start()
    wait_until(lambda: held(box) == ["192.0.2.1"], why=service.logged)

    assert "not shut out: 127.0.0.1" in service.logged()


TRY_ALL = """
import json, os, socket, subprocess
def nft(*words):
    done = subprocess.run(["nft", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(1, done.stderr)
def outcome(attempt):
    try:
        exec(attempt)
    except OSError as error:
        return os.strerror(error.errno)
    return "done"
for attempt in json.loads({0!r}):
    print(json.dumps([attempt, outcome(attempt)]), flush=True)
"""
FORBIDDEN = {
    "open('/etc/gatepost/x', 'w')": READ_ONLY,
    "open('/var/lib/gatepost/x', 'w')": READ_ONLY,
    "open('/opt/gatepost/x', 'w')": READ_ONLY,
    "os.listdir('/root')": "Permission denied",
    "open('/etc/shadow')": "Permission denied",
    "open('/proc/sys/net/ipv4/ip_forward', 'w')": "No such file or directory",
    "socket.socket(socket.AF_INET)": NO_SUCH_FAMILY,
    "socket.socket(socket.AF_INET6)": NO_SUCH_FAMILY,
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)": NO_SUCH_FAMILY,
    "os.setuid(0)": NOT_PERMITTED,
    "os.chown('/var/lib/gatepost-firewall', 0, -1)": NOT_PERMITTED,
}
NEEDED = [
    "open('/etc/gatepost/gatepost.toml')",
    "open('/var/lib/gatepost-firewall/x', 'w')",
    "socket.socket(socket.AF_UNIX).connect('/run/gatepost/control.sock')",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)",
    "nft('list', 'ruleset')",
]


@pytest.fixture
def tried(box, control):
    told = inside(box, TRY_ALL.format(json.dumps([*FORBIDDEN, *NEEDED])), FIREWALL)
    return dict(json.loads(line) for line in told.splitlines())


def test_what_it_must_not_do_fails_and_what_it_needs_succeeds(tried):
    assert FORBIDDEN | dict.fromkeys(NEEDED, "done") == tried


def test_it_may_change_the_network_and_nothing_else(box):
    told = dict(
        line.split(":\t", 1)
        for line in inside(box, "print(open('/proc/self/status').read())", FIREWALL).splitlines()
        if ":\t" in line
    )

    assert {f"{1 << 12:016x}"} == {told[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    assert ("1", "2", "0077") == (told["NoNewPrivs"], told["Seccomp"], told["Umask"])
    assert "0" != told["Uid"].split()[0]


def test_uninstalled_nobody_stays_shut_out(installed):
    with copy_of(installed) as copy, Control(copy.path(CONTROL)) as control:
        copy.run("chmod", "666", CONTROL)
        control.bans[BANNED] = None
        with Service(copy, sockets=False, unit=FIREWALL) as service:
            service.start()
            wait_until(lambda: held(copy) == [BANNED], why=service.logged)
            service.stop()
        control.stop()
        copy.run("make", "uninstall")

        assert "" == copy.run("nft", "list", "ruleset")
        assert not copy.path("/var/lib/gatepost-firewall").exists()
        assert subprocess.run(
            [*copy.entered, "id", "gatepost-firewall"], capture_output=True, check=False
        ).returncode
