"""The installed daemon does its work under all that its unit forbids: user, capabilities, root, filter."""

import json
import signal
import subprocess
import sys
import time

import pytest

from support.machine import ENVIRONMENT, copy_of
from support.nsd import root_zone
from support.service import Service, inside

CONFIG = "/etc/gatepost/gatepost.toml"
QUICK = '[greylist]\nwhen = "stranger"\ndelay = "1s"\n'

ZONE = root_zone(
    {
        "mail.example.org A": "192.0.2.7",
        "7.2.0.192.in-addr.arpa PTR": "mail.example.org",
        "example.org MX": "10 mail.example.org",
        "2.0.0.127.zen.spamhaus.org A": ["127.0.0.2", "127.0.0.4", "127.0.0.10"],
        "66.2.0.192.zen.spamhaus.org A": "127.0.0.2",
        "spam.example A": "192.0.2.66",
        "66.2.0.192.in-addr.arpa PTR": "spam.example",
    }
)
NAME_SERVER = """
import sys
from support.nsd import nsd
with nsd({".": sys.argv[1]}, port=53):
    print("ready", flush=True)
    sys.stdin.read()
"""
SPAMMER = {
    "client_address": "192.0.2.66",
    "client_name": "spam.example",
    "reverse_client_name": "spam.example",
    "helo_name": "spam.example",
    "sender": "offer@spam.example",
}

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mx.example.net
mydestination = $myhostname, example.net
virtual_mailbox_domains = hash:/etc/postfix/mailboxes, regexp:/etc/postfix/patterns
virtual_alias_maps =
mynetworks = 127.0.0.0/8 198.51.100.0/24
inet_interfaces = 127.0.0.1
"""


@pytest.fixture(scope="module")
def box(installed):
    """Such a machine, with a name server that its resolv.conf names, and a configured Postfix."""
    with copy_of(installed) as copy:
        copy.path("/etc/resolv.conf").unlink(missing_ok=True)
        copy.path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        write_postfix(copy, MAIN_CF)
        server = copy.start(
            *(sys.executable, "-c", NAME_SERVER, ZONE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT | {"PYTHONPATH": "tests"},
        )
        assert b"ready\n" == server.stdout.readline()
        yield copy
        server.stdin.close()
        server.stdout.close()
        server.wait(10)


def write_postfix(box, main_cf):
    folder = box.path("/etc/postfix")
    (folder / "main.cf").write_text(main_cf)
    (folder / "mailboxes").write_text("virtual.example -\n")
    (folder / "patterns").write_text("/^box[0-9]+\\.example$/ -\n")
    (folder / "closed").write_text("secret.example -\n")
    (folder / "closed").chmod(0o640)
    box.run("postmap", "hash:/etc/postfix/mailboxes")


@pytest.fixture
def service(box):
    """The service, not yet started, without a configuration and without a memory."""
    box.path(CONFIG).unlink(missing_ok=True)
    box.run("sh", "-c", "rm -rf /var/lib/gatepost/* /run/gatepost /var/log/gatepost-test")
    with Service(box) as found:
        yield found


def configure(box, text):
    """As an administrator does who thinks of keys: for root and the service's group."""
    box.path(CONFIG).write_text(text)
    box.run("chown", "root:gatepost", CONFIG)
    box.run("chmod", "640", CONFIG)


def rules(box, what):
    """Rules found for the newest verdict about `what`, as root sees them in the journal."""
    newest = json.loads(box.run("gatepost", "explain", what, "--limit", "1", "--json"))[0]
    return {finding["rule"] for finding in newest["findings"]}


# --- it works ---------------------------------------------------------------------------------------------


def test_it_starts_without_a_configuration_file_and_says_so_to_systemd(box, service):
    assert "READY=1\nSTATUS=answering on systemd:policy" == service.start()
    assert "WATCHDOG=1" == service.told("WATCHDOG=1")
    assert "gatepost 0." in box.run("gatepost", "status")
    assert 0 == service.stop()
    assert "Traceback" not in service.logged()


def test_mail_waits_and_passes_after_the_delay_because_the_store_remembers(box, service):
    configure(box, QUICK)
    service.start()
    first = service.ask(instance="1")
    time.sleep(1.2)
    second = service.ask(instance="2")

    assert first.startswith("DEFER_IF_PERMIT 4.7.1"), service.logged()
    assert second.startswith("PREPEND X-Greylist: delayed "), service.logged()


def test_what_it_remembers_outlives_it(box, service):
    configure(box, QUICK)
    service.start()
    service.ask(instance="1")
    service.stop()
    time.sleep(1.2)
    service.start()

    assert service.ask(instance="2").startswith("PREPEND X-Greylist: delayed "), service.logged()
    files = box.run("sh", "-c", "cd /var/lib/gatepost && stat -c '%U:%G %a' *.db").split("\n")
    assert {"gatepost:gatepost 640"} == set(filter(None, files))


def test_the_dns_is_asked_and_a_listed_client_is_refused(box, service):
    service.start()
    action = service.ask(**SPAMMER)

    assert action.startswith("554 5.7.1"), service.logged()
    assert "dnsbl.zen.sbl" in rules(box, "192.0.2.66")


def test_postfix_is_read_by_its_own_programs(box, service):
    service.start()
    service.ask(helo_name="mx.example.net", client_address="192.0.2.8")
    service.ask(sender="anna@virtual.example", client_address="192.0.2.9")
    service.ask(sender="anna@box12.example", client_address="192.0.2.10")

    assert "helo.ours" in rules(box, "192.0.2.8")
    assert "sender_domain.ours" in rules(box, "192.0.2.9")
    assert "sender_domain.ours" in rules(box, "192.0.2.10")
    assert "DUNNO" == service.ask(client_address="198.51.100.7", helo_name="localhost")


def test_a_table_that_only_root_may_read_stays_closed_and_is_told(box, service):
    write_postfix(box, f"{MAIN_CF}virtual_alias_domains = texthash:/etc/postfix/closed\n")
    service.start()
    write_postfix(box, MAIN_CF)

    told = [line for line in box.run("gatepost", "status").splitlines() if line.startswith("! the table")]
    assert 1 == len(told), told
    assert "texthash:/etc/postfix/closed cannot be asked" in told[0]
    assert "Permission denied" in told[0]


# --- reload and restart -----------------------------------------------------------------------------------


def test_a_hangup_takes_the_new_configuration(box, service):
    configure(box, QUICK)
    service.start()
    with service.connect() as postfix:
        before = postfix.ask(instance="1")
        configure(box, 'mode = "observe"\n' + QUICK)
        service.process.send_signal(signal.SIGHUP)
        service.told("RELOADING=1")
        service.told("READY=1")
        wait_until(lambda: "reloaded" in service.logged())
        after = postfix.ask(instance="2", sender="bob@example.org")

    assert before.startswith("DEFER_IF_PERMIT")
    assert "DUNNO" == after


def test_reload_by_command_says_what_is_wrong_with_the_new_configuration(box, service):
    service.start()
    configure(box, 'mode = "observ"\n')
    wrong = box.run("gatepost", "reload", check=None)
    configure(box, 'mode = "observe"\n')
    right = inside(box, "import os; os.execv('/usr/local/bin/gatepost', ['gatepost', 'reload'])")

    assert "observe" in wrong
    assert "mode" in wrong
    assert "reloaded" in service.logged(), right
    assert "mode observe" in box.run("gatepost", "status")


def test_across_a_restart_no_connection_is_refused(service):
    service.start()
    service.stop()
    with service.connect() as postfix:  # nobody runs; systemd holds the socket
        service.start()
        answer = postfix.ask()

    assert answer.startswith(("DUNNO", "DEFER")), service.logged()


def test_without_sockets_of_systemd_it_opens_its_own(box):
    box.path(CONFIG).unlink(missing_ok=True)
    with Service(box, sockets=False) as service:
        told = service.start()

        assert "STATUS=answering on inet:127.0.0.1:10023" in told
        assert service.ask().startswith(("DUNNO", "DEFER"))


def test_its_control_socket_can_be_given_to_a_group_that_it_is_in(box, service):
    configure(box, '[control]\ngroup = "gatepost"\n')
    service.start()

    assert "gatepost 660\n" == box.run("stat", "-c", "%G %a", "/run/gatepost/control.sock")


def test_a_group_that_it_is_not_in_is_told_and_leaves_no_socket_that_would_be_in_the_way(box, service):
    configure(box, '[control]\ngroup = "root"\n')
    with pytest.raises(
        AssertionError, match='cannot give it to the group "root", since our user is not in it'
    ):
        service.start()

    assert 2 == service.process.returncode
    configure(box, "")
    service.start()


def wait_until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- the sandbox is one: what the daemon must not do is tried in it -----------------------------------------

TRY_ALL = """
import ctypes, json, mmap, os, resource, socket, subprocess, sys
def libc(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
def outcome(attempt):
    try:
        exec(attempt)
    except OSError as error:
        return os.strerror(error.errno)
    except ValueError as error:
        return str(error)
    return "done"
for attempt in json.loads({0!r}):
    if not os.fork():
        print(json.dumps([attempt, outcome(attempt)]), flush=True)
        os._exit(0)
    os.wait()
"""
NOT_PERMITTED = "Operation not permitted"
READ_ONLY = "Read-only file system"
NO_SUCH_FILE = "No such file or directory"
NO_SUCH_FAMILY = "Address family not supported by protocol"

FORBIDDEN = {
    "open('/etc/gatepost/x', 'w')": READ_ONLY,
    "open('/etc/x', 'w')": READ_ONLY,
    "open('/usr/local/bin/x', 'w')": READ_ONLY,
    "open('/var/spool/x', 'w')": READ_ONLY,
    "open('/opt/gatepost/x', 'w')": READ_ONLY,
    "os.listdir('/root')": "Permission denied",
    "os.listdir('/var/backups/gatepost')": "Permission denied",
    "open('/etc/shadow')": "Permission denied",
    "open('/proc/1/cmdline')": NO_SUCH_FILE,
    "open('/proc/sys/kernel/hostname')": NO_SUCH_FILE,
    "open('/dev/kmsg')": NO_SUCH_FILE,
    "libc('mount', b'none', b'/tmp', b'tmpfs', 0, None)": NOT_PERMITTED,
    "libc('ptrace', 0, 0, 0, 0)": NOT_PERMITTED,
    "libc('unshare', 0x10000000)": NOT_PERMITTED,
    "libc('mprotect', 0, 0, 4)": NOT_PERMITTED,
    "libc('personality', 0x0040000)": NOT_PERMITTED,
    "libc('sethostname', b'x', 1)": NOT_PERMITTED,
    "mmap.mmap(-1, 4096, prot=7)": NOT_PERMITTED,
    "os.setuid(0)": NOT_PERMITTED,
    "os.setpriority(os.PRIO_PROCESS, 0, 1)": NOT_PERMITTED,
    "os.chmod('/tmp', 0o4777)": NOT_PERMITTED,
    "os.chown('/var/lib/gatepost', 0, -1)": NOT_PERMITTED,
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)": NO_SUCH_FAMILY,
    "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)": NO_SUCH_FAMILY,
    "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)": NOT_PERMITTED,
    "resource.setrlimit(resource.RLIMIT_NOFILE, (99999, 99999))": "not allowed to raise maximum limit",
}
NEEDED = [
    "open('/var/lib/gatepost/x', 'w')",
    "open('/run/gatepost/x', 'w')",
    "open('/tmp/x', 'w')",
    "open('/dev/null', 'w')",
    "open('/etc/postfix/main.cf')",
    "open('/proc/self/net/fib_trie')",
    "os.chown('/var/lib/gatepost', -1, os.getgid())",
    "socket.socket(socket.AF_INET6)",
    "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "resource.setrlimit(resource.RLIMIT_NOFILE, (16384, 16384))",
    "subprocess.run(['/bin/true'], check=True)",
]


@pytest.fixture(scope="module")
def tried(box):
    """What comes of each attempt, in the sandbox."""
    told = inside(box, TRY_ALL.format(json.dumps([*FORBIDDEN, *NEEDED])))
    return dict(json.loads(line) for line in told.splitlines())


@pytest.mark.parametrize("attempt", FORBIDDEN)
def test_what_it_must_not_do_fails(tried, attempt):
    assert FORBIDDEN[attempt] == tried[attempt]


@pytest.mark.parametrize("attempt", NEEDED)
def test_what_it_needs_succeeds(tried, attempt):
    assert "done" == tried[attempt]


def test_it_is_nobody_and_can_become_nobody_else(box):
    told = dict(
        line.split(":\t", 1)
        for line in inside(box, "print(open('/proc/self/status').read())").splitlines()
        if ":\t" in line
    )

    assert {"0" * 16} == {told[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    assert ("1", "2") == (told["NoNewPrivs"], told["Seccomp"])
    assert 1 == len(set(told["Uid"].split()))
    assert "0" != told["Uid"].split()[0]
    assert "0027" == told["Umask"]


def test_of_tmp_it_sees_its_own(box):
    box.run("touch", "/tmp/gatepost-of-others")
    try:
        assert "[]" == inside(box, "import os; print(os.listdir('/tmp'))").strip()
    finally:
        box.run("rm", "/tmp/gatepost-of-others")
