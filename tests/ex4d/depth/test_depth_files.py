"""depth.npz: what it may hold, and how its faults are said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.depth.files import ClipDepth, Lens, read_depth, write_depth
from ex4d.errors import DepthError

if TYPE_CHECKING:
    from pathlib import Path

SIZE = (20, 16)
LENS = np.array([[10.0, 0, 10], [0, 10, 8], [0, 0, 1]])


def ramp(n_frames: int = 4, dtype=np.float32) -> np.ndarray:
    depth = np.ones((n_frames, SIZE[1], SIZE[0]))
    return (depth * (2 + np.arange(n_frames))[:, None, None]).astype(dtype)


@pytest.fixture
def depth_npz(tmp_path):
    """A function that writes `depth.npz`."""

    def write(depth=None, **arrays) -> Path:
        if depth is not None:
            arrays["depth"] = depth
        np.savez_compressed(tmp_path / "depth.npz", **arrays)
        return tmp_path / "depth.npz"

    return write


@pytest.fixture
def clip(make_clip):
    return make_clip(4, size=SIZE)


def refusal(path: Path, clip) -> str:
    with pytest.raises(DepthError) as caught:
        read_depth(path, clip)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint16, np.int32, ">f4"])
def test_any_numbers_are_read_as_float32(depth_npz, clip, dtype):
    read = read_depth(depth_npz(ramp(dtype=dtype)), clip)
    assert read.depth.dtype == np.float32
    np.testing.assert_array_equal(read.depth, ramp())
    assert read.unknown_share == 0
    assert read.lens_from == "assumed"


@pytest.mark.parametrize("axis", [1, 3])
def test_an_axis_of_one_channel_is_left_out(depth_npz, clip, axis):
    read = read_depth(depth_npz(np.expand_dims(ramp(), axis)), clip)
    np.testing.assert_array_equal(read.depth, ramp())


@pytest.mark.parametrize("unknown", [0, np.nan, np.inf, -np.inf, 1e300])
def test_unknown_depths_are_filled_and_counted(depth_npz, clip, unknown):
    depth = ramp(dtype=np.float64)
    depth[1, 3:7, 5:9] = unknown
    read = read_depth(depth_npz(depth), clip)
    np.testing.assert_array_equal(read.depth, ramp())
    assert read.unknown_share == pytest.approx(16 / depth.size)


def test_depth_and_lens_come_at_the_clips_size(depth_npz, make_clip):
    clip = make_clip(4, size=(40, 48))
    read = read_depth(depth_npz(ramp(), intrinsics=LENS), clip)
    assert read.depth.shape == (4, 48, 40)
    np.testing.assert_array_equal(np.unique(read.depth[2]), [4])
    np.testing.assert_allclose(read.intrinsics, [[[20, 0, 20], [0, 30, 24], [0, 0, 1]]] * 4)


def test_depth_of_the_whole_file_is_cut_to_the_clip(depth_npz, make_clip):
    clip = make_clip(4, size=SIZE, start=2, stride=3, n_file_frames=13)
    lenses = np.tile(LENS, (13, 1, 1))
    lenses[:, 0, 0] = np.arange(1, 14)
    read = read_depth(depth_npz(ramp(13), intrinsics=lenses), clip)
    np.testing.assert_array_equal(read.depth[:, 0, 0], [4, 7, 10, 13])
    np.testing.assert_array_equal(read.intrinsics[:, 0, 0], [3, 6, 9, 12])


def test_a_fault_is_said_with_the_frames_number_in_the_file(depth_npz, make_clip):
    clip = make_clip(4, size=SIZE, start=2, stride=3, n_file_frames=13)
    depth = ramp(13)
    depth[8, 4, 3] = -0.5
    assert "frame 8 has depth -0.5 at row 4, column 3" in refusal(depth_npz(depth), clip)


@pytest.mark.parametrize("unknown", [0, np.nan, np.inf])
def test_a_frame_without_any_depth_is_named(depth_npz, clip, unknown):
    depth = ramp()
    depth[2] = unknown
    assert "frame 2 has no known depth" in refusal(depth_npz(depth), clip)


@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_another_number_of_frames_is_refused_with_both(depth_npz, clip, n_frames):
    text = refusal(depth_npz(ramp(n_frames)), clip)
    assert f"has {n_frames} frames of depth, the clip has 4" in text


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (np.ones((16, 20)), "it is float64 [16, 20]"),
        (np.ones((4, 16, 20, 3)), "it is float64 [4, 16, 20, 3]"),
        (np.ones((4, 0, 20)), "it is float64 [4, 0, 20]"),
        (np.float32(3), "it is float32 []"),
        (np.ones((4, 16, 20), complex), "it is complex128"),
        (np.ones((4, 16, 20), bool), "it is bool"),
        (np.full((4, 16, 20), "far"), "it is <U3"),
        (np.full((4, 16, 20), None), "not a readable .npz file"),
    ],
)
def test_what_is_no_depth_is_refused_with_its_type_and_shape(depth_npz, clip, depth, words):
    assert words in refusal(depth_npz(depth), clip)


def test_a_file_without_depth_lists_what_it_has(depth_npz, clip):
    text = refusal(depth_npz(disparity=ramp(), fps=24), clip)
    assert "there is no 'depth' in it, only disparity, fps" in text
    assert "only nothing" in refusal(depth_npz(), clip)


def test_a_file_that_is_cut_short_is_refused(depth_npz, clip):
    path = depth_npz(np.random.default_rng(0).random((4, 16, 20)))
    path.write_bytes(path.read_bytes()[:-300])
    assert "is not a readable .npz file" in refusal(path, clip)


@pytest.mark.parametrize(
    ("lens", "words"),
    [
        (np.zeros((3, 3)), "frame 0 has focal length 0 px"),
        (np.ones((2, 3, 3)), "must be [3, 3] or [4, 3, 3], they are [2, 3, 3]"),
        (np.full((3, 3), np.nan), "frame 0 hold nan"),
    ],
)
def test_a_wrong_lens_in_the_file_is_said(depth_npz, clip, lens, words):
    assert words in refusal(depth_npz(ramp(), intrinsics=lens), clip)


def test_what_is_written_is_read_back_bit_for_bit(tmp_path, clip):
    depth = np.random.default_rng(0).uniform(0.5, 90, (4, SIZE[1], SIZE[0])).astype(np.float32)
    lenses = LENS * np.linspace(1, 1.3, 4)[:, None, None]
    lenses[:, 2, 2] = 1
    write_depth(tmp_path / "out.npz", ClipDepth(depth, lenses, "given"))
    read = read_depth(tmp_path / "out.npz", clip)
    np.testing.assert_array_equal(read.depth, depth)
    np.testing.assert_array_equal(read.intrinsics, lenses)


def test_a_given_lens_comes_before_that_of_the_file(depth_npz, clip):
    path = depth_npz(ramp(), intrinsics=LENS)
    assert read_depth(path, clip).lens_from == "depth"
    given = read_depth(path, clip, Lens.of(clip, fov_deg=90))
    assert given.lens_from == "given"
    np.testing.assert_allclose(given.intrinsics[:, 0, 0], SIZE[0] / 2)
