"""What the numbers in depth files may mean."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.depth.files import ClipDepth, read_depth
from ex4d.depth.reading import DepthReading, ray_lengths
from ex4d.errors import DepthError, UsageError

LENS = np.array([[10.0, 0, 8], [0, 12, 5], [0, 0, 1]])
TRUE = np.random.default_rng(0).uniform(2, 50, (10, 16)).astype(np.float32)


def read(stored, **reading):
    return DepthReading(**reading).depth_of(np.asarray(stored), LENS)


def test_depth_is_taken_as_it_stands():
    np.testing.assert_array_equal(read(TRUE), TRUE)


def test_disparity_is_inverted():
    np.testing.assert_allclose(read(1 / TRUE, values="disparity"), TRUE, rtol=1e-6)


def test_a_ray_is_as_long_as_the_way_to_the_point():
    """The slow way: the point itself, from its pixel's centre."""
    lengths = np.empty_like(TRUE)
    for row, column in np.ndindex(TRUE.shape):
        x, y = (column + 0.5 - 8) / 10, (row + 0.5 - 5) / 12
        lengths[row, column] = np.linalg.norm(TRUE[row, column] * np.array([x, y, 1]))
    np.testing.assert_allclose(lengths, TRUE * ray_lengths(TRUE.shape, LENS), rtol=1e-6)
    np.testing.assert_allclose(read(lengths, values="ray_length"), TRUE, rtol=1e-6)


@pytest.mark.parametrize("values", ["depth", "disparity"])
@pytest.mark.parametrize("inverted", [False, True])
def test_shares_of_a_range_in_16_bits_come_back(values, inverted):
    ends = (2.0, 50.0) if values == "depth" else (1 / 50, 1 / 2)
    given = TRUE if values == "depth" else 1 / TRUE
    share = (given - ends[0]) / (ends[1] - ends[0])
    share = 1 - share if inverted else share
    stored = np.round(share * 65535).astype(np.uint16)
    depth = read(stored, values=values, near=2, far=50, inverted=inverted)
    step = (ends[1] - ends[0]) / 65535
    wrong = np.abs((depth if values == "depth" else 1 / depth) - given)
    assert wrong.max() <= 0.51 * step


def test_scale_and_offset_are_those_of_the_values():
    np.testing.assert_allclose(read((TRUE - 3) / 2, scale=2, offset=3), TRUE, rtol=1e-5)
    stored = (1 / TRUE - 0.01) / 0.5
    depth = read(stored, values="disparity", scale=0.5, offset=0.01)
    np.testing.assert_allclose(depth, TRUE, rtol=1e-5)


@pytest.mark.parametrize("unknown", [0, np.nan, -np.inf])
def test_unknown_stays_unknown_whatever_the_offset(unknown):
    stored = TRUE.copy()
    stored[3, 4] = unknown
    assert read(stored, offset=5)[3, 4] == 0


@pytest.mark.parametrize("stored", [np.float32(1e10), np.inf, np.float16(65504)])
def test_what_is_infinitely_far_is_told_from_what_is_unknown(stored):
    assert np.isinf(read(np.full((2, 2), stored))).all()


def test_no_disparity_is_infinitely_far():
    assert np.isinf(read(np.zeros((2, 2)), values="disparity")).all()
    assert read(np.full((2, 2), np.nan), values="disparity").max() == 0


def test_a_negative_depth_is_named():
    stored = TRUE.copy()
    stored[3, 4] = -1.5
    with pytest.raises(DepthError, match=r"depth -1\.5 at row 3, column 4"):
        read(stored)


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        ({"near": 1.0}, "both or neither"),
        ({"near": 5.0, "far": 2.0}, "near is 5 and far is 2"),
        ({"near": 0.0, "far": 2.0}, "0 < near"),
        ({"inverted": True}, "give near and far"),
        ({"scale": 0.0}, "scale 0"),
        ({"offset": float("nan")}, "offset nan"),
        ({"values": "z"}, "'z'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(reading, words):
    with pytest.raises(UsageError, match=words):
        DepthReading(**reading)


@pytest.mark.parametrize("scale", [1.0, -2.0])
def test_what_is_barely_negative_is_unknown(scale):
    """Filters and lossy files ring around unknown pixels."""
    stored = np.full((4, 6), 4.0) * np.sign(scale)
    stored[1, 2], stored[2, 3] = -1e-6 * np.sign(scale), -0.03 * np.sign(scale)
    depth = DepthReading(scale=scale).depth_of(stored, np.eye(3))
    assert (depth == 0).sum() == 2
    assert depth[1, 2] == depth[2, 3] == 0
    stored[1, 2] = -0.5 * np.sign(scale)
    with pytest.raises(DepthError, match="at row 1, column 2"):
        DepthReading(scale=scale).depth_of(stored, np.eye(3))


def test_a_disparity_that_is_barely_negative_is_infinitely_far():
    stored = np.array([[0.5, -1e-6, 0.25]])
    depth = DepthReading(values="disparity").depth_of(stored, np.eye(3))
    np.testing.assert_array_equal(depth, [[2, np.inf, 4]])


SHARES = np.linspace(0, 1, 4 * 48 * 64, dtype=np.float32).reshape(4, 48, 64)


@pytest.fixture
def read_shares(tmp_path, make_clip):
    """A function that reads numbers in a way."""

    def read(shares: np.ndarray, **reading: object) -> ClipDepth:
        np.savez(tmp_path / "depth.npz", depth=shares)
        return read_depth(tmp_path / "depth.npz", make_clip(4), reading=DepthReading(**reading))

    return read


@pytest.mark.parametrize("values", ["depth", "ray_length"])
def test_numbers_from_exactly_0_to_1_are_asked_about(read_shares, values):
    with pytest.raises(DepthError, match="from exactly 0 to 1") as caught:
        read_shares(SHARES, values=values)
    for answer in ("--depth_near", "--depth_far", "--depth_values disparity", "--depth_scale"):
        assert answer in str(caught.value)


@pytest.mark.parametrize(
    "answer", [{"near": 1.0, "far": 9.0}, {"values": "disparity"}, {"scale": 10.0}]
)
def test_every_answer_to_that_is_taken(read_shares, answer):
    assert read_shares(SHARES, **answer).depth.min() > 0


def test_depth_below_1_is_read_with_a_warning(read_shares):
    near = SHARES / 2 + 0.1
    read = read_shares(near)
    np.testing.assert_array_equal(read.depth, near)
    assert [warning[:12] for warning in read.warnings] == ["all depth in"]
    assert read_shares(SHARES + 1).warnings == ()
