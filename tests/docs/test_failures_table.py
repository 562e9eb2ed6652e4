"""Every failure in tests/failures.md has a test that causes it, and no test mocks our own code."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROW = re.compile(r"^\| (?P<failure>[^|]+) \|.*\| `(?P<file>[\w/]+\.py)::(?P<test>\w+)` \|$")


def table():
    lines = (TESTS / "failures.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    return [(row, ROW.match(row)) for row in rows]


def functions(path):
    return {n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)}


def test_every_row_names_a_test_that_exists():
    rows = table()

    assert len(rows) > 15
    for row, match in rows:
        assert match, f"no test in the last column: {row}"
        path = TESTS / match["file"]
        assert path.exists(), f"{match['failure']}: no file {match['file']}"
        assert match["test"] in functions(path), f"{match['failure']}: no test {match['test']}"


def test_every_test_of_a_failure_is_in_the_table():
    listed = {(match["file"], match["test"]) for _, match in table() if match}

    for path in sorted((TESTS / "e2e").glob("test_failure*.py")):
        for name in functions(path):
            if name.startswith("test_"):
                assert (f"e2e/{path.name}", name) in listed, f"{path.name}::{name} is not in failures.md"


def test_nothing_is_mocked():
    forbidden = ("unittest" + ".mock", "from unittest import " + "mock", "Magic" + "Mock")
    for path in TESTS.rglob("*.py"):
        text = path.read_text()
        for word in forbidden:
            assert word not in text, f"{path} has {word}"
