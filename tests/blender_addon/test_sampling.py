"""Sampling follows what a render follows, and leaves everything as it was."""

from __future__ import annotations

import struct

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from extension.blender_addon.camera.camera_state import frames_restored  # noqa: E402
from extension.blender_addon.camera.marker_cameras import (  # noqa: E402
    bound_cameras,
    follows_markers,
    marker_camera,
    marker_note,
)
from extension.blender_addon.camera.sampling import sample_camera  # noqa: E402

from tests.blender_addon.rigs import add  # noqa: E402

pytestmark = pytest.mark.blender


@pytest.fixture
def cameras(scene):
    made = [add(scene, name, bpy.data.cameras.new(name)) for name in "ABC"]
    for number, camera in enumerate(made):
        camera.location = (number, -3, 0.5)
        camera.data.lens = 30 + 10 * number
    return made


def bind(scene, **frames):
    for name, frame in frames.items():
        scene.timeline_markers.new(name, frame=frame).camera = bpy.data.objects[name]


def test_a_take_switches_where_blenders_render_does(scene, root, cameras):
    bind(scene, A=3, B=7, C=12)
    scene.timeline_markers.new("no camera", frame=5)
    cameras[2].hide_render = True  # Blender passes over it
    path = sample_camera(scene, cameras[0], root, range(-2, 16), follow_markers=True)
    for number, frame in enumerate(range(-2, 16)):
        scene.frame_set(frame)
        assert marker_camera(scene) == scene.camera
        own = sample_camera(scene, scene.camera, root, [frame])
        np.testing.assert_array_equal(path.extrinsics[number], own.extrinsics[0])
        np.testing.assert_array_equal(path.intrinsics[number], own.intrinsics[0])


def test_random_markers_are_followed_as_blender_does(scene, root, cameras):
    random = np.random.default_rng(4)
    for _ in range(20):
        scene.timeline_markers.clear()
        for camera in random.choice(cameras, 5):
            marker = scene.timeline_markers.new("m", frame=int(random.integers(-9, 9)))
            marker.camera = camera
        scene.render.frame_map_new = int(random.choice([50, 100, 173]))
        for frame in range(-10, 12):
            scene.frame_set(frame, subframe=float(random.choice([0, 0.5])))
            assert marker_camera(scene) == scene.camera


def test_only_a_camera_that_markers_switch_to_follows_them(scene, cameras):
    assert marker_note(scene, cameras[0]) == ""
    bind(scene, A=1, B=5)
    assert bound_cameras(scene) == cameras[:2]
    assert [follows_markers(scene, camera) for camera in cameras] == [True, True, False]
    assert "A, B" in marker_note(scene, cameras[1])
    assert "C alone" in marker_note(scene, cameras[2])
    assert not follows_markers(scene, None)


def test_sampling_keeps_the_scenes_camera(scene, root, cameras):
    bind(scene, A=1, B=5)
    scene.frame_set(3)
    scene.camera = cameras[2]  # by hand
    sample_camera(scene, cameras[0], root, range(1, 9))
    assert scene.camera == cameras[2]


def test_sampling_keeps_what_is_not_keyed_yet(scene, root, cameras):
    camera = cameras[0]
    camera["mine"] = 1.0
    for frame, x in ((1, 0.0), (9, 8.0)):
        camera.location.x, camera["mine"], camera.data.lens = x, x, 30 + x
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert('["mine"]', frame=frame)
        camera.data.keyframe_insert("lens", frame=frame)
    scene.frame_set(5)
    camera.location, camera["mine"], camera.data.lens = (7, 7, 7), 77.0, 99
    path = sample_camera(scene, camera, root, [1, 9])
    assert tuple(camera.location) == (7, 7, 7)
    assert (camera["mine"], camera.data.lens) == (77, 99)
    bpy.context.view_layer.update()
    assert tuple(camera.matrix_world.translation) == (7, 7, 7)
    ends = np.linalg.inv(path.extrinsics)[:, 0, 3]
    assert ends[1] - ends[0] == pytest.approx(8, abs=1e-5)  # as it is keyed


def test_what_is_keyed_stays_animated(scene, cameras):
    camera = cameras[0]
    for frame, x in ((1, 0.0), (9, 8.0)):
        camera.location.x = x
        camera.keyframe_insert("location", frame=frame)
    scene.frame_set(5)
    with frames_restored(scene):
        scene.frame_set(9)
    assert camera.location.x == pytest.approx(4, abs=1e-5)


@pytest.fixture
def moving(root, tmp_path):
    """The mesh plays from a file: its second frame lies two metres higher."""
    before = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    frames = np.stack([before, before + np.float32([0, 0, 2])]).astype("<f4")
    path = tmp_path / "moves.pc2"
    header = struct.pack("<12siiffi", b"POINTCACHE2\0", 1, 3, 0.0, 1.0, 2)
    path.write_bytes(header + frames.tobytes())
    root.data.from_pydata(before.tolist(), [], [(0, 1, 2)])
    cache = root.modifiers.new("cache", "MESH_CACHE")
    cache.cache_format, cache.filepath, cache.frame_start = "PC2", str(path), 1
    return root


def drive(item, path, index, target):
    driver = item.driver_add(path, index).driver if index >= 0 else item.driver_add(path).driver
    driver.type = "SUM"
    variable = driver.variables.new()
    variable.type = "TRANSFORMS"
    variable.targets[0].id, variable.targets[0].transform_type = target, "LOC_Z"


@pytest.mark.parametrize("how", ["driver", "driver of the parent", "lens"])
def test_a_camera_driven_by_something_on_the_mesh_follows_it(scene, moving, cameras, how):
    follower = add(scene, "follower")
    follower.parent, follower.parent_type = moving, "VERTEX"
    follower.parent_vertices = (0, 0, 0)
    camera = cameras[0]
    if how == "driver":
        drive(camera, "location", 2, follower)
    elif how == "lens":
        drive(camera.data, "shift_y", -1, follower)
    else:
        camera.parent = add(scene, "holder")
        drive(camera.parent, "location", 2, follower)
    path = sample_camera(scene, camera, moving, (1, 2))
    change = np.abs(np.diff(path.intrinsics if how == "lens" else path.extrinsics, axis=0)).max()
    assert change == pytest.approx(2 * 1920 if how == "lens" else 2, rel=1e-4)
    assert moving.modifiers["cache"].show_viewport
