"""The daemon itself: killed, flooded, starved, misconfigured, under a clock that jumps."""

import contextlib
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

from support.ages import shifted_clock
from support.daemon import ROOT, Daemon, gatepost
from support.policy_client import request

TOP = 'profile = "strict"'
QUIET = """
[greylist]
delay = "2s"
[rules]
"helo.unresolvable" = 0
"sender_domain.*" = 0
[[dnsbl]]
zone = "zen.spamhaus.org"
"""
FIRST = "DEFER_IF_PERMIT 4.7.1"
PASSED = ("DUNNO", "PREPEND X-Greylist")


def word(number):
    """The number in letters: digits in a sender are masked, so that they would be one triplet."""
    return "".join(chr(ord("g") + int(digit)) for digit in str(number))


def test_kill_under_load(tmp_path):
    """Every triplet that was answered before SIGKILL is there after it."""
    daemon = Daemon(tmp_path, TOP, QUIET).start()
    answered, lock = [], threading.Lock()

    def load(worker):
        try:
            with daemon.client() as client:
                for number in range(10_000):
                    who = {
                        "sender": f"{word(number)}@{word(worker)}.example",
                        "instance": f"{worker}.{number}",
                    }
                    if not (client.ask(**who) or "").startswith(FIRST):
                        return
                    with lock:
                        answered.append((who, time.monotonic()))
        except OSError:
            return  # killed: what was answered counts, what was not does not

    workers = [threading.Thread(target=load, args=(n,)) for n in range(20)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 20
    while len(answered) < 1000 and time.monotonic() < deadline:
        time.sleep(0.01)
    daemon.kill()
    for worker in workers:
        worker.join(10)
    assert len(answered) >= 1000

    time.sleep(2.1)
    daemon.start()
    try:
        with daemon.client() as client:
            lost = [
                who for who, _ in answered if not client.ask(**who | {"instance": "again"}).startswith(PASSED)
            ]
    finally:
        daemon.stop()
    assert [] == lost


CALL = re.compile(r"^(?P<thread>\d+) (?P<time>[\d.]+) (?P<call>\w+|<\.\.\. \w+ resumed>)\(?(?P<rest>.*)$")


def test_an_fdatasync_completes_before_every_greylist_reply(tmp_path):
    """Read from the system calls of the real daemon: request in, fdatasync done, reply out; in this order."""
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,read,recvfrom,recvmsg,readv,write,writev,sendto,sendmsg"
    prefix = ["strace", "-D", "-f", "-ttt", "-s", "400", "-o", str(trace), "-e", calls]
    with gatepost(tmp_path, TOP, QUIET, prefix=prefix) as daemon, daemon.client() as client:
        for number in range(5):
            assert client.ask(sender=f"{word(number)}@example.org", instance=str(number)).startswith(FIRST)

    events = []
    for line in trace.read_text(errors="replace").splitlines():
        if "request=smtpd_access_policy" in line:
            events.append("request")
        elif re.search(r"(fdatasync|fsync)(\(\d+\)| resumed>\)).*= 0$", line):
            events.append("synced")
        elif "action=DEFER_IF_PERMIT" in line:
            events.append("reply")
    story = " ".join(events)
    assert 5 == events.count("reply") == events.count("request"), story
    for part in story.split("request")[1:]:
        assert "synced" in part.split("reply")[0], story


def test_five_thousand_idle_connections(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = []
    with gatepost(tmp_path, TOP, QUIET) as daemon:
        try:
            for _ in range(5000):
                idle.append(socket.create_connection(("127.0.0.1", daemon.port), 10))  # noqa: PERF401
            assert daemon.ask().startswith(FIRST)
            idle[0].sendall(request(sender="still@example.org"))
            assert idle[0].recv(1000).startswith(b"action=")
            assert daemon.running()
        finally:
            for connection in idle:
                connection.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_sends_one_byte_at_a_time(tmp_path):
    with gatepost(tmp_path, TOP, QUIET) as daemon:
        daemon.stop()
        daemon.config.write_text(
            daemon.config.read_text().replace("[listen]", '[listen]\nrequest_time = "1s"')
        )
        daemon.start()
        slow = socket.create_connection(("127.0.0.1", daemon.port), 10)
        started = time.monotonic()
        for octet in request():
            try:
                slow.sendall(bytes([octet]))
            except OSError:
                break
            assert time.monotonic() - started < 10, "it was never closed"
            time.sleep(0.2)
        slow.close()

        assert daemon.ask().startswith(FIRST)
        assert daemon.running()


def test_a_megabyte_of_attribute(tmp_path):
    with gatepost(tmp_path, TOP, QUIET) as daemon:
        with daemon.client() as client:
            with contextlib.suppress(OSError):  # closed while we still sent
                client.send(b"request=smtpd_access_policy\nsender=" + b"a" * 1_000_000 + b"\n\n")
            assert client.reply() is None
        assert daemon.ask().startswith(FIRST)


def test_the_clock_is_set_back_an_hour(tmp_path):
    env, site, shift = shifted_clock(tmp_path)
    env["PYTHONPATH"] = f"{site}:{ROOT / 'src'}"
    with gatepost(tmp_path, TOP, QUIET, env=env) as daemon:
        assert daemon.ask().startswith(FIRST)
        shift.write_text("-3600")
        assert daemon.ask(instance="2").startswith(FIRST)
        time.sleep(2.2)
        assert daemon.ask(instance="3").startswith(PASSED)
        assert ["greylist.passed"] == [f["rule"] for f in daemon.journal("192.0.2.7")[0]["findings"]][:1]


def test_a_broken_configuration_at_reload(tmp_path):
    with gatepost(tmp_path, TOP, QUIET) as daemon:
        good = daemon.config.read_text()
        daemon.config.write_text(good + "\n[greylist\n")
        status, told = daemon.command("reload")
        assert (2, True) == (status, str(daemon.config) in told)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for(str(daemon.config))
        assert "the old one goes on" in daemon.logged()
        assert daemon.ask().startswith(FIRST)

        daemon.config.write_text(good.replace('profile = "strict"', 'profile = "balanced"'))
        daemon.command("reload", check=0)
        assert daemon.ask(sender="clean@example.org", instance="5").startswith("DUNNO")
        assert daemon.running()


def test_a_port_in_use(tmp_path):
    daemon = Daemon(tmp_path, TOP, QUIET)
    listen = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", f"{listen}; sys.stdin.read()", str(daemon.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        owner.stdout.readline()
        daemon.start(wait=False)
        assert 2 == daemon.process.wait(20)
        assert str(owner.pid) in daemon.logged()
        assert str(daemon.port) in daemon.logged()
    finally:
        owner.communicate()
