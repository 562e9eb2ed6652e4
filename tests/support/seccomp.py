"""What a unit's settings forbid a process to ask of the kernel, as seccomp filters: see systemd.exec(5).

`filters` makes them as systemd does: one for the list of system calls, and one for each of the settings that
forbid some. All hold together. Needs libseccomp, which systemd itself needs.
"""

import ctypes
import errno
import functools
import os
import socket
import subprocess

SECCOMP = ctypes.CDLL("libseccomp.so.2")
SECCOMP.seccomp_init.restype = ctypes.c_void_p
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
UNEQUAL, LESS, EQUAL, GREATER, MASKED = 1, 2, 4, 6, 7
"""Comparisons of libseccomp (SCMP_CMP_NE and on)."""


def number_of(call):
    """The number of a system call here; negative where there is none."""
    return SECCOMP.seccomp_syscall_resolve_name(call.encode())


class Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class Filter:
    """One seccomp filter; several hold together, and the strictest wins."""

    def __init__(self, default=ALLOW):
        self._filter = ctypes.c_void_p(SECCOMP.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action, call, *comparisons):
        """A rule for a call, by name; calls that this architecture or library does not know have no rule."""
        number = number_of(call)
        if number < 0:
            return
        rules = (Comparison * len(comparisons))(*(Comparison(*one) for one in comparisons))
        failed = SECCOMP.seccomp_rule_add_array(
            self._filter, ctypes.c_uint32(action), ctypes.c_int(number), len(comparisons), rules
        )
        if failed:
            raise OSError(-failed, f"seccomp rule for {call}")

    def load(self):
        failed = SECCOMP.seccomp_load(self._filter)
        if failed:
            raise OSError(-failed, "seccomp_load")
        SECCOMP.seccomp_release(self._filter)


@functools.cache
def sets():
    """systemd's own sets of system calls (systemd.exec(5), SystemCallFilter=): what each lists."""
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    )
    found, name = {}, ""
    for line in told.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            found.setdefault(name, set()).add(line.strip())
    return found


def expanded(word):
    """The system calls of a word of SystemCallFilter=."""
    if not word.startswith("@"):
        return {word}
    return set().union(*(expanded(one) for one in sets()[word]))


def allowed(lines):
    """The calls that SystemCallFilter= lines leave: the first says that it is a list of what is allowed."""
    assert not lines[0].startswith("~")
    calls = expanded("@default")
    for line in lines:
        for word in line.removeprefix("~").split():
            calls = calls - expanded(word) if line.startswith("~") else calls | expanded(word)
    return calls


def filters(unit):
    """All that the unit's settings forbid, as systemd's seccomp filters do."""
    number = getattr(errno, unit.one("SystemCallErrorNumber"))
    listed = Filter(ERRNO | number)
    for call in sorted(allowed(unit.settings["SystemCallFilter"])):
        listed.add(ALLOW, call)
    made = [listed, families(unit.words("RestrictAddressFamilies"))]
    for setting, make in (
        ("MemoryDenyWriteExecute", no_writable_code),
        ("RestrictNamespaces", no_namespaces),
        ("RestrictRealtime", no_realtime),
        ("RestrictSUIDSGID", no_set_id),
        ("LockPersonality", no_personality),
    ):
        if unit.yes(setting):
            made.append(make())
    denied = Filter()
    for setting, word in (
        ("ProtectClock", "@clock"),
        ("ProtectKernelModules", "@module"),
        ("ProtectKernelLogs", "syslog"),
        ("ProtectHostname", "sethostname"),
        ("ProtectHostname", "setdomainname"),
    ):
        if unit.yes(setting):
            for call in sorted(expanded(word)):
                denied.add(ERRNO | errno.EPERM, call)
    assert unit.one("SystemCallArchitectures") == "native"  # of a libseccomp filter, others are killed
    return [*made, denied]


def families(names):
    may, refused = sorted(getattr(socket, name) for name in names), Filter()
    error = ERRNO | errno.EAFNOSUPPORT
    refused.add(error, "socket", (0, LESS, may[0], 0))
    refused.add(error, "socket", (0, GREATER, may[-1], 0))
    for family in set(range(may[0], may[-1])) - set(may):
        refused.add(error, "socket", (0, EQUAL, family, 0))
    return refused


def no_writable_code():
    refused, write, execute = Filter(), 2, 4
    refused.add(ERRNO | errno.EPERM, "mmap", (2, MASKED, write | execute, write | execute))
    refused.add(ERRNO | errno.EPERM, "mprotect", (2, MASKED, execute, execute))
    refused.add(ERRNO | errno.EPERM, "pkey_mprotect", (2, MASKED, execute, execute))
    refused.add(ERRNO | errno.EPERM, "shmat", (2, MASKED, 0o100000, 0o100000))
    return refused


def no_namespaces():
    refused = Filter()
    refused.add(ERRNO | errno.ENOSYS, "clone3")
    refused.add(ERRNO | errno.EPERM, "setns", (1, EQUAL, 0, 0))
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        for call, argument in (("unshare", 0), ("clone", 0), ("setns", 1)):
            refused.add(ERRNO | errno.EPERM, call, (argument, MASKED, flag, flag))
    return refused


def no_realtime():
    refused = Filter()
    refused.add(ERRNO | errno.EPERM, "sched_setattr")
    for policy in (os.SCHED_FIFO, os.SCHED_RR, 6):
        refused.add(ERRNO | errno.EPERM, "sched_setscheduler", (1, EQUAL, policy, 0))
    return refused


def no_set_id():
    refused = Filter()
    modes = (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2), ("creat", 1))
    for bit in (0o4000, 0o2000):
        for call, argument in (*modes, ("mknod", 1), ("mknodat", 2)):
            refused.add(ERRNO | errno.EPERM, call, (argument, MASKED, bit, bit))
        for call, flags in (("open", 1), ("openat", 2)):
            create = (flags, MASKED, os.O_CREAT, os.O_CREAT)
            refused.add(ERRNO | errno.EPERM, call, create, (flags + 1, MASKED, bit, bit))
    refused.add(ERRNO | errno.ENOSYS, "openat2")
    return refused


def no_personality():
    refused = Filter()
    refused.add(ERRNO | errno.EPERM, "personality", (0, UNEQUAL, 0, 0))
    return refused
