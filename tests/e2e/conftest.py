"""The one real `make install` that the tests of the installed program share."""

import pytest

from support.machine import listing, machine


@pytest.fixture(scope="session")
def installed():
    """A machine where `make install` was run, without systemd; to look at, and to be copied (`copy_of`).

    `before` is what was there, `said` what it said.
    """
    with machine() as box:
        box.before = listing(box)
        box.said = box.run("make", "install", net=False)
        yield box
