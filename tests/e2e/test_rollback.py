"""Back to any earlier state, byte for byte, by the command; what cannot be brought back is said before."""

import json
import os
import shutil
import struct
import subprocess
import sys

import pytest

from gatepost.postfix.applying.filestate import read_state
from support.daemon import ROOT
from support.switch import Switch, whole_state

ACL = "system.posix_acl_access"
READER = 65534


def acl():
    """rw-r----- with one more reader, as setfacl would write it (acl(5), linux/posix_acl_xattr.h)."""
    none = 0xFFFFFFFF
    entries = [(1, 6, none), (2, 4, READER), (4, 4, none), (16, 4, none), (32, 0, none)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class Back:
    """A live Postfix with a main.cf that is a link to a file with an owner, an ACL and a note of its own."""

    def __init__(self, switch, folder):
        self.switch, self.folder = switch, folder
        self.real = folder / "real" / "main.cf"
        self.real.parent.mkdir()
        for parent in (folder, *folder.parents):
            if str(parent).startswith("/tmp/pytest"):
                parent.chmod(0o755)
        shutil.move(switch.main_cf, self.real)
        switch.main_cf.symlink_to(self.real)
        os.chown(self.real, READER, 0)
        os.setxattr(self.real, "user.note", b"mine")
        os.setxattr(self.real, ACL, acl())
        self.before = whole_state(self.real)
        assert {"user.note": b"mine", ACL: acl()} == self.before[0].attributes

    def run(self, *arguments, status=0):
        words = ["-m", "gatepost", "postfix", "rollback", *arguments, "-c", str(self.switch.config_dir)]
        words += ["--backups", str(self.switch.backups), "--config", str(self.switch.gatepost.config)]
        done = subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        assert status == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    def states(self):
        return json.loads(self.run("--list", "--json"))


@pytest.fixture
def back(tmp_path):
    with Switch(tmp_path / "world") as switch:
        yield Back(switch, tmp_path)


def test_octets_owner_mode_attributes_and_the_link_come_back(back):
    back.switch.apply()
    changed = whole_state(back.real)
    assert changed != back.before
    assert changed[0].attributes == back.before[0].attributes
    assert (back.before[0].mode, READER) == (changed[0].mode, changed[0].uid)
    assert back.switch.main_cf.is_symlink()

    said = back.run("last", "--yes")

    assert "Done." in said
    assert back.before == whole_state(back.real)
    assert back.switch.main_cf.is_symlink()
    assert not back.switch.asks_gatepost()

    back.run("last", "--yes")  # and back again
    assert changed == whole_state(back.real)


def test_any_earlier_state_by_its_stamp_or_the_beginning_of_one(back):
    back.switch.apply()
    first = whole_state(back.real)
    back.switch.apply(back.switch.change(default_destination_concurrency_limit="7"))
    stamps = [state["stamp"] for state in back.states()]
    assert 2 == len(stamps)

    back.run(stamps[1], "--yes")
    assert first == whole_state(back.real)
    back.run(stamps[0].lower(), "--yes")
    assert back.before == whole_state(back.real)

    assert "say more of it" in back.run("2", "--yes", status=2)
    assert "there is no state 1999" in back.run("1999", "--yes", status=2)
    assert back.before == whole_state(back.real)


def test_the_list(back):
    assert "Gatepost has changed nothing here yet." in back.run()

    back.switch.apply()

    (state,) = back.states()
    assert ("apply", "done", ["so that Gatepost is asked"]) == (
        state["kind"],
        state["result"],
        state["files"][0]["reasons"],
    )
    assert state["stamp"] in back.run()


def test_what_was_changed_by_hand_since_is_shown_and_kept(back):
    back.switch.apply()
    with back.real.open("a") as file:
        file.write("# by hand\n")
    by_hand = whole_state(back.real)

    said = back.run("last", "--yes")

    assert "was changed by hand since" in said
    assert "-# by hand" in said
    assert back.before == whole_state(back.real)
    back.run("last", "--yes")
    assert by_hand == whole_state(back.real)


def test_nobody_can_be_asked_without_a_terminal(back):
    back.switch.apply()
    changed = whole_state(back.real)

    assert "say --yes" in back.run("last", status=2)
    assert changed == whole_state(back.real)


@pytest.mark.parametrize("how", ["immutable", "hard link", "read-only", "open folder", "open file"])
def test_what_cannot_be_written_is_told_before_anything_is(back, how):
    back.switch.apply()
    changed = whole_state(back.real)
    undo = {
        "immutable": ["chattr", "-i", back.real],
        "read-only": ["umount", back.real.parent],
        "open folder": ["chmod", "755", back.real.parent],
        "open file": ["true"],
        "hard link": ["rm", back.real.with_name("other")],
    }[how]
    if how == "immutable":
        subprocess.run(["chattr", "+i", back.real], check=True)
    elif how == "hard link":
        os.link(back.real, back.real.with_name("other"))
    elif how == "read-only":
        subprocess.run(["mount", "--bind", back.real.parent, back.real.parent], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", back.real.parent], check=True)
    elif how == "open folder":
        back.real.parent.chmod(0o777)
    else:
        back.real.chmod(0o666)
        changed = whole_state(back.real)
    try:
        said = back.run("last", "--yes", status=1)
    finally:
        subprocess.run(undo, check=True)

    assert str(back.real) in said
    reasons = {
        "immutable": "immutable",
        "hard link": "hard links",
        "read-only": "read-only",
        "open folder": "chmod go-w it",
        "open file": "everybody may write to it",
    }
    assert reasons[how] in said
    assert "Nothing was brought back." in said
    assert changed == whole_state(back.real)
    assert read_state(back.real) is not None


def test_it_says_how_to_go_back_to_postgrey(back):
    port = back.switch.gatepost.port
    text = back.real.read_text()
    own = f"reject_unauth_destination, check_policy_service inet:127.0.0.1:{port}"
    back.real.write_text(f"{text}smtpd_recipient_restrictions = {own}\n")
    back.switch.postfix.reload()
    back.switch.apply()

    assert "systemctl enable --now postgrey" in back.run("last", "--yes")
