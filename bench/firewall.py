"""20,000 bans: into the kernel, a change among them, and back after a restart and after a flush; real nft.

    python -m bench.firewall [BANS] [REPETITIONS]

Needs root; works in a network namespace of its own. Prints a row a measurement, as JSON: `seconds` from
cause to effect, and `nft_cpu`, what nft used of them.
"""

import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from gatepost.ban.intervals import disjoint  # noqa: E402
from gatepost.clock import SystemClock  # noqa: E402
from gatepost.firewall.hands import Hands  # noqa: E402
from gatepost.firewall.options import FirewallOptions  # noqa: E402
from gatepost.firewall.reconcile import Wanted  # noqa: E402
from gatepost.firewall.ruleset import Element, table_script  # noqa: E402
from support.firewall import Firewall  # noqa: E402
from support.namespace import Namespace  # noqa: E402

BANS, REPETITIONS = 20_000, 5


def bans(count: int, seed: int) -> list[str]:
    """Three of four by IPv4 address, the others by IPv6 /64."""
    draw = random.Random(seed)
    v4 = {str(IPv4Address(draw.randrange(11 << 24, 126 << 24))) for _ in range(count * 3 // 4)}
    while len(v4) < count * 3 // 4:
        v4.add(str(IPv4Address(draw.randrange(11 << 24, 126 << 24))))
    v6 = draw.sample(range(1 << 40), count - len(v4))
    return [*v4, *(f"{IPv6Address((0x2A00 << 112) + (number << 64))}/64" for number in v6)]


def row(what: str, count: int, seconds: float, **more: object) -> None:
    print(json.dumps({"what": what, "bans": count, "seconds": round(seconds, 3), **more}), flush=True)


def nft_alone(count: int, seed: int) -> None:
    """nft, given all of it by hand."""
    elements = [
        Element(one.bounds, 86_400.0)
        for one in disjoint([(ip_network(t), None) for t in bans(count, seed)], 0)
    ]
    script = table_script("gatepost", (25,), elements, {})
    began = time.perf_counter()
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)
    row("nft alone: add all", count, time.perf_counter() - began)


async def alone(count: int, seed: int) -> None:
    """What the hands do, without a process around them."""
    draw, now = random.Random(seed), time.time()
    rows = [(ip_network(text), now + draw.randrange(600, 86_400)) for text in bans(count, seed)]
    steps = {
        "add all": rows,
        "nothing": rows,
        "add one": [*rows, (ip_network("192.0.2.1"), now + 600)],
        "remove one": rows,
        "half others": [
            *rows[: count // 2],
            *((one, now + 600) for one in map(ip_network, bans(count // 2, seed + 1000))),
        ],
        "remove all": [],
    }
    hands = Hands(FirewallOptions())
    for what, wanted in steps.items():
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        await hands.mend(Wanted(disjoint(wanted, time.time())), SystemClock())
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        row(f"hands: {what}", len(wanted), seconds, nft_cpu=round(cpu, 3))


def whole(count: int, seed: int) -> None:
    """The process itself, from the daemon's word to the kernel, and from its start."""
    with tempfile.TemporaryDirectory() as folder, Namespace() as where, Firewall(folder, where) as wall:
        until = time.time() + 86_400
        began = time.perf_counter()
        wall.control.change(dict.fromkeys(bans(count, seed), until))
        report = wall.control.wait_for_report(lambda report: report["in_kernel"] == count, 60)
        row("process: all at once", report["in_kernel"], time.perf_counter() - began)
        began = time.perf_counter()
        wall.control.put("192.0.2.1", until=until)
        wall.control.wait_for_report(lambda report: report["in_kernel"] == count + 1, 60)
        row("process: one more", count + 1, time.perf_counter() - began)
        memory = next(
            line.split()[1]
            for line in Path(f"/proc/{wall.process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
        wall.control.stop()
        wall.kill()
        wall.nft("flush", "ruleset")
        began = time.perf_counter()
        wall.start()
        row("process: start, from its state", len(wall.kernel()), time.perf_counter() - began, kb=int(memory))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else BANS
    for seed in range(int(sys.argv[2]) if len(sys.argv) > 2 else REPETITIONS):
        with Namespace() as where:
            where.do(lambda seed=seed: nft_alone(count, seed))
        with Namespace() as where:
            where.do(lambda seed=seed: asyncio.run(alone(count, seed)))
        whole(count, seed)


if __name__ == "__main__":
    main()
