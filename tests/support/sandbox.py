"""Runs a program as systemd would run a unit's, where systemd is not: all that [Service] says is done.

    python sandbox.py UNIT_FILE SOCKETS [PROGRAM ARGUMENT...]

Replaces itself with the unit's ExecStart=, or with PROGRAM, which then finds itself in the same sandbox.
SOCKETS are the numbers of open sockets to pass, each with its name: `7=policy`. Meant to be started as root
in namespaces of its own (`support.machine`). A setting that is not known here is an error: a test must not
believe to be in a sandbox that it is not in. Where systemd does one thing by several means, that is done
which the kernel enforces for a process without privileges: see systemd.exec(5).
"""

import ctypes
import errno
import grp
import os
import pwd
import resource
import shlex
import sys
from pathlib import Path

from seccomp import filters, number_of

LIBC = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 24, 47, 4
PR_SET_KEEPCAPS, PR_CAP_AMBIENT_RAISE = 8, 2
CAPABILITY_VERSION = 0x20080522
CAPABILITIES = {"CAP_NET_ADMIN": 12}
KEYCTL_JOIN_SESSION_KEYRING = 1
UNCHANGED_OPTIONS = {"ro": MS_RDONLY, "nosuid": MS_NOSUID, "nodev": MS_NODEV, "noexec": MS_NOEXEC}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
API = ("/proc", "/sys", "/dev")

YES = {"yes", "true", "on", "1"}


# --- the unit's file --------------------------------------------------------------------------------------


def service(file):
    """The settings of [Service], each a list of what was assigned; an empty one forgets those before."""
    found, section = {}, ""
    for line in map(str.strip, Path(file).read_text().splitlines()):
        if line.startswith("["):
            section = line
        elif line and line[0] not in "#;" and section == "[Service]":
            name, _, value = line.partition("=")
            known = found.setdefault(name.strip(), [])
            known.append(value.strip()) if value.strip() else known.clear()
    return found


class Unit:
    def __init__(self, file):
        self.settings = service(file)
        unknown = self.settings.keys() - SETTINGS
        assert not unknown, f"no sandbox for {sorted(unknown)}"

    def words(self, name):
        return " ".join(self.settings.get(name, [])).split()

    def one(self, name, default=""):
        return (self.settings.get(name) or [default])[-1]

    def yes(self, name):
        return self.one(name) in YES


MOUNTS = {
    *("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ProtectProc"),
    *("ProcSubset", "ProtectKernelTunables", "ProtectControlGroups", "StateDirectory", "RuntimeDirectory"),
    *("StateDirectoryMode", "RuntimeDirectoryMode"),
}
PROCESS = {
    *("User", "Group", "UMask", "LimitNOFILE", "CapabilityBoundingSet", "AmbientCapabilities"),
    *("NoNewPrivileges", "KeyringMode"),
}
CALLS = {
    *("RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
    *("LockPersonality", "MemoryDenyWriteExecute", "SystemCallArchitectures", "SystemCallFilter"),
    *(
        "SystemCallErrorNumber",
        "ProtectClock",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
    ),
}
MANAGER = {  # what systemd does beside the process: nothing that the process could feel
    *("Type", "NotifyAccess", "ExecStart", "ExecReload", "Restart", "RestartSec", "WatchdogSec"),
    *("TimeoutStartSec", "TimeoutStopSec", "RemoveIPC"),
    "IPAddressDeny",  # of packets, which a program without these families cannot send
}
SETTINGS = MOUNTS | PROCESS | CALLS | MANAGER


# --- what it sees of the files ----------------------------------------------------------------------------


def mount(source, target, kind=None, flags=0, data=None):
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    if LIBC.mount(words[0], words[1], words[2], flags, words[3]):
        raise OSError(ctypes.get_errno(), f"mount {target}")


def see(unit):
    """A view of the file system of its own, with what the unit hides and locks."""
    if LIBC.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    assert unit.one("ProtectSystem") == "strict"
    own = make_folders(unit)
    if unit.yes("PrivateTmp"):
        for place in ("/tmp", "/var/tmp"):
            mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    writable = [*own, "/tmp", "/var/tmp"]
    lock(writable)
    for place in own:
        mount(place, place, flags=MS_BIND)
        mount(None, place, flags=MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV)
    if unit.yes("ProtectHome"):
        for place in ("/home", "/root", "/run/user"):
            if Path(place).is_dir():
                mount("tmpfs", place, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=000")
    if unit.yes("PrivateDevices"):
        own_devices()
    own_proc(unit)


def make_folders(unit):
    user, group = ids(unit)
    made = []
    for setting, base in (("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")):
        for name in unit.words(setting):
            place = Path(base, name)
            place.mkdir(exist_ok=True)
            os.chown(place, user, group)
            place.chmod(int(unit.one(f"{setting}Mode", "0755"), 8))
            made.append(str(place))
    return made


def lock(writable):
    """ProtectSystem=strict: all is read-only but the API file systems and what is named."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        place, options = fields[4].encode().decode("unicode_escape"), fields[5].split(",")
        if place in writable or any(place == api or place.startswith(f"{api}/") for api in API):
            continue
        flags = sum(UNCHANGED_OPTIONS.get(option, 0) for option in options)
        try:
            mount(None, place, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | flags)
        except FileNotFoundError:  # hidden below another mount
            continue
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise


def own_devices():
    mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    for name in DEVICES:
        Path("/mnt", name).touch()
        mount(f"/dev/{name}", f"/mnt/{name}", flags=MS_BIND)
    for name in ("shm", "pts", "mqueue"):
        Path("/mnt", name).mkdir()
    mount("tmpfs", "/mnt/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for link, target in (("fd", "/proc/self/fd"), ("stderr", "/proc/self/fd/2")):
        Path("/mnt", link).symlink_to(target)
    mount("/mnt", "/dev", flags=MS_MOVE)
    mount(None, "/dev", flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC)


def own_proc(unit):
    """Processes of others are hidden; of the rest of /proc, what the unit locks can only be read."""
    options = [f"hidepid={unit.one('ProtectProc', 'default').replace('default', 'off')}"]
    if unit.one("ProcSubset") == "pid":
        options.append("subset=pid")
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ",".join(options))
    locked = ["/sys"] if unit.yes("ProtectKernelTunables") else []
    locked += ["/sys/fs/cgroup"] if unit.yes("ProtectControlGroups") else []
    locked += ["/proc/sys"] if unit.yes("ProtectKernelTunables") else []
    for place in filter(os.path.isdir, locked):
        mount(place, place, flags=MS_BIND | MS_REC)
        mount(None, place, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


# --- who it is and what it may ----------------------------------------------------------------------------


def ids(unit):
    return pwd.getpwnam(unit.one("User")).pw_uid, grp.getgrnam(unit.one("Group")).gr_gid


def prctl(*arguments):
    padded = [ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:5]]
    if LIBC.prctl(*padded):
        raise OSError(ctypes.get_errno(), f"prctl {arguments}")


def become(unit):
    """The unit's user, with its limits, and with no capability but the unit's."""
    kept = [CAPABILITIES[name] for name in unit.words("AmbientCapabilities")]
    assert unit.settings["CapabilityBoundingSet"] == unit.settings["AmbientCapabilities"]
    assert unit.one("IPAddressDeny", "any") == "any"
    limit = int(unit.one("LimitNOFILE"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    os.umask(int(unit.one("UMask"), 8))
    os.chdir("/")
    user, group = ids(unit)
    os.setsid()
    for capability in set(range(64)) - set(kept):  # the kernel knows fewer
        if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) and ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), f"capability {capability}")
    os.initgroups(unit.one("User"), group)
    os.setresgid(group, group, group)
    prctl(PR_SET_KEEPCAPS, 1)
    os.setresuid(user, user, user)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    keep(kept)
    assert unit.one("KeyringMode") == "private"
    LIBC.syscall(number_of("keyctl"), KEYCTL_JOIN_SESSION_KEYRING, None)
    assert unit.yes("NoNewPrivileges")
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def keep(capabilities):
    """Have just these capabilities, and let the program have them too."""
    bits = sum(1 << one for one in capabilities)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)(
        *[bits] * 3, 0, 0, 0
    )  # effective, permitted, inheritable; then their high halves
    if LIBC.syscall(number_of("capset"), header, sets):
        raise OSError(ctypes.get_errno(), "capset")
    for one in capabilities:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one)


# --- the program ------------------------------------------------------------------------------------------


def environment(unit, names):
    """What systemd tells a service; with what the test's manager says for itself."""
    user = pwd.getpwnam(unit.one("User"))
    told = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": user.pw_dir,
        "LOGNAME": user.pw_name,
        "USER": user.pw_name,
        "SHELL": user.pw_shell,
        "STATE_DIRECTORY": f"/var/lib/{unit.one('StateDirectory')}",
    }
    if unit.one("RuntimeDirectory"):
        told["RUNTIME_DIRECTORY"] = f"/run/{unit.one('RuntimeDirectory')}"
    told |= {name: os.environ[name] for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC") if name in os.environ}
    if "WATCHDOG_USEC" in told:
        told["WATCHDOG_PID"] = str(os.getpid())
    if names:
        told |= {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(names)),
            "LISTEN_FDNAMES": ":".join(names),
        }
    return told


def pass_sockets(words):
    """The sockets as numbers 3 and on; their names."""
    numbers = [int(word.partition("=")[0]) for word in words]
    high = [os.dup2(number, 100 + place, inheritable=False) for place, number in enumerate(numbers)]
    os.closerange(3, 100)
    for place, number in enumerate(high):
        os.dup2(number, 3 + place)
        os.close(number)
    return [word.partition("=")[2] for word in words]


def main(file, sockets, *program):
    unit = Unit(file)
    program = program or shlex.split(unit.one("ExecStart"))
    names = pass_sockets(sockets.split())
    ready = filters(unit)  # asks systemd, which the sandbox could not do
    see(unit)
    become(unit)
    told = environment(unit, names)
    for one in reversed(ready):  # the list of what is allowed last, which may not allow a further one
        one.load()
    os.execve(program[0], program, told)


if __name__ == "__main__":
    main(*sys.argv[1:])
