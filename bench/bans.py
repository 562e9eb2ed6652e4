"""How fast logs are read for bans, beside fail2ban: python -m bench.bans [--quick]

In one go, on one machine, in turns, on the same made-up log (bench.maillog):

- Old logs: `gatepost ban test` beside `fail2ban-regex`, whole programs, with the same filters of fail2ban;
  and with our own rule where it counts the same.
- Following: a burst is appended to a log that `gatepost run` follows, and to one that a fail2ban-server
  polls; measured until the last offender, at the very end of the burst, is banned.

First both must find the same: the same addresses in the same order, the same
bans. What was measured is kept in bench/rows/bans.jsonl. Read the ratios.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.nsd import nsd, root_zone

from bench import maillog

HERE = Path(__file__).parent
ROWS, RESULTS = HERE / "rows" / "bans.jsonl", HERE / "BANS.md"
GATEPOST = (sys.executable, "-m", "gatepost")
GUIDE = r"lost connection after AUTH from (.*)\[<HOST>\]"
LAST = "203.0.113.77"
"""The offender at the end of a burst."""
TICK = os.sysconf("SC_CLK_TCK")

CASES = {  # what fail2ban-regex is asked, what we are asked, and our rule that counts the same
    "guide": ((GUIDE,), ("--filter", GUIDE), "auth.lost"),
    "auth": (("postfix[mode=auth]",), ("--filter", "postfix", "--mode", "auth"), "auth.failed"),
    "aggressive": (("postfix[mode=aggressive]",), ("--filter", "postfix", "--mode", "aggressive"), None),
}

ONE_RULE = '[ours]\nread_postfix = false\n[ban]\nlogs = []\n[ban.weights]\n"{rule}" = 1\n"*" = 0\n'
ONE_WEIGHT = '[ban.weights]\n"auth.lost" = 1\n"*" = 0\n'
DAEMON = """\
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
[ban]
logs = {logs}
{jail}
"""
JAIL = """\
[[jail]]
name = "postfix"
filter = "postfix[mode=aggressive]"
logs = ["{log}"]
maxretry = 5
findtime = "10m"
"""
FAIL2BAN = {
    "fail2ban.conf": "[Definition]\nloglevel = NOTICE\nlogtarget = {folder}/f2b.log\nsyslogsocket = auto\n"
    "socket = {folder}/f2b.sock\npidfile = {folder}/f2b.pid\ndbfile = {folder}/f2b.sqlite3\n"
    "dbmaxmatches = 10\ndbpurgeage = 1d\n[Thread]\nstacksize = 0\n",
    "jail.conf": "[DEFAULT]\nusedns = no\nignoreself = false\nbackend = polling\n"
    "[postfix]\nenabled = true\nfilter = {filter}\nlogpath = {log}\nmaxretry = 5\n"
    "findtime = 600\nbantime = 3600\naction = noop\n",
    "action.d/noop.conf": "[Definition]\n"
    + "".join(f"action{deed} =\n" for deed in ("start", "stop", "check", "ban", "unban")),
}


class Rows:
    """What was measured, one after the other."""

    def __init__(self):
        self.rows = []

    def add(self, **row):
        self.rows.append(row)
        print(json.dumps(row))

    def of(self, part, what, case, figure):
        return [r[figure] for r in self.rows if (r["part"], r["what"], r["case"]) == (part, what, case)]

    def median(self, *where):
        return statistics.median(self.of(*where))


# --- old logs ---------------------------------------------------------------------------------------


def timed(command, output):
    """Seconds, seconds of CPU, and megabytes at most of a program, as the kernel counted them."""
    begun = time.perf_counter()
    with output.open("wb") as file:
        process = subprocess.Popen([str(word) for word in command], stdout=file, env=environment())
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": used.ru_utime + used.ru_stime,
        "mb": used.ru_maxrss / 1024,
    }


COMPILED = Path(tempfile.gettempdir()) / "gatepost-bench-compiled"


def environment():
    """As an installed program has it: compiled once, output buffered."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONPATH": str(HERE.parent / "src"), "PYTHONPYCACHEPREFIX": str(COMPILED)}


def readers(case, folder):
    """The commands for one case, by name; each takes the log as its last word but fail2ban's."""
    theirs, ours, rule = CASES[case]
    config = folder / "none.toml"
    config.write_text("[ours]\nread_postfix = false\n[ban]\nlogs = []\n")
    found = {
        "fail2ban-regex": lambda log, *more: ("fail2ban-regex", *more, log, *theirs),
        "gatepost": lambda log: (*GATEPOST, "ban", "test", "--json", "--config", config, *ours, log),
    }
    if rule:
        one = folder / f"{case}.toml"
        one.write_text(ONE_RULE.format(rule=rule))
        found["gatepost, own rule"] = lambda log: (*GATEPOST, "ban", "test", "--json", "--config", one, log)
    return found


def check_same_offences(case, found, log, folder):
    """The same addresses in the same order, from all of them."""
    answers = {}
    for name, command in found.items():
        output = folder / "answer"
        timed(command(log, "-o", "ip") if name == "fail2ban-regex" else command(log), output)
        lines = output.read_text().splitlines()
        if name != "fail2ban-regex":
            lines = [json.loads(line)["address"] for line in lines if line.startswith('{"line"')]
        answers[name] = lines
    first = answers["fail2ban-regex"]
    for name, answer in answers.items():
        if answer != first or not first:
            raise SystemExit(f"{case}: {name} found {len(answer)} offences, fail2ban-regex {len(first)}")
    return len(first)


def old_logs(rows, count, rounds, folder):
    log, empty = folder / "old.log", folder / "empty.log"
    maillog.write(log, count)
    empty.write_text("")
    for case in CASES:
        found = readers(case, folder)
        offences = check_same_offences(case, found, log, folder)
        for number in range(rounds):
            for name in sorted(found, reverse=bool(number % 2)):
                start = timed(found[name](empty), folder / "answer")["cpu"]
                measured = timed(found[name](log), folder / "answer")
                rows.add(
                    part="old", what=name, case=case, lines=count, offences=offences, start=start, **measured,
                    rate=count / measured["seconds"], net=count / (measured["cpu"] - start),
                )  # fmt: skip


# --- following --------------------------------------------------------------------------------------


class Server:
    """A process that follows a log."""

    def __init__(self, name, command, told, folder):
        self.name, self.told = name, told
        with (folder / "out.log").open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment())

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def peak(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def wait(self, word, seconds=120):
        """Until its log tells `word`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if self.told.exists() and word in self.told.read_text():
                return
            time.sleep(0.01)
        raise SystemExit(f"{self.name} does not say {word}:\n{self.told.read_text()[-2000:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def fail2ban(folder, log, case):
    config = folder / "fail2ban"
    (config / "action.d").mkdir(parents=True)
    (config / "filter.d").mkdir()
    for path in Path("/etc/fail2ban/filter.d").glob("*.conf"):
        (config / "filter.d" / path.name).symlink_to(path)
    (config / "filter.d" / "guide.conf").write_text(f"[Definition]\nfailregex = {GUIDE}\n")
    filter_ = "guide" if case == "guide" else "postfix[mode=aggressive]"
    for name, text in FAIL2BAN.items():
        (config / name).write_text(text.format(folder=folder, log=log, filter=filter_))
    sockets = ("-c", config, "-s", folder / "f2b.sock", "-p", folder / "f2b.pid")
    command = [str(word) for word in ("fail2ban-server", *sockets, "-f", "start")]
    server = Server("fail2ban-server", command, folder / "f2b.log", folder)
    try:
        while subprocess.run(["fail2ban-client", *map(str, sockets), "status", "postfix"],
                             capture_output=True, check=False).returncode:  # fmt: skip
            time.sleep(0.2)
        server.bans = lambda: set(
            subprocess.run(
                ["fail2ban-client", *map(str, sockets), "get", "postfix", "banip"],
                capture_output=True, text=True, check=True,
            ).stdout.split()
        )  # fmt: skip
        server.last = f"Ban {LAST}"
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def gatepost(folder, log, case):
    config = folder / "gatepost.toml"
    with nsd({".": root_zone({})}) as names:
        config.write_text(
            DAEMON.format(
                folder=folder,
                port=free_port(),
                dns=names.server,
                logs=json.dumps([] if case == "aggressive" else [str(log)]),
                jail={"aggressive": JAIL.format(log=log), "guide": ONE_WEIGHT, "all rules": ""}[case],
            )
        )
        command = [*GATEPOST, "run", "--config", str(config)]
        server = Server("gatepost", command, folder / "out.log", folder)
        try:
            server.wait("ready to answer")
            time.sleep(1)
            ask = [*GATEPOST, "ban", "list", "--json", "--config", str(config)]
            server.bans = lambda: {
                ban["network"]
                for ban in json.loads(
                    subprocess.run(ask, capture_output=True, check=True, env=environment()).stdout
                )["bans"]
            }
            server.last = f"network={LAST} "
            yield server
        finally:
            server.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def burst(count):
    """Lines of the last minutes, so that all of them count; the last offender at the end."""
    now = time.time()
    text = "".join(maillog.lines(count, seed=2, start=now - 280, rate=count / 270))
    stamp = time.strftime("%b %e %H:%M:%S", time.localtime(now))
    head = f"{stamp} mx postfix/smtpd"
    failed = f"{head}[77]: warning: unknown[{LAST}]: SASL LOGIN authentication failed: x\n"
    lost = f"{head}[78]: lost connection after AUTH from unknown[{LAST}]\n"
    return text + 6 * failed + 6 * lost


def follow_once(rows, name, make, text, folder, case):
    log = folder / "mail.log"
    log.write_text("")
    with make(folder, log, case) as server:
        time.sleep(1)
        before, begun = server.cpu(), time.perf_counter()
        with log.open("a") as file:
            file.write(text)
        server.wait(server.last)
        seconds, lines = time.perf_counter() - begun, text.count("\n")
        time.sleep(1)
        cpu, peak, bans = server.cpu() - before, server.peak(), server.bans()
    rows.add(
        part="follow", what=name, case=case, lines=lines, bans=len(bans), seconds=seconds, cpu=cpu,
        mb=peak, rate=lines / seconds, net=lines / cpu,
    )  # fmt: skip
    return bans


FOLLOWING = {
    "guide": {"fail2ban-server": fail2ban, "gatepost": gatepost},
    "aggressive": {"fail2ban-server": fail2ban, "gatepost": gatepost},
    "all rules": {"gatepost": gatepost},
}
"""The guide's rule is our own `auth.lost` alone; the aggressive filter is the same file for both."""


def follow(rows, count, rounds, folder):
    for number in range(rounds):
        text = burst(count)
        for case, makers in FOLLOWING.items():
            bans = {}
            for name in sorted(makers, reverse=bool(number % 2)):
                place = folder / f"{number}-{case}-{name}".replace(" ", "-")
                place.mkdir()
                bans[name] = follow_once(rows, name, makers[name], text, place, case)
            theirs = bans.get("fail2ban-server", bans["gatepost"])
            if theirs != bans["gatepost"]:
                more = bans["gatepost"] - theirs, theirs - bans["gatepost"]
                raise SystemExit(f"{case}: only Gatepost {more[0]}, only fail2ban {more[1]}")


# --- telling ----------------------------------------------------------------------------------------


def report(rows, rounds):
    yield "# Speed of reading logs for bans"
    yield ""
    yield "Made by `python -m bench.bans`; every figure is in bench/rows/bans.jsonl. Compare ratios only."
    yield "That both found the same offences in the same order, and made the same bans, was checked first."
    yield "The guide's filter is followed by our own rule `auth.lost`; `all rules` counts what no filter of"
    yield "fail2ban does, and has no peer."
    yield ""
    python = platform.python_version()
    yield f"Medians of {rounds} rounds, programs in turns. {os.cpu_count()} cores, Python {python}."
    yield ""
    yield "## Old logs: whole programs, start included (net: per second of CPU, without the start)"
    yield ""
    yield "| filter | reader | lines/s | net lines/s | x fail2ban-regex | net | CPU s | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for case, (_, _, rule) in CASES.items():
        for name in ("fail2ban-regex", "gatepost", *(["gatepost, own rule"] if rule else [])):
            yield line_of(rows, "old", name, case, "fail2ban-regex")
    yield ""
    yield "## Following: a burst, until its last offender is banned (net: lines per second of CPU)"
    yield ""
    yield "| log | server | lines/s | net lines/s | x fail2ban-server | net | CPU s | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    for case, makers in FOLLOWING.items():
        for name in makers:
            yield line_of(rows, "follow", name, case, "fail2ban-server")


def line_of(rows, part, name, case, peer):
    rate, net = (rows.median(part, name, case, figure) for figure in ("rate", "net"))
    if not rows.of(part, peer, case, "rate"):
        peer = name
    times, net_times = (
        statistics.median(
            a / b for a, b in zip(rows.of(part, name, case, f), rows.of(part, peer, case, f), strict=True)
        )
        for f in ("rate", "net")
    )
    cpu, mb = (rows.median(part, name, case, figure) for figure in ("cpu", "mb"))
    ratios = f"{times:.1f} | {net_times:.1f}"
    return f"| {case} | {name} | {rate:,.0f} | {net:,.0f} | {ratios} | {cpu:.2f} | {mb:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round, nothing written")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the old log")
    parser.add_argument("--burst", type=int, default=500_000, help="lines of a burst")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    count, many = (50_000, 30_000) if options.quick else (options.lines, options.burst)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = Path(tempfile.mkdtemp(prefix="gatepost-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    rows = Rows()
    try:
        old_logs(rows, count, rounds, folder)
        follow(rows, many, rounds, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n".join([*report(rows, rounds), ""])
    print(text)
    if not options.quick:
        ROWS.parent.mkdir(exist_ok=True)
        ROWS.write_text("".join(json.dumps(row) + "\n" for row in rows.rows))
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
