"""Unknown depths come from the background side; resizing invents no depth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.depth.fill import fill_unknown, resize_depth

NEAR, FAR = 1.0, 5.0


def box(height: int = 24, width: int = 30) -> np.ndarray:
    """A near box in front of a far wall."""
    depth = np.full((height, width), FAR, np.float32)
    depth[6:18, 8:20] = NEAR
    return depth


def plane(height: int, width: int, slope: tuple[float, float] = (0.4, -0.3)) -> np.ndarray:
    """The depth of a slanted plane seen through a pinhole: its disparity is linear."""
    v, u = np.meshgrid(
        (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
    )
    return (1 / (1 + slope[0] * u + slope[1] * v)).astype(np.float32)


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_hole_beside_a_foreground_edge_becomes_background(side):
    depth = box()
    places = {
        "left": np.s_[8:16, 5:8],
        "right": np.s_[8:16, 20:24],
        "top": np.s_[3:6, 10:18],
        "bottom": np.s_[18:21, 10:18],
    }
    depth[places[side]] = 0
    np.testing.assert_array_equal(fill_unknown(depth), box())


def test_a_hole_inside_one_surface_takes_that_surface():
    depth = box()
    depth[10:13, 12:15] = 0
    filled = fill_unknown(depth)
    # to its left, right, top and bottom there is only the box
    np.testing.assert_array_equal(filled, box())


def test_a_hole_takes_the_nearest_known_depth_of_the_farthest_surface():
    depth = np.array([[2.0, 4.0, 0, 0, 0, 4.2, 2.0]], np.float32)
    expected = np.array([[2.0, 4.0, 4.0, 4.0, 4.2, 4.2, 2.0]], np.float32)
    filled = fill_unknown(depth)
    np.testing.assert_array_equal(filled[0, [0, 1, 2, 4, 5, 6]], expected[0, [0, 1, 2, 4, 5, 6]])
    assert filled[0, 3] in {np.float32(4.0), np.float32(4.2)}


@pytest.mark.parametrize("place", [np.s_[3:5], np.s_[:, :4], np.s_[-1:], np.s_[1:, 1:]])
def test_whole_rows_and_columns_without_any_depth_are_filled(place):
    depth = np.full((12, 15), FAR, np.float32)
    depth[place] = 0
    np.testing.assert_array_equal(fill_unknown(depth), np.full((12, 15), FAR))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 11)])
@pytest.mark.parametrize("corner", [(0, 0), (-1, -1)])
def test_one_known_pixel_fills_everything(shape, corner):
    depth = np.zeros(shape, np.float32)
    depth[corner] = 3
    np.testing.assert_array_equal(fill_unknown(depth), np.full(shape, 3))


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    known_share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_filled_values_are_known_ones_and_nothing_known_changes(height, width, known_share, seed):
    random = np.random.default_rng(seed)
    depth = random.uniform(0.1, 9, (height, width)).astype(np.float32)
    depth[random.random(depth.shape) > known_share] = 0
    depth[random.integers(height), random.integers(width)] = 2.5
    given_depth = depth.copy()
    filled = fill_unknown(depth)
    np.testing.assert_array_equal(depth, given_depth)
    np.testing.assert_array_equal(filled[depth > 0], depth[depth > 0])
    assert np.isin(filled, depth[depth > 0]).all()


@given(seed=st.integers(0, 2**32 - 1), axis=st.sampled_from([0, 1]))
def test_a_mirrored_picture_is_filled_with_the_same_surfaces(seed, axis):
    random = np.random.default_rng(seed)
    depth = box()
    depth[random.random(depth.shape) < 0.4] = 0
    mirrored = np.flip(fill_unknown(np.ascontiguousarray(np.flip(depth, axis))), axis)
    np.testing.assert_array_equal(fill_unknown(depth), mirrored)


def test_the_size_that_it_has_already_changes_nothing():
    depth = box()
    assert resize_depth(depth, (30, 24)) is depth


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_depth_between_two_surfaces_appears(size, height, width, seed):
    random = np.random.default_rng(seed)
    depth = np.where(random.random((height, width)) < 0.5, NEAR, FAR).astype(np.float32)
    resized = resize_depth(depth, size)
    assert resized.shape == (size[1], size[0])
    assert np.isin(resized, depth).all()


@pytest.mark.parametrize("size", [(120, 90), (61, 47), (33, 25), (128, 31), (40, 200)])
def test_a_slanted_plane_stays_a_plane(size):
    resized = resize_depth(plane(60, 80), size)
    margin_y, margin_x = -(-size[1] // 60), -(-size[0] // 80)  # half a pixel at the rim is held
    inner = np.s_[margin_y : size[1] - margin_y, margin_x : size[0] - margin_x]
    np.testing.assert_allclose(resized[inner], plane(size[1], size[0])[inner], rtol=1e-3)


@pytest.mark.parametrize("size", [(60, 48), (15, 12), (45, 36), (31, 23)])
def test_an_edge_stays_where_it_was(size):
    resized = resize_depth(box(), size)
    share_before, share_after = (box() == NEAR).mean(), (resized == NEAR).mean()
    assert share_after == pytest.approx(share_before, abs=0.05)
    rows, columns = np.nonzero(resized == NEAR)
    assert (columns.mean() + 0.5) / size[0] == pytest.approx(14 / 30, abs=0.02)
    assert (rows.mean() + 0.5) / size[1] == pytest.approx(12 / 24, abs=0.02)


def test_twice_the_size_and_back_is_where_it_began():
    depth = plane(16, 20, slope=(0.2, -0.1))
    there = resize_depth(depth, (40, 32))
    np.testing.assert_allclose(resize_depth(there, (20, 16))[1:-1, 1:-1], depth[1:-1, 1:-1], 1e-5)
