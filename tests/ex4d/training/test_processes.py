"""Work in processes: the order, errors, and the end of it all."""

from __future__ import annotations

import operator
import os
import time

import psutil
import pytest

from ex4d.errors import TooLargeError
from ex4d.training.processes import in_processes


def children() -> set[int]:
    """The processes under this one, without Python's own that watches semaphores."""
    found = psutil.Process().children(recursive=True)
    return {child.pid for child in found if "resource_tracker" not in " ".join(child.cmdline())}


@pytest.fixture(autouse=True)
def _no_process_is_left():
    before = children()
    yield
    assert children() <= before


def test_results_come_in_the_order_of_the_tasks():
    ticks = []
    tasks = [(number, 10) for number in range(20)]
    results = list(in_processes(operator.mul, tasks, 2, lambda: ticks.append(1)))
    assert results == [10 * number for number in range(20)]
    assert ticks


def test_workers_end_without_a_word(capfd):
    for _ in range(8):
        assert list(in_processes(abs, [(1,), (2,)], 2, lambda: None)) == [1, 2]
    assert capfd.readouterr().err == ""


def test_an_error_comes_out_and_the_workers_end():
    results = in_processes(operator.truediv, [(1, 1), (1, 0), (1, 1)], 2, lambda: None)
    with pytest.raises(ZeroDivisionError):
        list(results)


def test_a_worker_that_is_killed_is_said_in_words():
    with pytest.raises(TooLargeError, match="a worker process was killed"):
        list(in_processes(os._exit, [(9,)], 1, lambda: None))


def test_closing_it_stops_work_that_is_under_way():
    results = in_processes(time.sleep, [(0,), (600,), (600,)], 2, lambda: None)
    next(results)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 60
