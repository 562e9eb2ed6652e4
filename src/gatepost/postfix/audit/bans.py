"""Reads what the audit has to know about bans: fail2ban's jails, our firewall, and who may read the mail log.

Bounded, and raises nothing but cancellation: what cannot be read is empty or None, and nothing is concluded
from it.
"""

import asyncio
import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from gatepost.ban.fail2ban.files import laid_over
from gatepost.ban.options import BanOptions
from gatepost.postfix.audit.jails import jails
from gatepost.postfix.audit.names import read_file
from gatepost.postfix.audit.scene import Bans
from gatepost.postfix.program import Run

SECONDS = 10.0
FAIL2BAN = Path("/etc/fail2ban")
UNIT, SERVICE = "gatepost-firewall.service", "gatepost.service"
USER = "gatepost"
"""Whom the daemon runs as where its unit does not say otherwise."""
LOGS = ("/var/log/mail.log", "/var/log/maillog")
"""Those that `auto` means; else the journal."""
JOURNAL = ("/var/log/journal", "/run/log/journal")
READS_JOURNAL = ("systemd-journal", "adm", "wheel")
"""Groups that may read the journal (systemd-journald.service(8))."""


async def read_bans(options: BanOptions, run: Run) -> Bans:
    """What there is to know, now."""
    unit = await run(["systemctl", "is-enabled", UNIT], SECONDS)
    asked = ["systemctl", "show", SERVICE, "-p", "User", "-p", "SupplementaryGroups"]
    says = dict(line.split("=", 1) for line in (await run(asked, SECONDS)).out.splitlines() if "=" in line)
    programs = await asyncio.to_thread(lambda: [*_programs()])
    user = says.get("User") or USER
    groups = says.get("SupplementaryGroups", "").split()
    read, unread = await asyncio.to_thread(_logs, options.logs, user, groups)
    return Bans(
        mode=options.mode,
        jails=await asyncio.to_thread(lambda: jails([*jail_files(FAIL2BAN)])),
        fail2ban=runs(programs, "fail2ban-server"),
        daemon=runs(programs, "gatepost", "run"),
        firewall=runs(programs, "gatepost", "firewall"),
        unit=unit.out.strip() or ("not installed" if "No such file" in unit.err else ""),
        user=user,
        read=read,
        unread=unread,
    )


# --- fail2ban -----------------------------------------------------------------------------------------


def jail_files(folder: Path) -> Iterator[tuple[str, str]]:
    """The files that make jails (jail.conf(5)) and their text; what cannot be read is left out."""
    for path in laid_over(folder, "jail"):
        text = read_file(path)
        if text is not None:
            yield path, text


# --- programs -----------------------------------------------------------------------------------------


def _programs() -> Iterator[list[str]]:
    """The command lines of all processes; none where those of others are hidden."""
    if read_file("/proc/1/cmdline") is None:
        return
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if words := (read_file(str(path)) or "").rstrip("\0").split("\0"):
            yield words


def runs(programs: Iterable[list[str]], name: str, *arguments: str) -> bool | None:
    """Whether a program runs, itself or by an interpreter; None when it cannot be known."""
    known = [*programs]
    if not known:
        return None
    wanted = [name, *arguments]
    return any(
        [words[at].rpartition("/")[2], *words[at + 1 :]][: len(wanted)] == wanted
        for words in ([one for one in line if one != "-m"] for line in known)
        for at in range(min(2, len(words)))
    )


# --- logs ---------------------------------------------------------------------------------------------


def _logs(told: Iterable[str], user: str, groups: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the logs that the daemon is to follow: those that its user can read, and those that he cannot."""
    try:
        entry = pwd.getpwnam(user)
    except (KeyError, ValueError):
        return (), ()
    ids = {*os.getgrouplist(user, entry.pw_gid), *_group_ids(groups)}
    may = {one: _readable(one, entry.pw_uid, ids) for name in told for one in _meant(name)}
    return tuple(one for one in may if may[one]), tuple(one for one in may if may[one] is False)


def _meant(name: str) -> tuple[str, ...]:
    return (*filter(os.path.exists, LOGS), "journal") if name == "auto" else (name,)


def _readable(name: str, uid: int, ids: set[int]) -> bool | None:
    return _may_read_journal(uid, ids) if name == "journal" else may_read(name, uid, ids)


def _group_ids(names: Iterable[str]) -> Iterator[int]:
    for name in names:
        try:
            yield int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
        except KeyError:
            continue


def _may_read_journal(uid: int, ids: set[int]) -> bool:
    return any(map(os.path.exists, JOURNAL)) and (uid == 0 or bool(ids & {*_group_ids(READS_JOURNAL)}))


def may_read(name: str, uid: int, ids: set[int]) -> bool | None:
    """Whether a user can read a file, by the permissions of it and of the folders above.

    None when lists of permissions (acl(5)) say more than we look at.
    """
    path = Path(name)
    try:
        if any("system.posix_acl_access" in os.listxattr(one) for one in (path, *path.parents)):
            return None
        above = all(_may(one.stat(), uid, ids, 0o1) for one in path.parents)
        return above and _may(path.stat(), uid, ids, 0o4)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return None


def _may(found: os.stat_result, uid: int, ids: set[int], wanted: int) -> bool:
    """Whether permissions grant something: 4 to read, 1 to go through a folder."""
    mode = stat.S_IMODE(found.st_mode)
    if uid in (0, found.st_uid):
        return uid == 0 or bool(mode >> 6 & wanted)
    return bool((mode >> 3 if found.st_gid in ids else mode) & wanted)
