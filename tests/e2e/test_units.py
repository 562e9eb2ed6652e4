"""The systemd units are correct, and leave the daemon next to nothing it could do harm with."""

import re
import subprocess
from pathlib import Path

PACKAGING = Path(__file__).parents[2] / "packaging"


def analyse(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def units(folder):
    """The units, with a program that exists here."""
    for name in ("gatepost.service", "gatepost.socket"):
        text = (PACKAGING / name).read_text().replace("/usr/local/bin/gatepost", "/bin/true")
        (folder / name).write_text(text)
    return [str(folder / "gatepost.service"), str(folder / "gatepost.socket")]


def test_systemd_finds_nothing_wrong(tmp_path):
    told = analyse("verify", "--man=no", *units(tmp_path))

    assert [] == [line for line in told.splitlines() if "gatepost" in line]


def test_the_daemon_is_hardly_exposed(tmp_path):
    service, _ = units(tmp_path)
    told = analyse("security", "--offline=yes", service)

    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert exposure, told
    assert float(exposure[1]) <= 2.0
