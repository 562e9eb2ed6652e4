"""A machine to install on, that is ours alone: what is written below /etc, /opt, /usr/local, /var and /run
goes to layers in memory, and the loopback is a private one. The rest of the real machine is seen, too.

    with machine() as box:
        box.run("make", "install")
        box.path("/etc/gatepost").exists()

A process that waits holds the namespaces; its end is the end of all that was written. Needs root.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PIP_NO_CACHE_DIR": "1",
}
_CLONE_NEWNET = 0x40000000

# An installation of the machine's own is not what is tested.
_SET_UP = """\
set -eu
ip link set lo up
layers=$(mktemp -d)
mount -t tmpfs -o mode=755 layers "$layers"
for place in etc opt usr/local var; do
    new=$layers/$place
    mkdir -p "$new/upper" "$new/work"
    chmod --reference="/$place" "$new/upper"
    mount -t overlay -o "lowerdir=/$place,upperdir=$new/upper,workdir=$new/work" layer "/$place"
done
umount -l "$layers"
rmdir "$layers"
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock
rm -rf /etc/gatepost /opt/gatepost /var/lib/gatepost /var/lib/gatepost-firewall /var/backups/gatepost
rm -f /usr/local/bin/gatepost
for file in passwd shadow group gshadow; do
    if grep -q ^gatepost "/etc/$file"; then sed -i /^gatepost/d "/etc/$file"; fi
done
echo ready
exec cat
"""


class Machine:
    """What `machine` gives; `holder` is the process that is it."""

    def __init__(self, holder):
        self.holder = holder

    @property
    def entered(self):
        """Words to put before a command that runs on it."""
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", f"--wd={ROOT}"]

    def path(self, path):
        """A path on it, seen from here."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def run(self, *command, check=0, net=True, **environment):
        """What a command says; `check` is the exit status it must have, None for any.

        Without `net` it has the real machine's network, for what comes from a package index.
        """
        entered = [word for word in self.entered if net or word != "-n"]
        done = subprocess.run(
            [*entered, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=110,
            env=_index() | ENVIRONMENT | environment,
        )
        assert check in (None, done.returncode), f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def start(self, *command, **options):
        """A process on it."""
        return subprocess.Popen([*self.entered, *map(str, command)], **options)

    def socket(self, kind=socket.SOCK_STREAM):
        """A socket in its network, usable from here: a socket belongs to where it was made."""
        made = []

        def make():
            with Path(f"/proc/{self.holder.pid}/ns/net").open() as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(socket.AF_INET, kind))

        thread = threading.Thread(target=make)  # so that only that thread leaves our network
        thread.start()
        thread.join()
        return made[0]


@contextlib.contextmanager
def machine():
    """A machine that lives as long as the block."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _SET_UP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    try:
        assert holder.stdout.readline() == b"ready\n", holder.wait()
        yield Machine(holder)
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(10)


def _index():
    """Where this machine's pip finds packages, and through which proxy."""
    words = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    return {name: value for name, value in os.environ.items() if name.upper().startswith(words)}


def listing(box):
    """All that lies where an installation may write: path, kind, mode, owner."""
    command = "find /etc /opt /usr/local /var /run ! -path '/etc/*-' -printf '%p %y %m %U:%G\\n'"
    return set(box.run("sh", "-c", command).splitlines())


@contextlib.contextmanager
def copy_of(box):
    """Another machine, with what was installed on `box`: to change, or to remove it from."""
    with machine() as copy:
        for place in ("/opt/gatepost", "/etc/gatepost", "/var/lib/gatepost", "/var/backups/gatepost"):
            copy.run("cp", "-a", box.path(place), Path(place).parent)
        for file in ("passwd", "shadow", "group", "gshadow"):
            copy.run("cp", "-a", box.path(f"/etc/{file}"), "/etc/")
        for place in ("/usr/local/bin/gatepost", "/usr/local/lib/systemd", "/usr/local/lib/sysusers.d"):
            copy.run("cp", "-a", box.path(place), Path(place).parent)
        copy.run("cp", "-a", box.path("/usr/local/lib/tmpfiles.d"), "/usr/local/lib")
        copy.run("install", "-d", "-m", "750", "-o", "gatepost", "-g", "gatepost", "/run/gatepost")
        copy.before = box.before
        yield copy
