"""What we said is remembered: an fdatasync completes before "new" is told, and kill -9 loses nothing told."""

import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from gatepost.clock import SystemClock
from gatepost.store.base import Outcome
from gatepost.store.open import open_store
from gatepost.store.options import StoreOptions
from support.store_process import TERMS, triplet

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def start(url: str, *before: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "support.store_process", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert b"ready\n" == process.stdout.readline()
    return process


def ask(process: subprocess.Popen[bytes], line: str, answers: int) -> list[str]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    return [process.stdout.readline().decode().strip() for _ in range(answers)]


def finish(process: subprocess.Popen[bytes]) -> None:
    process.communicate(timeout=20)
    assert 0 == process.returncode


def events(trace: Path) -> list[str]:
    """`asked`, `synced` and what was told, in the order in which the system calls ended."""
    found = []
    for line in trace.read_text().splitlines():
        if re.search(r"fdatasync(\(\d+\)| resumed>\)) += 0", line):
            found.append("synced")
        elif re.search(r'read\(0, "\d| resumed>"\d+[ \\]', line):
            found.append("asked")
        elif match := re.search(r'write\(1, "\d+ (\w+)', line):
            found.append(match[1])
    return found


def test_an_fdatasync_completes_between_each_question_and_its_new(tmp_path):
    trace = tmp_path / "trace"
    process = start(
        f"sqlite:{tmp_path}/gatepost.db", "strace", "-f", "-e", "trace=read,write,fdatasync", "-o", str(trace)
    )
    for number in range(20):
        assert [f"{number} new"] == ask(process, str(number), 1)
    assert ["3 early"] == ask(process, "3", 1)
    crowd = ask(process, " ".join(str(number) for number in range(100, 150)), 50)
    assert {"new"} == {answer.split()[1] for answer in crowd}
    finish(process)

    since: list[str] = []
    told = 0
    for event in events(trace):
        if event == "asked":
            since = []
        elif event == "new":
            told += 1
            assert "synced" in since, f"the {told}th answer came before its fdatasync"
        since.append(event)
    assert 70 == told


def test_a_list_entry_is_synced_before_anybody_hears_of_it(tmp_path):
    trace = tmp_path / "trace"
    process = start(
        f"sqlite:{tmp_path}/gatepost.db", "strace", "-f", "-e", "trace=write,fdatasync", "-o", str(trace)
    )
    assert ["0 listed"] == ask(process, "list 192.0.2.1", 1)
    finish(process)
    lines = trace.read_text()
    ready = lines.index('"ready')
    assert "fdatasync" in lines[ready : lines.index('"0 listed')]


def test_kill_9_under_load_loses_no_triplet_that_was_told_to_wait(tmp_path):
    url = f"sqlite:{tmp_path}/gatepost.db"
    told: list[int] = []
    for life in range(3):
        process = start(url)
        assert process.stdin is not None
        assert process.stdout is not None
        numbers = range(life * 1500, (life + 1) * 1500)
        process.stdin.write(" ".join(map(str, numbers)).encode() + b"\n")
        process.stdin.flush()
        for _ in range(200 + 400 * life):
            number, said = process.stdout.readline().split()
            assert b"new" == said
            told.append(int(number))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=20)
        told.extend(
            int(line.split()[0]) for line in rest.splitlines(keepends=True) if line.endswith(b" new\n")
        )
    assert len(told) >= 1800
    assert {Outcome.EARLY} == asyncio.run(outcomes(url, told))


async def outcomes(url: str, numbers: list[int]) -> set[Outcome]:
    clock = SystemClock()
    store = open_store(StoreOptions(url=url), clock)
    await store.open()
    found = set()
    for number in numbers:
        answer = store.greylist.meet(triplet(number), clock.now(), TERMS)
        found.add((await answer if inspect.isawaitable(answer) else answer).outcome)
    assert () == store.troubles()
    await store.close()
    return found
