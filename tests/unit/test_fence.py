"""What a check does wrong becomes a finding; what is no fault goes through."""

import asyncio

import pytest

from gatepost.checks.base import Check
from gatepost.engine.fence import Fence
from gatepost.store.base import StoreError


def said(error):
    found = []
    with Fence(Check(None), found.append):
        raise error
    return [f.rule for f in found]


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (ZeroDivisionError(), "error.check"),
        (StoreError("no space left"), "error.store"),
        (TimeoutError(), "error.timeout"),
    ],
)
def test_trouble_is_told_by_its_kind(error, rule):
    assert [rule] == said(error)


@pytest.mark.parametrize("end", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_what_is_no_fault_goes_through(end):
    with pytest.raises(end):
        said(end())


def test_nothing_is_told_where_nothing_fails():
    found = []
    with Fence(Check(None), found.append):
        pass

    assert [] == found
