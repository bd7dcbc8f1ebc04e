"""Depth as artists have it, through the panel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.extension.conftest import ROOT
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender

SOME = 6  # frames


@pytest.fixture(scope="module")
def pictures(ex4d, tmp_path_factory):
    """The sample shot's depth as EXR pictures, one a frame of the clip's first six."""
    out = tmp_path_factory.mktemp("exr")
    command = ["recon", "--input_video", SHOT / "input.mp4", "--depth", SHOT / "depth.npz"]
    command += ["--output_dir", out, "--num_frames", str(SOME), "--save_depth", "exr"]
    assert ex4d(*command, stdout=subprocess.DEVNULL).wait(120) == 0
    return out / "depth"


def positions(addon) -> bytes:
    """What the mesh plays from."""
    cache = next(m for m in addon.shot.mesh.modifiers if m.type == "MESH_CACHE")
    return Path(addon.bpy.path.abspath(cache.filepath)).read_bytes()


def test_pictures_make_the_mesh_that_the_same_depth_in_one_file_makes(addon, server, pictures):
    addon.use(server)
    addon.shot.lens_kind, addon.shot.fov = "FOV", 0.9  # only the .npz brings a lens
    addon.reconstruct(num_frames=SOME)
    expected = positions(addon)
    addon.shot.depth.file = str(pictures / "depth_0002.exr")
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert positions(addon) == expected
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    addon.shot.depth.file = ""
    assert addon.bpy.ops.ex4d.take_reuse() == {"FINISHED"}
    assert addon.shot.depth.file.endswith("depth_0002.exr")


def test_half_the_depth_twice_the_scale(addon, server, tmp_path):
    addon.use(server)
    addon.reconstruct(num_frames=SOME)
    expected = positions(addon)
    with np.load(SHOT / "depth.npz") as arrays:
        halved = {**arrays, "depth": arrays["depth"] / 2}
    np.savez(tmp_path / "half.npz", **halved)
    addon.shot.depth.file, addon.shot.depth.scale = str(tmp_path / "half.npz"), 2
    assert addon.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    assert positions(addon) == expected


def test_a_missing_picture_is_named(addon, server, pictures, tmp_path):
    folder = tmp_path / "depth"
    shutil.copytree(pictures, folder)
    (folder / "depth_0003.exr").unlink()
    addon.use(server)
    addon.choose_clip(SOME)
    addon.shot.depth.file = str(folder / "depth_0001.exr")
    with pytest.raises(RuntimeError, match=r"frame 3 is missing before .*depth_0004\.exr"):
        addon.bpy.ops.ex4d.reconstruct(wait=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": ""}, "or let the depth be estimated"),
        ({"file": str(SHOT / "none.npz")}, "There is no such depth file"),
        ({"file": str(SHOT / "input.mp4")}, "must be a .npz file, or a picture"),
        ({"use_range": True, "near": 5.0, "far": 2.0}, "near before far"),
    ],
)
def test_what_the_depth_still_needs_is_said(addon, change, words):
    addon.choose_clip(SOME)
    for name, value in change.items():
        setattr(addon.shot.depth, name, value)
    assert words in addon.part("ui.readiness").why_no_clip(addon.shot)
    assert not addon.bpy.ops.ex4d.reconstruct.poll()


def test_a_solved_camera_carries_the_mesh(addon, server):
    """The clip's own camera is one of the scene: the mesh moves with it, and its takes know how."""
    addon.use(server)
    bpy, scene = addon.bpy, addon.bpy.context.scene
    camera = bpy.data.objects.new("Solved", bpy.data.cameras.new("Solved"))
    scene.collection.objects.link(camera)
    for frame in range(1, SOME + 1):
        camera.location, camera.rotation_euler = (0.1 * frame, 2, 1), (1.5, 0, 0.02 * frame)
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
    addon.choose_clip(SOME)
    addon.shot.solved_camera = camera
    assert bpy.ops.ex4d.reconstruct(wait=True, set_scene=True) == {"FINISHED"}
    root = addon.shot.mesh
    for frame in (1, SOME):
        scene.frame_set(frame)
        np.testing.assert_allclose(root.matrix_world.translation, (0.1 * frame, 2, 1), atol=1e-5)
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    folder = Path(bpy.path.abspath(addon.shot.takes[-1].folder))
    with np.load(folder / "camera.npz") as path:
        source = path["source_extrinsics"]
    moved = np.linalg.inv(source)[:, :3, 3]
    np.testing.assert_allclose(np.linalg.norm(np.diff(moved, axis=0), axis=1), 0.1, atol=1e-4)
    assert addon.shot.takes[-1].coverage > 0.5
    addon.shot.solved_camera = None
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    scene.frame_set(SOME)
    np.testing.assert_allclose(root.matrix_world.translation, (0, 0, 0), atol=1e-6)


@pytest.fixture(scope="module")
def estimating_server(start_server, tmp_path_factory):
    """A server that finds tiny estimators, written by its own Python."""
    models = tmp_path_factory.mktemp("models")
    python = os.environ.get("EX4D_PYTHON") or ROOT / ".venv/bin/python"
    command = [os.path.abspath(python), "-m", "tests.ex4d.depth.estimators.tiny", models]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return start_server(models=models)


def test_depth_is_estimated_and_takes_are_rendered_with_it(addon, estimating_server):
    addon.use(estimating_server)
    bpy, depth = addon.bpy, addon.shot.depth
    addon.bpy.ops.ex4d.connect()
    addon.until(lambda: addon.session.connection.welcome, "a connection")
    addon.choose_clip(SOME)
    depth.kind, depth.choice = "ESTIMATE", "depth-anything-indoor"
    assert depth.estimator == "depth-anything-indoor"
    chosen_estimator = addon.part("scene.depth_properties").chosen_estimator
    assert chosen_estimator(depth).name == "depth-anything-indoor"
    depth.choice = "SERVER"
    assert (depth.estimator, depth.choice) == ("", "SERVER")
    assert chosen_estimator(depth).name == "moge"
    depth.choice = "depth-anything-indoor"
    assert bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    source = addon.part("project.clip_source").mesh_source(addon.shot.mesh)
    with np.load(source.depth) as arrays:
        assert arrays["depth"].shape == (SOME, 272, 480)
        assert 0 < arrays["depth"].min() <= arrays["depth"].max() < 20.1
    assert bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    folder = Path(bpy.path.abspath(addon.shot.takes[-1].folder))
    with np.load(folder / "camera.npz") as path:
        np.testing.assert_allclose(path["extrinsics"], np.tile(np.eye(4), (SOME, 1, 1)), atol=1e-6)
    assert addon.shot.takes[-1].coverage > 0.5


def test_every_estimator_shows_its_licence(addon, estimating_server):
    addon.use(estimating_server)
    addon.bpy.ops.ex4d.connect()
    addon.until(lambda: addon.session.connection.welcome, "a connection")
    properties = addon.part("scene.depth_properties")
    items = properties._items(addon.shot.depth, None)
    assert all(item[0] for item in items)  # without an identifier it is a heading in the menu
    for info, item in zip(properties.estimators(), items[1:], strict=True):
        assert info.licence in item[2]
        assert ("(non-commercial)" in item[1]) == (not info.commercial)


def test_what_is_not_for_paid_work_is_refused_when_the_preferences_say_so(addon, estimating_server):
    addon.use(estimating_server)
    addon.bpy.ops.ex4d.connect()
    addon.until(lambda: addon.session.connection.welcome, "a connection")
    addon.choose_clip(SOME)
    addon.shot.depth.kind = "ESTIMATE"
    readiness = addon.part("ui.readiness")
    infos = addon.part("scene.depth_properties").estimators()
    for info in infos:
        addon.shot.depth.estimator = info.name
        addon.preferences.only_commercial = False
        assert readiness.why_no_clip(addon.shot) == ""
        addon.preferences.only_commercial = True
        refused = "may not be used for commercial work" in readiness.why_no_clip(addon.shot)
        assert refused == (not info.commercial)
    addon.preferences.only_commercial = False
