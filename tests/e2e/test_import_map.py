"""An access map that was imported counts at once in a daemon that runs."""

import json
import os
import subprocess
import sys

import pytest

from support.daemon import ROOT, gatepost

pytestmark = pytest.mark.e2e


def run(config, *arguments, check=0):
    done = subprocess.run(
        [sys.executable, "-m", "gatepost", "import", "postfix-map", *arguments, "--config", str(config)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert check == done.returncode, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_map_counts_at_once_in_a_daemon_that_runs(tmp_path):
    file = tmp_path / "sender_access"
    file.write_text("bad.example REJECT go away\nodd.example HOLD\n")
    with gatepost(tmp_path / "daemon") as daemon:
        before = daemon.ask(sender="x@bad.example")
        told = json.loads(run(daemon.config, f"hash:{file}", "--json"))
        after = daemon.ask(sender="x@bad.example")
        odd = daemon.ask(sender="x@odd.example")

    assert told["reloaded"]
    assert "go away" not in before
    assert "go away" in after
    assert not odd.startswith(("5", "REJECT"))


def test_the_text_of_a_database_comes_back_as_it_is_told(tmp_path):
    file = tmp_path / "helo_access"
    file.write_text("a.example OK\nb.example REJECT no\n")
    subprocess.run(["postmap", f"hash:{file}"], check=True)
    file.unlink()
    config = tmp_path / "gatepost.toml"

    said = run(config, f"hash:{file}", check=2)
    command = said.strip().splitlines()[-1].partition("import again: ")[2]
    subprocess.run(command, shell=True, check=True)
    told = json.loads(run(config, f"hash:{file}", "--json"))

    assert command.startswith("postmap -s")
    assert {"a.example OK", "b.example REJECT no"} == {
        " ".join(line["text"].split()) for line in told["taken"]
    }
