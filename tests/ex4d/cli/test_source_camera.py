"""recon with a source camera of its own, solved or in the depth's file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ex4d.errors import InputError
from ex4d.files.npz import read_npz
from ex4d.video.writer import read_mask

if TYPE_CHECKING:
    from pathlib import Path

LENS = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    return read_npz(path, InputError)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def test_a_solved_camera_that_moves_makes_the_presets_stand_in_its_world(recon, out, tmp_path):
    """The source walks to the right; seen from an orbit of 0 degrees the wall stands still, so
    from frame 1 on its left side is no longer seen."""
    poses = np.broadcast_to(np.eye(4), (6, 4, 4)).copy()
    poses[:, 0, 3] = -0.3 * np.arange(6)
    solved = tmp_path / "solved.npz"
    np.savez(solved, extrinsics=poses, intrinsics=LENS, size=(64, 48))
    answer = recon("--save_camera", source_camera=solved, cam=0)
    assert answer.exit_code == 0, answer.err
    assert "as given: f = 60.0 px" in answer.out
    mask = read_mask(out / "mask_0.mp4")[0]
    unseen = (~mask[:, 5]).sum(axis=1)  # above the box
    np.testing.assert_allclose(unseen[1:], 0.3 * np.arange(1, 6) * 60 / 6, atol=4)
    with np.load(out / "camera_0.npz") as saved:
        np.testing.assert_allclose(saved["source_extrinsics"], poses)


@pytest.fixture
def small_shot(shot, out, recon):
    """A function that runs recon at half the video's size, and gives the lens that it used."""

    def run(**flags: object) -> np.ndarray:
        answer = recon("--save_camera", cam=0, width=32, height=24, **flags)
        assert answer.exit_code == 0, answer.err
        return arrays_of(out / "camera_0.npz")["intrinsics"][0]

    return run


def test_a_source_camera_of_the_videos_size_is_scaled_to_the_working_size(small_shot, tmp_path):
    poses = np.tile(np.eye(4), (6, 1, 1))
    np.savez(tmp_path / "a.npz", extrinsics=poses, intrinsics=LENS, size=(64, 48))
    np.savez(tmp_path / "b.npz", extrinsics=poses, intrinsics=LENS)
    for name in ("a.npz", "b.npz"):
        lens = small_shot(source_camera=tmp_path / name)
        np.testing.assert_allclose(lens, [[30, 0, 16], [0, 30, 12], [0, 0, 1]])


def test_the_camera_path_in_the_depth_is_named_and_taken_where_it_is_asked_for(
    recon, out, shot, tmp_path
):
    given = tmp_path / "solved_depth.npz"
    poses = np.tile(np.eye(4), (6, 1, 1))
    poses[:, 0, 3] = -0.3 * np.arange(6)
    depth = arrays_of(shot / "depth.npz")["depth"]
    np.savez(given, depth=depth, extrinsics=poses[:, :3], intrinsics=LENS, conf=depth)
    answer = recon("--save_camera", depth=given, cam=0)
    assert f"{given} also holds conf, extrinsics: not used; --source_camera {given}" in answer.err
    assert "source_extrinsics" not in arrays_of(out / "camera_0.npz")
    answer = recon("--save_camera", depth=given, cam=0, source_camera=given)
    assert answer.exit_code == 0, answer.err
    np.testing.assert_allclose(arrays_of(out / "camera_0.npz")["source_extrinsics"], poses)
    # a path of every frame of the video, as recon saves it, is cut to the frames chosen
    saved = shutil.move(out / "camera_0.npz", tmp_path / "path.npz")
    answer = recon("--save_camera", cam=0, source_camera=saved, start_frame=2, num_frames=3)
    assert answer.exit_code == 0, answer.err
    assert len(arrays_of(out / "camera_0.npz")["source_extrinsics"]) == 3


def test_a_source_camera_that_jumps_between_frames_is_refused(recon, tmp_path):
    arrays = {"extrinsics": np.tile(np.eye(4), (6, 1, 1)), "intrinsics": LENS, "size": (64, 48)}
    np.savez(tmp_path / "a.npz", **arrays, source_frames=[0, 0, 1, 1, 2, 2])
    answer = recon(source_camera=tmp_path / "a.npz")
    assert answer.exit_code == 2
    assert "a source camera shows each frame once" in answer.err
