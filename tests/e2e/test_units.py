"""The systemd units are correct, and leave the daemon next to nothing it could do harm with."""

import re
import subprocess
from pathlib import Path

import pytest

from support.seccomp import allowed

PACKAGING = Path(__file__).parents[2] / "packaging"
UNIT = PACKAGING / "gatepost.service"
FIREWALL = PACKAGING / "gatepost-firewall.service"
UNITS = ("gatepost.service", "gatepost.socket", "gatepost-firewall.service")


def analyse(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def units(folder):
    """The units, with a program that exists here."""
    for name in UNITS:
        text = (PACKAGING / name).read_text().replace("/usr/local/bin/gatepost", "/bin/true")
        (folder / name).write_text(text)
    return [str(folder / name) for name in UNITS]


def test_systemd_finds_nothing_wrong(tmp_path):
    told = analyse("verify", "--man=no", *units(tmp_path))

    assert [] == [line for line in told.splitlines() if "gatepost" in line]


@pytest.mark.parametrize(
    "fault", ["ProtectSistem=strict", "ProtectSystem=stric", "SystemCallFilter=@privilegd"]
)
def test_a_setting_with_a_typing_mistake_would_be_found(tmp_path, fault):
    files = units(tmp_path)
    Path(files[0]).write_text(Path(files[0]).read_text().replace("ProtectSystem=strict", fault))

    assert "gatepost.service" in analyse("verify", "--man=no", *files)


@pytest.mark.parametrize("name", ["gatepost.service", "gatepost-firewall.service"])
def test_it_is_hardly_exposed(tmp_path, name):
    units(tmp_path)
    file = str(tmp_path / name)
    told = analyse("security", "--offline=yes", file)

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert exposure, told
    print(exposure[0])
    assert float(exposure[1]) <= 2.0


def test_the_user_and_the_folders_are_made_as_they_should_be(tmp_path):
    for kind in ("sysusers", "tmpfiles"):
        folder = tmp_path / "usr" / "lib" / f"{kind}.d"
        folder.mkdir(parents=True)
        (folder / "gatepost.conf").write_text((PACKAGING / f"gatepost.{kind}").read_text())
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], check=True, capture_output=True)
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}"], check=True, capture_output=True)

    entry, firewall = sorted(
        (tmp_path / "etc" / "passwd").read_text().strip().splitlines(), key=lambda line: "firewall" in line
    )
    _, _, user, group, about, home, shell = entry.split(":")
    assert ("Gatepost policy service", "/var/lib/gatepost", "/usr/sbin/nologin") == (about, home, shell)
    assert firewall.endswith(":Gatepost firewall:/var/lib/gatepost-firewall:/usr/sbin/nologin")
    assert ":gatepost-firewall\n" in (tmp_path / "etc" / "group").read_text()
    assert {
        "etc/gatepost": (0o750, 0, int(group)),
        "var/lib/gatepost": (0o750, int(user), int(group)),
        "var/backups/gatepost": (0o700, 0, 0),
    } == {
        name: (told.st_mode & 0o7777, told.st_uid, told.st_gid)
        for name in ("etc/gatepost", "var/lib/gatepost", "var/backups/gatepost")
        for told in [(tmp_path / name).stat()]
    }


@pytest.mark.parametrize(
    ("unit", "privileged"),
    [(UNIT, {"prlimit64", "setrlimit", "chown", "fchownat"}), (FIREWALL, {"prlimit64"})],
)
def test_of_what_is_privileged_only_giving_a_file_to_an_own_group_is_left(unit, privileged):
    left = allowed(re.findall(r"^SystemCallFilter=(.*)", unit.read_text(), re.MULTILINE))

    assert {"read", "sendmsg", "execve"} | privileged <= left
    assert privileged == left & {"prlimit64", "setrlimit", "chown", "fchownat"}
    assert set() == left & {
        "mount",
        "ptrace",
        "bpf",
        "setuid",
        "setgroups",
        "chroot",
        "init_module",
        "reboot",
    }
