"""Many bans: fast, and also where the kernel takes no large transaction of us."""

import json
import subprocess
import time
from ipaddress import IPv4Address

import pytest

from support.firewall import NFT, Firewall, wait_until
from support.namespace import Namespace

MANY = 20_000
BANS = {str(IPv4Address((11 << 24) + 2 * number)): None for number in range(MANY)}


class Inside:
    """Where a process is that made a user namespace and a network of its own."""

    def __init__(self, process):
        self._entered = ["nsenter", "-t", str(process.pid), "-U", "-n", "--preserve-credentials"]

    def run(self, *command, check=True, text=""):
        done = subprocess.run(
            [*self._entered, *command], capture_output=True, text=True, check=check, input=text, timeout=60
        )
        return done.stdout


def count(where):
    told = json.loads(where.run(NFT, "-j", "list", "set", "inet", "gatepost", "banned4"))
    return len(told["nftables"][1]["set"].get("elem", ()))


def test_in_a_container_many_bans_are_told_in_parts(tmp_path):
    with Firewall(tmp_path, None, prefix=["unshare", "-Urn"], counted=False) as wall:
        where = Inside(wall.process)
        with pytest.raises(subprocess.CalledProcessError):  # what the test is about
            where.run(NFT, "-f", "-", text=large_transaction())
        wall.control.change(BANS)
        wait_until(lambda: count(where) == MANY, 60, wall.logged)
        wall.control.change({}, list(BANS)[: MANY // 2])
        wait_until(lambda: count(where) == MANY // 2, 60, wall.logged)

        assert "Traceback" not in wall.logged()


def large_transaction():
    elements = ", ".join(BANS)
    return f"table inet x {{ set y {{ type ipv4_addr; flags interval; elements = {{ {elements} }}\n}}\n}}\n"


def test_while_nothing_changes_many_bans_cost_next_to_nothing(tmp_path):
    with Namespace() as where, Firewall(tmp_path, where, look="1s") as wall:
        wall.control.change(BANS)
        wall.control.wait_for_report(lambda report: report["in_kernel"] == MANY, 60)
        time.sleep(3)
        before = wall.runs()
        reports = len(wall.control.reports)
        time.sleep(5)

        assert wall.runs() - before <= 1
        assert len(wall.control.reports) - reports >= 2
        where.run("nft", "flush", "ruleset")  # it is awake all the same
        wait_until(lambda: "banned4" in where.run("nft", "list", "ruleset") and count(where) == MANY, 10)
