"""`apply` killed at each of its steps, and what the next call makes of it: one of the two whole states.

A step is a system call of the process that changes something or starts a program. They are found by strace,
which then kills the process right at one of them.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter

import pytest

from gatepost.postfix.applying.filestate import put_in_place, read_state, stage
from gatepost.postfix.applying.program_now import run_now
from gatepost.postfix.applying.stranger import leftovers
from support.daemon import ROOT
from support.switch import Switch, asking, with_settings

WRITES = (
    *("write", "pwrite64", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"),
    *("mkdir", "mkdirat", "rmdir", "symlink", "fsync", "fdatasync", "truncate", "ftruncate"),
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr", "fsetxattr"),
)
STARTS = ("clone", "clone3", "fork", "vfork", "execve")
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")
ENVIRONMENT = os.environ | {
    "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}


def lent(patience):
    """Addresses still lent to the loopback interface; those of another test go within a moment."""
    end = time.monotonic() + patience
    while found := leftovers(run_now(["ip", "-o", "address", "show", "dev", "lo"], 10).out):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return found


class Killed:
    """A Postfix whose apply is killed; everything is put back between two kills."""

    def __init__(self, switch, folder):
        self.switch, self.folder = switch, folder
        self.new = switch.config_dir / "gatepost.toml"
        self.paths = [switch.main_cf, switch.config_dir / "master.cf", self.new]
        switch.main_cf.chmod(0o640)
        os.setxattr(switch.main_cf, "user.note", b"mine")
        self.before = self.states()
        self.names = sorted(switch.config_dir.iterdir())
        main = with_settings(switch.main_cf.read_text(), asking(switch.gatepost.port))
        master = (switch.config_dir / "master.cf").read_text()
        wanted = {self.paths[0]: main, self.paths[1]: f"{master}# one more line\n", self.new: "# new\n"}
        changes = {}
        for number, (path, text) in enumerate(wanted.items()):
            (folder / f"wanted{number}").write_text(text)
            changes[str(path)] = str(folder / f"wanted{number}")
        order = {
            "config_dir": str(switch.config_dir),
            "config": str(switch.gatepost.config),
            "place": f"inet:127.0.0.1:{switch.gatepost.port}",
            "backups": str(switch.backups),
            "port": switch.postfix.port,
            "changes": changes,
        }
        (folder / "order").write_text(json.dumps(order))
        self.after = None

    def states(self):
        return [read_state(path) for path in self.paths]

    def apply(self, *tracer):
        """Run it, perhaps under strace; its exit status."""
        words = [*tracer, sys.executable, "-m", "support.apply_once", str(self.folder / "order")]
        return subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=False).returncode

    def rollback(self):
        words = ["-m", "gatepost", "postfix", "rollback", "--yes", "-c", str(self.switch.config_dir)]
        words += ["--backups", str(self.switch.backups), "--config", str(self.switch.gatepost.config)]
        return subprocess.run(
            [sys.executable, *words], env=ENVIRONMENT, capture_output=True, check=False
        ).returncode

    def steps(self):
        """The steps of an undisturbed apply, each as system call and how many of its name came before."""
        trace = self.folder / "trace"
        assert 0 == self.apply("strace", "-o", trace, "-e", f"trace={','.join((*WRITES, *STARTS))}")
        self.after = self.states()
        self.put_back()
        counts, found = Counter(), []
        for line in trace.read_text().splitlines():
            if call := CALL.match(line):
                counts[call[1]] += 1
                if call[1] != "execve":  # that of the process itself: others are started by vfork
                    found.append((call[1], counts[call[1]]))
        return found

    def kill_at(self, call, number):
        """Killed right at a step: the step itself does not happen any more."""
        self.apply(
            *("strace", "-o", "/dev/null", "-e", f"trace={call}"),
            *("-e", f"inject={call}:signal=SIGKILL:when={number}"),
        )

    def put_back(self):
        """The files as they were at first, and no backups."""
        shutil.rmtree(self.switch.backups, ignore_errors=True)
        self.new.unlink(missing_ok=True)
        for path, state in zip(self.paths, self.before, strict=True):
            if state is not None and read_state(path) != state:
                stage(state, path.with_name("again"))
                put_in_place(path.with_name("again"), path)

    def look(self, where):
        """One of the two whole states, and nothing else beside it."""
        now = self.states()
        assert now in (self.before, self.after), where
        names = sorted(self.switch.config_dir.iterdir())
        assert names == (self.names if now == self.before else sorted([*self.names, self.new])), where
        assert [] == lent(10), where
        return now == self.after

    def half_made(self):
        """Backups that were never finished: the next apply removes them."""
        return [path for path in self.switch.backups.rglob(".*") if path.is_dir()]


@pytest.fixture
def killed(tmp_path):
    with Switch(tmp_path) as switch:
        yield Killed(switch, tmp_path)


@pytest.mark.timeout(400)
def test_killed_at_each_step_one_of_two_whole_states_follows(killed, capsys):
    steps = killed.steps()
    with capsys.disabled():
        print(f"\napply has {len(steps)} steps: {dict(Counter(call for call, _ in steps))}")
    assert len(steps) > 40
    ends = Counter()
    for number, (call, count) in enumerate(steps):
        where = f"step {number}, {call} {count}"
        killed.put_back()
        killed.kill_at(call, count)
        if number % 2:
            assert 0 == killed.rollback(), where
            ends["rollback", killed.look(where)] += 1
        else:
            assert 0 == killed.apply(), where
            assert killed.look(where), where
            assert [] == killed.half_made(), where
            ends["apply", True] += 1
    assert ends["rollback", False] > ends["rollback", True]

    with killed.switch.postfix_session() as smtp:
        assert 250 == smtp.noop()[0]
