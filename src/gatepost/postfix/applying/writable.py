"""Why a file could not be replaced safely: asked before anything is written. Changes nothing."""

import array
import fcntl
import os
import stat
from pathlib import Path

ACL = "system.posix_acl_access"
FS_IOC_GETFLAGS = 0x80086601 if array.array("l").itemsize == 8 else 0x80046601
IMMUTABLE, APPEND_ONLY = 0x10, 0x20
"""Of ioctl_iflags(2)."""
MOUNTS = Path("/proc/self/mountinfo")


def why_not(target: Path) -> str:
    """Why this file cannot be replaced or made, with what to do; empty when it can.

    `target` is no symbolic link: the caller has followed those. Its folder need
    not exist.
    """
    try:
        found = target.lstat()
    except FileNotFoundError:
        found = None
    except OSError as error:
        return _said(error)
    return (_why_not_file(target, found) if found else "") or _why_not_folder(_nearest(target.parent))


def _why_not_file(target: Path, found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is no ordinary file"
    if found.st_nlink > 1:
        return (
            f"has {found.st_nlink} hard links, of which one would be left behind; make it a file of its own"
        )
    if os.geteuid() == 0 and found.st_mode & stat.S_IWOTH:
        return "everybody may write to it; chmod o-w it"
    if _read_only(target):
        return "is on a read-only file system"
    if target in _mount_points():
        return "is a mount point of its own, so it cannot be replaced; write it where it comes from"
    return _locked(target)


def _why_not_folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} is no folder"
    if _read_only(folder):
        return f"its folder {folder} is on a read-only file system"
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"its folder {folder} may not be written to"
    if reason := _locked(folder):
        return f"its folder {folder} {reason}"
    return _others_folder(folder) if os.geteuid() == 0 else ""


def _nearest(folder: Path) -> Path:
    """The folder, or the first above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _locked(path: Path) -> str:
    """Immutable and append-only files (chattr(1)); file systems without such flags have none."""
    flags = array.array("l", [0])
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _said(error)
    try:
        fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, flags, True)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    if flags[0] & IMMUTABLE:
        return "is immutable; chattr -i it"
    return "can only be appended to; chattr -a it" if flags[0] & APPEND_ONLY else ""


def _mount_points() -> set[Path]:
    try:
        lines = MOUNTS.read_bytes().splitlines()
    except OSError:
        return set()
    return {Path(os.fsdecode(_octal(line.split(b" ")[4]))) for line in lines}


def _octal(name: bytes) -> bytes:
    r"""`mountinfo` writes blanks and the like as `\040` (proc(5))."""
    for octet in (b" ", b"\t", b"\n", b"\\"):
        name = name.replace(b"\\%03o" % octet[0], octet)
    return name


def _others_folder(folder: Path) -> str:
    """Whether somebody other than root can put his own file there while root writes."""
    for place in (folder, *folder.parents):
        found = place.stat()
        # In a sticky folder others may not touch root's entries (unlink(2)), so one above does no harm.
        if place != folder and found.st_mode & stat.S_ISVTX and found.st_uid == 0:
            continue
        if found.st_uid != 0:
            return f"{place} belongs to user {found.st_uid}, not to root; chown it"
        if _others_write(place, found):
            return f"others than root may write to {place}; chmod go-w it"
    return ""


def _others_write(place: Path, found: os.stat_result) -> bool:
    group = found.st_mode & stat.S_IWGRP and (found.st_gid != 0 or _has_acl(place))
    return bool(group or found.st_mode & stat.S_IWOTH)


def _has_acl(place: Path) -> bool:
    try:
        return ACL in os.listxattr(place)
    except OSError:
        return False


def _said(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
