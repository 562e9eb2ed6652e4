"""Nothing is skipped while running as root: a skipped test tells nothing, and looks like a green one.

Where CI says so, generated examples are the same in each run: a build tells of
its change, and `make fuzz` looks for the unknown.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, print_blob=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

_skipped = []


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report):
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if os.geteuid() == 0 and _skipped:
        print("\nSkipped, though root can run everything:\n  " + "\n  ".join(_skipped))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
