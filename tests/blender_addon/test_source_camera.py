"""A clip whose own camera moved: its mesh lies where that camera saw it, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

bpy = pytest.importorskip("bpy", reason="needs pip's bpy")

from bpy_extras.object_utils import world_to_camera_view  # noqa: E402
from extension.blender_addon.axes import BLENDER_FROM_OPENCV  # noqa: E402
from extension.blender_addon.camera.sampling import sample_camera  # noqa: E402
from extension.blender_addon.camera.source_camera import (  # noqa: E402
    key_root,
    sample_solved_camera,
    unkey_root,
)
from extension.blender_addon.errors import CameraError  # noqa: E402
from extension.blender_addon.jobs.solved_camera import SolvedCamera  # noqa: E402
from mathutils import Vector  # noqa: E402

from tests.blender_addon.rigs import add  # noqa: E402

pytestmark = pytest.mark.blender

SIZE = (320, 180)
FRAMES = range(11, 21)


@pytest.fixture
def shot(scene):
    """A scene with a camera that moves as a hand moves it, another that stands, and a mesh."""
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = *SIZE, 100
    cameras = [add(scene, name, bpy.data.cameras.new(name)) for name in ("solved", "other")]
    random = np.random.default_rng(0)
    solved = cameras[0]
    solved.data.shift_x = 0.05
    solved.scale = (0.5, 0.5, 0.5)  # as trackers leave it
    for frame in FRAMES:
        solved.location = random.uniform(-2, 2, 3)
        solved.rotation_euler = random.uniform(-3, 3, 3)
        solved.data.lens = random.uniform(25, 60)
        for path in ("location", "rotation_euler"):
            solved.keyframe_insert(path, frame=frame)
        solved.data.keyframe_insert("lens", frame=frame)
    cameras[1].location, cameras[1].rotation_euler = (1, -8, 2), (1.4, 0.1, 0.2)
    return scene, *cameras, add(scene, "root", bpy.data.meshes.new("root"))


def points_of(sampled: SolvedCamera, offset: int, random):
    """Pixels, and where they lie at random depths in the source camera (OpenCV's axes)."""
    pixels = random.uniform([0, 0], SIZE, (20, 2))
    rays = np.column_stack([pixels, np.ones(20)]) @ np.linalg.inv(sampled.intrinsics[offset]).T
    return pixels, rays * random.uniform(1, 30, (20, 1))


def seen_by(scene, camera, world):
    """Where Blender sees world points [P, 3], in pixels from the top left."""
    seen = np.array([world_to_camera_view(scene, camera, Vector(point)) for point in world])
    return np.column_stack([seen[:, 0] * SIZE[0], (1 - seen[:, 1]) * SIZE[1]])


def in_world(root, points):
    """Points [P, 3] of the source camera as the mesh object places them in the scene."""
    matrix = np.array(root.matrix_world) @ BLENDER_FROM_OPENCV
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def test_the_mesh_lies_where_the_solved_camera_saw_it(shot):
    scene, solved, _, root = shot
    sampled = sample_solved_camera(scene, solved, FRAMES, SIZE)
    key_root(root, sampled, FRAMES[0])
    random = np.random.default_rng(1)
    for offset, frame in enumerate(FRAMES):
        scene.frame_set(frame)
        pixels, points = points_of(sampled, offset, random)
        seen = seen_by(scene, solved, in_world(root, points))
        np.testing.assert_allclose(seen, pixels, atol=0.01)


def test_what_is_sent_of_another_camera_is_what_blender_sees(shot):
    """The source camera's path and the new camera's share one world."""
    scene, solved, other, root = shot
    sampled = sample_solved_camera(scene, solved, FRAMES, SIZE)
    key_root(root, sampled, FRAMES[0])
    path = sample_camera(scene, other, root, FRAMES)
    random = np.random.default_rng(2)
    np.testing.assert_allclose(path.source_extrinsics[0], np.eye(4), atol=1e-6)
    for offset, frame in enumerate(FRAMES):
        scene.frame_set(frame)
        _, points = points_of(sampled, offset, random)
        expected = seen_by(scene, other, in_world(root, points))
        between = path.extrinsics[offset] @ np.linalg.inv(path.source_extrinsics[offset])
        camera = points @ between[:3, :3].T + between[:3, 3]
        projected = camera @ path.intrinsics[offset].T
        np.testing.assert_allclose(
            projected[:, :2] / projected[:, 2:], expected, atol=0.01, rtol=1e-5
        )


def test_a_mesh_that_stands_still_has_no_source_path(shot):
    scene, _, other, root = shot
    root.location, root.scale = (3, 2, 1), (2, 2, 2)
    assert sample_camera(scene, other, root, FRAMES).source_extrinsics is None


def test_a_mesh_stands_still_again_without_the_solved_camera(shot):
    scene, solved, _, root = shot
    key_root(root, sample_solved_camera(scene, solved, FRAMES, SIZE), FRAMES[0])
    unkey_root(root)
    assert root.animation_data is None or root.animation_data.action is None
    scene.frame_set(15)
    np.testing.assert_allclose(np.array(root.matrix_world), np.eye(4), atol=1e-6)


def test_an_object_that_nobody_solved_keeps_its_place(shot):
    root = shot[3]
    root.location = (1, 2, 3)
    unkey_root(root)
    assert tuple(root.location) == (1, 2, 3)


def test_turns_go_the_short_way(shot):
    """No flips between keyframes: halfway between two frames the mesh is between them."""
    scene, solved, _, root = shot
    solved.animation_data_clear()
    for frame in FRAMES:
        solved.rotation_euler = (1.5, 0, 0.6 * (frame - FRAMES[0]))
        solved.keyframe_insert("rotation_euler", frame=frame)
    key_root(root, sample_solved_camera(scene, solved, FRAMES, SIZE), FRAMES[0])
    for frame in FRAMES[:-1]:
        axes = []
        for subframe in (0.0, 0.5, 1.0):
            scene.frame_set(frame + int(subframe), subframe=subframe % 1)
            axes.append(np.array(root.matrix_world)[:3, 1])
        between = axes[0] + axes[2]
        assert axes[1] @ between / np.linalg.norm(between) > 0.999


def test_what_is_kept_in_a_file_comes_back(shot, tmp_path):
    scene, solved, _, _ = shot
    sampled = sample_solved_camera(scene, solved, FRAMES, SIZE)
    sampled.write(tmp_path / "camera.npz")
    again = SolvedCamera.read(tmp_path / "camera.npz")
    np.testing.assert_array_equal(again.camera_to_world, sampled.camera_to_world)
    np.testing.assert_array_equal(again.intrinsics, sampled.intrinsics)
    assert again.size == SIZE


def test_a_solved_camera_that_is_none_is_refused_in_words(shot):
    scene, solved, _, root = shot
    with pytest.raises(CameraError, match="is not a camera"):
        sample_solved_camera(scene, root, FRAMES, SIZE)
    solved.data.type = "ORTHO"
    with pytest.raises(CameraError, match="orthographic"):
        sample_solved_camera(scene, solved, FRAMES, SIZE)
