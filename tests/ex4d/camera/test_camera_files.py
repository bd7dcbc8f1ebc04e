"""camera.npz: what is written comes back, and what is wrong is said with the file's name."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ex4d.camera.files import read_trajectory, write_trajectory
from ex4d.camera.presets import preset_path
from ex4d.camera.trajectory import Trajectory
from ex4d.errors import CameraError

FLOWER = Path(__file__).parents[4] / "shared" / "clips" / "flower" / "camera_180.npz"
LENS = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])


@pytest.fixture
def camera_file(tmp_path):
    """A function that writes `camera.npz` with a good path of 4 frames and the changes given;
    None leaves a key out."""

    def write(**changes) -> Path:
        path = np.tile(np.eye(4), (4, 1, 1))
        path[:, 0, 3] = np.arange(4)
        arrays = {"extrinsics": path, "intrinsics": LENS, **changes}
        np.savez(tmp_path / "camera.npz", **{k: v for k, v in arrays.items() if v is not None})
        return tmp_path / "camera.npz"

    return write


def refusal(path: Path, clip) -> str:
    with pytest.raises(CameraError) as caught:
        read_trajectory(path, clip)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def rigid(seed: int, n: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    rotation = np.linalg.qr(random.normal(size=(n, 3, 3)))[0]
    rotation[:, :, 0] *= np.linalg.det(rotation)[:, None]
    path = np.tile(np.eye(4), (n, 1, 1))
    path[:, :3, :3], path[:, :3, 3] = rotation, random.normal(size=(n, 3)) * 10
    return path


@given(
    seed=st.integers(0, 2**32 - 1),
    n_frames=st.integers(1, 12),
    size=st.tuples(st.integers(1, 8192), st.integers(1, 8192)),
    moves=st.booleans(),
)
def test_a_path_comes_back_bit_for_bit(make_clip, seed, n_frames, size, moves):
    random = np.random.default_rng(seed)
    lenses = np.tile(LENS, (n_frames, 1, 1)) * random.uniform(0.5, 2, (n_frames, 1, 1))
    lenses[:, 2, 2] = 1
    frames = random.integers(0, 7, n_frames)
    source = rigid(seed + 1, 7) if moves else None
    written = Trajectory(rigid(seed, n_frames), lenses, size, frames, source)
    with tempfile.TemporaryDirectory() as folder:
        write_trajectory(Path(folder) / "camera.npz", written)
        read = read_trajectory(Path(folder) / "camera.npz", make_clip(7))
    assert read.size == size
    for name in ("world_to_camera", "intrinsics", "source_frames"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    np.testing.assert_array_equal(read.source_extrinsics, written.source_extrinsics)


def test_one_lens_and_a_lens_for_each_frame_mean_the_same(camera_file, make_clip):
    one = read_trajectory(camera_file(), make_clip())
    each = read_trajectory(camera_file(intrinsics=np.tile(LENS, (4, 1, 1))), make_clip())
    np.testing.assert_array_equal(one.intrinsics, each.intrinsics)
    assert one.intrinsics.shape == (4, 3, 3)


def test_poses_of_three_rows_are_accepted(camera_file, make_clip):
    read = read_trajectory(camera_file(extrinsics=rigid(0, 4)[:, :3]), make_clip())
    np.testing.assert_array_equal(read.world_to_camera, rigid(0, 4))


def test_without_size_the_principal_point_tells_for_which_size_the_lens_was_meant(
    camera_file, make_clip
):
    read = read_trajectory(camera_file(), make_clip(size=(128, 96)))
    assert read.size == (128, 96)
    np.testing.assert_allclose(read.intrinsics[0], [[100, 0, 64], [0, 100, 48], [0, 0, 1]])


@pytest.mark.parametrize("center", [(66.1, 47.2), (63.7, 47.5)])
def test_without_size_a_lens_a_little_off_the_centre_is_taken_as_it_is(
    camera_file, make_clip, center
):
    lens = np.array([[100.0, 0, center[0]], [0, 100, center[1]], [0, 0, 1]])
    read = read_trajectory(camera_file(intrinsics=lens), make_clip(size=(128, 96)))
    np.testing.assert_array_equal(read.intrinsics[0], lens)


def test_without_size_a_lens_for_the_videos_own_size_keeps_its_offset(camera_file, make_clip):
    clip = replace(make_clip(size=(128, 96)), native_size=(256, 192))
    lens = np.array([[200.0, 0, 132], [0, 200, 94], [0, 0, 1]])
    read = read_trajectory(camera_file(intrinsics=lens), clip)
    np.testing.assert_allclose(read.intrinsics[0], [[100, 0, 66], [0, 100, 47], [0, 0, 1]])


def test_without_size_a_lens_of_another_aspect_is_taken_as_it_is(camera_file, make_clip):
    read = read_trajectory(camera_file(), make_clip(size=(128, 48)))
    assert read.size == (128, 48)
    np.testing.assert_array_equal(read.intrinsics[0], LENS)


def test_with_size_the_pictures_have_it_and_the_lens_is_taken_as_it_is(camera_file, make_clip):
    read = read_trajectory(camera_file(size=np.array([640, 360])), make_clip(size=(128, 96)))
    assert read.size == (640, 360)
    np.testing.assert_array_equal(read.intrinsics[0], LENS)


def test_a_path_for_every_frame_of_the_video_file_is_cut_to_the_clip(camera_file, make_clip):
    lenses = np.tile(LENS, (20, 1, 1))
    lenses[:, 0, 0] = np.arange(1, 21)
    path = camera_file(
        extrinsics=rigid(0, 20), intrinsics=lenses, size=[64, 48], source_extrinsics=rigid(1, 20)
    )
    read = read_trajectory(path, make_clip(5, start=2, stride=3, n_file_frames=20))
    chosen = [2, 5, 8, 11, 14]
    np.testing.assert_array_equal(read.world_to_camera, rigid(0, 20)[chosen])
    np.testing.assert_array_equal(read.source_extrinsics, rigid(1, 20)[chosen])
    np.testing.assert_array_equal(read.intrinsics, lenses[chosen])
    assert read.source_frames.tolist() == [0, 1, 2, 3, 4]


def test_a_path_with_source_frames_may_have_any_length(camera_file, make_clip):
    path = camera_file(extrinsics=rigid(0, 9), source_frames=np.full(9, 2))
    read = read_trajectory(path, make_clip(4))
    assert read.source_frames.tolist() == [2] * 9


@pytest.mark.parametrize("n_frames", [1, 3, 6])
def test_another_number_of_poses_than_frames_is_refused_with_both(camera_file, make_clip, n_frames):
    text = refusal(camera_file(extrinsics=rigid(0, n_frames)), make_clip(4))
    assert f"has {n_frames} frames, the clip has 4" in text


def test_the_public_codes_rows_are_turned_round(camera_file, make_clip):
    path = preset_path("30", 4, 2.0)
    public = np.diag([1.0, -1, -1, 1]) @ path
    np.testing.assert_array_equal(public[0], np.diag([1.0, -1, -1, 1]))
    read = read_trajectory(camera_file(extrinsics=public.astype(np.float32)), make_clip())
    np.testing.assert_allclose(read.world_to_camera, path, atol=1e-6)


def test_the_public_codes_own_file_is_our_sweep(make_clip):
    if not FLOWER.exists():
        pytest.skip("the sample clip flower is not here")
    read = read_trajectory(FLOWER, make_clip(49, size=(512, 512)))
    radius = read.world_to_camera[24] @ [0, 0, 0, 1]  # at t = pi: the eye is at (0, -0.4 r, 0)
    radius = np.linalg.norm(radius[:3]) / 0.4
    assert 2.70 < radius < 2.75
    np.testing.assert_allclose(read.world_to_camera, preset_path("180", 49, radius), atol=2e-5)
    np.testing.assert_array_equal(read.intrinsics[0], [[500, 0, 256], [0, 500, 256], [0, 0, 1]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extrinsics": None}, "no 'extrinsics' in it, only intrinsics"),
        ({"intrinsics": None}, "no 'intrinsics' in it, only extrinsics"),
        ({"extrinsics": np.eye(4)}, "extrinsics must be [T, 4, 4], they are [4, 4]"),
        ({"extrinsics": np.full((4, 4, 4), "1")}, "extrinsics must be numbers"),
        ({"extrinsics": np.full((4, 4, 4), np.nan)}, "frame 0 hold nan"),
        ({"extrinsics": np.full((4, 4, 4), None)}, "not a readable .npz file"),
        ({"intrinsics": np.zeros((3, 3))}, "frame 0 has focal length 0 px"),
        ({"intrinsics": np.full((3, 3), "a")}, "intrinsics must be numbers"),
        ({"size": np.array("64x48")}, "size must be numbers"),
        ({"size": [64]}, "size must be two whole numbers (W, H), it is [64.0]"),
        ({"size": [0, 48]}, "size 0x48 is outside"),
        ({"source_frames": [0, 1, 2, 4]}, "frame 3 of the camera path shows source frame 4"),
        ({"source_frames": [0, -2, 2, 3]}, "source_frames of frame 1 is -2"),
        ({"source_frames": [np.nan, 1, 2, 3]}, "source_frames of frame 0 is nan"),
        ({"source_frames": [0, 1]}, "source_frames hold 2 numbers"),
        ({"source_extrinsics": rigid(0, 3)}, "source_extrinsics hold 3 poses, the clip has 4"),
        ({"source_extrinsics": 2 * rigid(0, 4)}, "source_extrinsics of frame 0"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(camera_file, make_clip, changes, words):
    assert words in refusal(camera_file(**changes), make_clip())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"# frame x y z\n" * 20, "is not a .npz file"),
        (pickle.dumps({"extrinsics": np.eye(4)}), "is not a .npz file"),
        (b"PK\x03\x04 cut short", "is not a readable .npz file"),
    ],
)
def test_a_file_that_is_no_npz_is_refused_with_its_name(tmp_path, make_clip, content, words):
    (tmp_path / "camera.npz").write_bytes(content)
    assert words in refusal(tmp_path / "camera.npz", make_clip())


def test_a_file_that_is_not_there_is_named(tmp_path, make_clip):
    assert refusal(tmp_path / "none.npz", make_clip()).startswith("there is no file")
