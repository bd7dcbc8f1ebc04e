"""Where the depth of a video comes from."""

from __future__ import annotations

import numpy as np
import pytest

from ex4d.errors import DepthError
from ex4d.training.depth_source import DepthSource, find_depth


@pytest.fixture
def write(tmp_path):
    def write(name: str, **arrays: np.ndarray) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)

    return write


def steps(n_frames: int) -> np.ndarray:
    """Frame t is t + 1 away."""
    return np.broadcast_to(np.arange(1, n_frames + 1)[:, None, None], (n_frames, 48, 64))


def test_it_lies_beside_the_video(write, tmp_path, make_clip):
    write("a/walk.npz", depth=steps(4))
    depth = find_depth(tmp_path, "a/walk.mov", DepthSource())
    assert depth.name == "a/walk.npz"
    np.testing.assert_array_equal(depth.of(make_clip(4)).depth, steps(4))


def test_or_at_the_same_place_in_a_folder_of_depth(write, tmp_path, make_clip):
    write("a/walk.npz", depth=np.full((4, 48, 64), 9))
    write("depth/a/walk.npz", depth=steps(4))
    depth = find_depth(tmp_path / "videos", "a/walk.mov", DepthSource(tmp_path / "depth"))
    assert depth.name == "a/walk.npz"
    np.testing.assert_array_equal(depth.of(make_clip(4)).depth, steps(4))


def test_one_file_is_not_the_depth_of_two_videos(write, tmp_path, make_clip):
    write("a/walk.npz", depth=steps(4))
    for name in ("walk.mov", "walk.MP4", "walk.txt", "walker.mp4"):
        (tmp_path / "a" / name).touch()
    with pytest.raises(DepthError, match=r"depth of walk.mov or of walk.MP4: call it walk.mov.npz"):
        find_depth(tmp_path, "a/walk.mov", DepthSource())
    write("a/walk.mov.npz", depth=steps(4) + 1)
    depth = find_depth(tmp_path, "a/walk.mov", DepthSource())
    assert depth.name == "a/walk.mov.npz"
    np.testing.assert_array_equal(depth.of(make_clip(4)).depth, steps(4) + 1)


def test_one_that_is_missing_is_named(tmp_path):
    with pytest.raises(DepthError, match=r"there is no depth for it: no file .*walk\.npz"):
        find_depth(tmp_path, "walk.mp4", DepthSource())


def test_a_clip_gets_its_own_frames(write, tmp_path, make_clip):
    write("walk.npz", depth=steps(20))
    clip = make_clip(4, start=5, stride=3, n_file_frames=20)
    given = find_depth(tmp_path, "walk.mp4", DepthSource()).of(clip)
    np.testing.assert_array_equal(given.depth[:, 0, 0], [6, 9, 12, 15])


@pytest.mark.parametrize("n_entries", [4, 19, 21])
def test_depth_of_a_part_of_the_video_is_refused(write, tmp_path, make_clip, n_entries):
    """Also when it has as many frames as the clip: whose they are is not known."""
    write("walk.npz", depth=steps(n_entries))
    clip = make_clip(4, start=8, n_file_frames=20)
    with pytest.raises(DepthError, match=f"{n_entries} frames of depth, the video has 20"):
        find_depth(tmp_path, "walk.mp4", DepthSource()).of(clip)


def test_the_lens_comes_with_the_depth_or_is_assumed(write, tmp_path, make_clip):
    lens = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    write("known.npz", depth=steps(4), intrinsics=lens)
    write("unknown.npz", depth=steps(4))
    clip = make_clip(4)
    known = find_depth(tmp_path, "known.mp4", DepthSource()).of(clip)
    unknown = find_depth(tmp_path, "unknown.mp4", DepthSource()).of(clip)
    np.testing.assert_array_equal(known.intrinsics, [lens] * 4)
    assert unknown.intrinsics.shape == (4, 3, 3)
    np.testing.assert_allclose(unknown.intrinsics[0, :2, 2], [32, 24])
