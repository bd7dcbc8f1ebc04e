"""Ranges against sets of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.transfer.intervals import Intervals

ranges = st.tuples(st.integers(0, 40), st.integers(1, 10)).map(lambda r: (r[0], r[0] + r[1]))


@given(st.lists(ranges), ranges, st.integers(0, 40))
def test_ranges_behave_as_sets_of_numbers(added, asked, begin):
    intervals, numbers = Intervals(), set()
    for first, last in added:
        intervals.add(first, last)
        numbers |= set(range(first, last))
    missing = {n for first, last in intervals.missing(*asked) for n in range(first, last)}
    assert missing == set(range(*asked)) - numbers
    end = begin
    while end in numbers:
        end += 1
    assert intervals.take_from(begin) == end or any(n < begin for n in numbers)
