"""How fast the policy service is, beside the least that is possible and postgrey: python -m bench.policy

Everything runs in one go, on one machine, in turns: a C server that only finds
the empty line and answers DUNNO (the floor), `gatepost run` with all checks on
and a name server on the loopback, and postgrey when it is installed. Server on
CPU 0, load generator on CPU 1. Read the ratios; the figures themselves are of
one machine on one day. Writes bench/RESULTS.md unless `--quick`.

Modes of load: `known` triplets that pass, `new` ones that are greylisted,
`mix` of both, as a busy server sees. Each of N connections asks one question at a time.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.nsd import nsd, root_zone

HERE = Path(__file__).parent
BIN = HERE / "bin"
RESULTS = HERE / "RESULTS.md"
MODES = ("known", "new", "mix")
CONNECTIONS = (1, 10, 50)
KNOWN = 2000
"""Triplets that were met before."""
CLIENTS = 500
"""Clients they come from; few, so that their DNS answers are cached."""
TICK = os.sysconf("SC_CLK_TCK")
LISTED = {
    "2.0.0.127.zen.spamhaus.org": ("127.0.0.2", "127.0.0.4", "127.0.0.10"),
    "test.dbl.spamhaus.org": ("127.0.1.2",),
    "dbltest.com.dbl.spamhaus.org": ("127.0.1.2",),
    "2.0.0.127.list.dnswl.org": ("127.0.10.0",),
}
"""Test entries of the lists that are asked by default."""

CONFIG = """\
profile = "strict"
[listen]
policy = ["inet:127.0.0.1:{port}"]
[control]
socket = "{folder}/control.sock"
[store]
url = "sqlite:{folder}/state/gatepost.db"
[dns]
servers = ["{dns}"]
[ours]
read_postfix = false
names = ["mx.example.org"]
domains = ["example.org"]
networks = ["10.255.0.0/16"]
[greylist]
delay = "1s"
[rules]
"helo.reserved" = 0  # the load generator uses names below .example
"""


@dataclass
class Server:
    """A policy server under test."""

    name: str
    port: int
    process: subprocess.Popen
    runs: dict = field(default_factory=dict)
    """(mode, connections): what each round measured."""
    memory: float = 0.0

    def cpu(self):
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss(self):
        """Megabytes of memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def median(self, mode, connections, what):
        return statistics.median(run[what] for run in self.runs[mode, connections])


# --- starting ---------------------------------------------------------------------------------------


def build():
    """Compile the C programs."""
    BIN.mkdir(exist_ok=True)
    for name in ("policyload", "nullpolicy", "smtpload"):
        source, program = HERE / f"{name}.c", BIN / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-o", program, source, "-lm"], check=True)


def pinned(cpu, *command):
    """`command` on one CPU, where there are several."""
    cpus = sorted(os.sched_getaffinity(0))
    return [*(("taskset", "-c", str(cpus[cpu])) if len(cpus) > 1 else ()), *map(str, command)]


def zone():
    """Names of the load generator's clients, and block lists whose test entries are as they should be."""
    sample = [BIN / "policyload", "-d", "-C", str(CLIENTS), "-K", str(20 * CLIENTS)]
    lines = subprocess.run(sample, capture_output=True, text=True, check=True).stdout.splitlines()
    table = {}
    for host in {line.split("\t")[1] for line in lines}:
        table[f"{host} A"] = "198.51.100.1"
        table[f"{host.partition('.')[2]} MX"] = f"10 {host}"
    for name, codes in LISTED.items():
        table[f"{name} A"] = codes
    return root_zone(table, ttl=86400, soa_ttl=86400, minimum=86400)


@contextlib.contextmanager
def running(name, port, folder, *command):
    """A server on CPU 0, its log in a file."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(pinned(0, *command), stdout=log, stderr=log)
    try:
        server = Server(name, port, process)
        wait_until_it_answers(server, folder)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_until_it_answers(server, folder):
    end = time.monotonic() + 30
    while time.monotonic() < end and server.process.poll() is None:
        if load(server.port, "-m", "new", "-B", 1, "-c", 1, "-n", 1, "-t", 2):
            return
        time.sleep(0.1)
    raise SystemExit(f"{server.name} does not answer:\n{(folder / f'{server.name}.log').read_text()[-3000:]}")


@contextlib.contextmanager
def servers(command, folder):
    """The floor, Gatepost and postgrey, all at once."""
    with contextlib.ExitStack() as stack:
        found = []

        def start(name, port, *arguments):
            found.append(stack.enter_context(running(name, port, folder, *arguments)))

        start("C floor", 21001, BIN / "nullpolicy", "127.0.0.1:21001")
        names = stack.enter_context(nsd({".": zone()}))
        os.sched_setaffinity(names.process.pid, {max(os.sched_getaffinity(0))})
        config = folder / "gatepost.toml"
        config.write_text(CONFIG.format(port=21002, folder=folder, dns=names.server))
        start("gatepost", 21002, *command.format(config=config).split())
        if shutil.which("postgrey"):
            database = folder / "postgrey"
            database.mkdir()
            shutil.chown(database, "postgrey")
            place, kept = "--inet=127.0.0.1:21003", f"--dbdir={database}"
            start("postgrey", 21003, "postgrey", place, kept, "--delay=1")
        else:
            print("postgrey is not installed: no ratios against it", file=sys.stderr)
        yield found


# --- measuring --------------------------------------------------------------------------------------


def load(port, *arguments):
    """What the load generator measured; None when nothing was answered."""
    common = ("-a", f"127.0.0.1:{port}", "-C", CLIENTS, "-K", KNOWN, "-j")
    done = subprocess.run(
        pinned(-1, BIN / "policyload", *common, *arguments), capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def make_known(server):
    """Let the known triplets be met, wait out the delay, and let them pass."""
    for _ in range(2):
        load(server.port, "-m", "known", "-O", "-n", KNOWN, "-c", 10, "-t", 30)
        time.sleep(1.2)
    result = load(server.port, "-m", "known", "-O", "-n", KNOWN, "-c", 10, "-t", 30)
    passed = sum(n for action, n in result["actions"].items() if action in {"DUNNO", "PREPEND"})
    if passed < 0.99 * KNOWN:
        raise SystemExit(f"{server.name}: known triplets do not pass: {result['actions']}")


def measure(server, mode, connections, seconds, base):
    cpu = server.cpu()
    what = ("-m", mode, "-c", connections, "-n", 3_000_000, "-t", seconds, "-B", base)
    result = load(server.port, *what)
    if result is None or result["errors"]:
        raise SystemExit(f"{server.name} failed at {mode} with {connections} connections: {result}")
    result["cpu_us"] = (server.cpu() - cpu) / result["n"] * 1e6
    server.runs.setdefault((mode, connections), []).append(result)
    server.memory = max(server.memory, server.rss())


def run(found, rounds, seconds):
    for server in found:
        make_known(server)
    base = 10**9
    for number in range(rounds):
        order = found if number % 2 == 0 else found[::-1]
        for mode in MODES:
            for connections in CONNECTIONS:
                for server in order:
                    measure(server, mode, connections, seconds, base)
                base += 10**7


# --- telling ----------------------------------------------------------------------------------------


def ratio_table(found):
    floor, gatepost, *others = found
    yield "| load | connections | requests/s, x postgrey | x C floor | CPU per request, x postgrey |"
    yield "|---|---|---|---|---|"
    for mode in MODES:
        for connections in CONNECTIONS:
            where = (mode, connections)
            part = gatepost.median(*where, "rps") / floor.median(*where, "rps")
            faster = cheaper = "-"
            if others:
                faster = f"{gatepost.median(*where, 'rps') / others[0].median(*where, 'rps'):.1f}"
                cheaper = f"{gatepost.median(*where, 'cpu_us') / others[0].median(*where, 'cpu_us'):.2f}"
            yield f"| {mode} | {connections} | {faster} | {part:.2f} | {cheaper} |"


def figure_table(found):
    yield "| server | load | connections | requests/s | p50 us | p99 us | CPU us/request |"
    yield "|---|---|---|---|---|---|---|"
    for mode in MODES:
        for connections in CONNECTIONS:
            for server in found:
                measured = ("rps", "p50_us", "p99_us", "cpu_us")
                figures = (server.median(mode, connections, what) for what in measured)
                texts = " | ".join(f"{figure:,.0f}" for figure in figures)
                yield f"| {server.name} | {mode} | {connections} | {texts} |"


def report(found, rounds, seconds):
    memory = ", ".join(f"{server.name} {server.memory:.0f} MB" for server in found)
    machine = (
        f"{len(os.sched_getaffinity(0))} cores, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )
    return "\n".join(
        [
            "# Speed of the policy service",
            "",
            "Made by `make bench`. Compare ratios only, and differences below a tenth not at all: figures",
            "of one machine move by that much by themselves, more so when it has other work. All",
            "checks are on, every stranger is greylisted, DNS answers are cached; Gatepost and postgrey",
            "answer a new triplet after it is on the disk.",
            "",
            f"Medians of {rounds} rounds of {seconds:g} s, servers in turns. {machine}.",
            "",
            "## Ratios",
            "",
            *ratio_table(found),
            "",
            "## Figures",
            "",
            *figure_table(found),
            "",
            f"Memory at most: {memory}.",
            "",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round, nothing written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument(
        "--command",
        default=f"{sys.executable} -m gatepost run --config {{config}}",
        help="how Gatepost is started",
    )
    options = parser.parse_args()
    rounds, seconds = (1, 0.8) if options.quick else (options.rounds, options.seconds)
    build()
    folder = Path(tempfile.mkdtemp(prefix="gatepost-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        with servers(options.command, folder) as found:
            run(found, rounds, seconds)
            text = report(found, rounds, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(text)
    if not options.quick:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
