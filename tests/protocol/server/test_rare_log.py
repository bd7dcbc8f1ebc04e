"""A flood is counted, not written down."""

from __future__ import annotations

import logging

import pytest

from protocol.server import RareLog
from protocol.testing import FakeClock


@pytest.fixture
def log(caplog):
    """A rare log, its clock, and a function that returns what it wrote."""
    caplog.set_level(logging.INFO, "ex4d.server.test")
    clock = FakeClock()
    rare = RareLog(logging.getLogger("ex4d.server.test"), burst=2, every_s=10, clock=clock)
    return rare, clock, lambda: [record.getMessage() for record in caplog.records]


def test_a_thousand_of_a_kind_are_two_lines_and_a_count(log):
    rare, clock, written = log
    for n in range(1000):
        rare.warning("refused", "refused %d", n)
    assert written() == ["refused 0", "refused 1"]
    clock.advance(10)
    rare.info("other", "something else")
    assert written()[2:] == ["refused: 998 more in 10 s", "something else"]


def test_kinds_do_not_hide_each_other(log):
    rare, _, written = log
    for n in range(5):
        rare.warning("a", "a%d", n)
        rare.info("b", "b%d", n)
    assert written() == ["a0", "b0", "a1", "b1"]


def test_counts_are_told_at_the_end_and_only_when_something_was_held_back(log):
    rare, clock, written = log
    for n in range(3):
        rare.warning("a", "a%d", n)
    rare.warning("b", "b")
    clock.advance(1)
    rare.flush()
    rare.flush(now=True)
    assert written() == ["a0", "a1", "b", "a: 1 more in 1 s"]


def test_more_kinds_than_it_counts_share_one_count(log):
    rare, _, written = log
    for n in range(10_000):
        rare.warning(f"kind {n}", "line")
    assert len(written()) < 300
