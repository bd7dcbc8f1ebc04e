"""A camera file at the edge of what is allowed means the same at every door: `ex4d recon`, `ex4d
submit` and Blender make the same conditions of it, bit for bit, or all refuse it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.extension.rig import SHOT
from tests.extension.test_shot import frames_of

pytestmark = pytest.mark.blender

SOME = 4  # frames
LIMIT = 1e-3  # of a rotation's columns, off being orthonormal

ALLOWED = {
    "as sampled": lambda path: path,
    "skewed by nothing that shows": lambda path: skewed(path, 9e-7),
    "rounded by hand": lambda path: stretched(path, 0.45 * LIMIT),
}
REFUSED = {
    "skewed": lambda path: skewed(path, 1e-3),
    "stretched": lambda path: stretched(path, 1.5 * LIMIT),
    "mirrored": lambda path: path | {"extrinsics": path["extrinsics"] * [[1], [-1], [1], [1]]},
}


def skewed(path, pixels):
    lens = path["intrinsics"].copy()
    lens[:, 0, 1] = pixels
    return path | {"intrinsics": lens}


def stretched(path, share):
    poses = path["extrinsics"].copy()
    poses[:, :3, :3] *= 1 + share
    return path | {"extrinsics": poses}


@pytest.fixture
def take(addon, server, tmp_path):
    """The request of a finished take of a few frames, and its sampled path."""
    addon.use(server)
    addon.bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    addon.reconstruct(num_frames=SOME)
    addon.shot.preset = "60"
    assert addon.bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    made = addon.shot.takes[-1]
    request = addon.part("takes.take").request_of(made)
    with np.load(Path(addon.bpy.path.abspath(made.folder)) / "camera.npz") as file:
        return request, {name: file[name] for name in ("extrinsics", "intrinsics", "size")}


@pytest.fixture
def doors(addon, ex4d, server, take, tmp_path):
    """What each door makes of a camera: the folder of color and mask, or none."""

    def by_blender(camera: Path) -> Path | None:
        request = replace(
            take[0], folder=str(camera.parent), key=addon.part("jobs.requests").new_key()
        )
        task = addon.session.runner.start(request)
        addon.until(lambda: task.over, "the end of the take")
        return camera.parent if task.state.value == "done" else None

    def by_command(camera: Path, command: str, *link) -> Path | None:
        out = camera.parent / command
        clip = ["--input_video", SHOT / "input.mp4", "--num_frames", str(SOME)]
        clip += ["--depth", SHOT / "depth.npz", "--camera", camera, "--output_dir", out]
        process = ex4d(command, *clip, *link, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=120)
        assert process.returncode in (0, 2), said
        return None if process.returncode else out

    link = ["--endpoint", server.endpoint, "--server_key", server.server_key]
    link += ["--keys", server.client_keys]
    return (
        by_blender,
        lambda camera: by_command(camera, "recon"),
        lambda camera: by_command(camera, "submit", *link),
    )


def conditions_in(folder: Path) -> list[np.ndarray]:
    return [frames_of(next(folder.glob(f"{name}*.mp4"))) for name in ("color", "mask")]


def test_an_allowed_camera_gives_the_same_bits_at_every_door(doors, take, tmp_path):
    for name, change in ALLOWED.items():
        camera = tmp_path / name / "camera.npz"
        camera.parent.mkdir()
        np.savez(camera, **change(take[1]))
        folders = [door(camera) for door in doors]
        assert all(folders), f"{name}: {folders}"
        first, *others = map(conditions_in, folders)
        assert len(first[0]) == SOME
        for other in others:
            for ours, theirs in zip(first, other, strict=True):
                np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_a_camera_beyond_the_edge_is_refused_at_every_door(doors, take, tmp_path):
    for name, change in REFUSED.items():
        camera = tmp_path / name / "camera.npz"
        camera.parent.mkdir()
        np.savez(camera, **change(take[1]))
        assert not any(door(camera) for door in doors), name
