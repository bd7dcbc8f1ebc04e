"""working_size: which size a clip is worked on at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.errors import UsageError
from ex4d.video import working_size

sides = st.integers(1, 8000)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((1920, 1080), (1024, 576)),
        ((1080, 1920), (576, 1024)),
        ((3840, 2160), (1024, 576)),
        ((640, 480), (640, 480)),
        ((854, 480), (848, 480)),
        ((512, 512), (512, 512)),
        ((2, 2), (16, 16)),
    ],
)
def test_default_keeps_the_aspect_at_up_to_1024(source, expected):
    assert working_size(source) == expected


@given(sides, sides)
def test_default_sides_are_multiples_of_16_and_never_larger_than_the_source(width, height):
    size = working_size((width, height))
    for side, source_side in zip(size, (width, height), strict=True):
        assert side % 16 == 0
        assert 16 <= side <= max(16, min(1024, source_side))


@given(st.integers(320, 8000), st.integers(320, 8000))
def test_default_aspect_is_within_half_a_step(width, height):
    aspect = width / height
    if not 1 / 3 < aspect < 3:
        return
    size = working_size((width, height))
    assert size[0] / size[1] == pytest.approx(aspect, rel=16 / min(size))


@given(sides, sides)
def test_turning_the_source_turns_the_size(width, height):
    assert working_size((height, width)) == working_size((width, height))[::-1]


def test_one_given_side_is_followed_by_the_other():
    assert working_size((1920, 1080), width=512) == (512, 288)
    assert working_size((1920, 1080), height=288) == (512, 288)
    assert working_size((640, 480), width=1280) == (1280, 960)


def test_two_given_sides_are_taken_as_they_are():
    assert working_size((1920, 1080), width=500, height=333) == (500, 333)


@pytest.mark.parametrize("side", [15, 0, -16, 8193])
def test_a_side_out_of_range_is_refused_by_its_value(side):
    with pytest.raises(UsageError, match=f"width is {side}; .* 16 to 8192"):
        working_size((640, 480), width=side)
    with pytest.raises(UsageError, match=f"height is {side}"):
        working_size((640, 480), width=512, height=side)


def test_a_side_that_follows_out_of_range_is_refused():
    with pytest.raises(UsageError, match="width 8192 makes the height 14560"):
        working_size((1080, 1920), width=8192)
