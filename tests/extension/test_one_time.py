"""Points, holes and picture of a mesh, and the poses of its takes, belong to one frame of the clip:
under time stretching, at subframes, with motion blur, in every engine."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.extension.numbered import (
    N,
    grey_number,
    number_of_holes,
    number_of_picture,
    number_of_points,
    write_clip,
    write_depth,
)
from tests.extension.pictures import rendered

pytestmark = pytest.mark.blender

FIRST = 5  # scene frame


@pytest.fixture
def shot(saved, tmp_path):
    """The add-on with the mesh of a clip of numbered frames of 3003/90000 s, at scene frame 5."""
    shot = saved.shot
    saved.bpy.context.scene.frame_start = FIRST
    shot.clip = str(write_clip(tmp_path / "clip.mp4", [3003 * k for k in range(N)]))
    shot.depth.file, shot.num_frames = str(write_depth(tmp_path / "depth.npz")), N
    shot.grid_stride = "1"
    assert saved.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    scene = saved.bpy.context.scene
    scene.camera = next(item for item in scene.objects if item.name.endswith("Source Camera"))
    return saved


def go(scene, frame):
    scene.frame_set(math.floor(frame), subframe=frame - math.floor(frame))


def expected(scene, frame):
    """By the rule: the nearest frame, of two the later, held at both ends."""
    time = frame * scene.render.frame_map_old / scene.render.frame_map_new
    return min(max(math.floor(time - FIRST + 0.5), 0), N - 1)


@pytest.mark.parametrize("stretch", [50, 100, 150, 200, 300])
def test_1_one_frame_at_each_scene_frame_and_subframe(shot, tmp_path, stretch):
    scene = shot.bpy.context.scene
    scene.render.frame_map_new = stretch
    wholes = range(-1, (FIRST + N + 2) * stretch // 100, 1 + stretch // 150)
    for frame in [*wholes, *(whole + part for whole in (6, 9, 12) for part in (0.3, 0.5, 0.7))]:
        go(scene, frame)
        seen = [number(shot.bpy, shot.shot.mesh) for number in (number_of_points, number_of_holes)]
        seen.append(number_of_picture(shot.bpy, tmp_path / "view.png"))
        assert seen == [expected(scene, frame)] * 3, f"at scene frame {frame}"


@pytest.mark.parametrize(
    "engine",
    ["CYCLES", pytest.param("EEVEE", marks=pytest.mark.trial)],  # that compiles for 17 s
)
def test_1_every_engine_shows_that_frame(shot, tmp_path, engine):
    bpy, scene = shot.bpy, shot.bpy.context.scene
    scene.render.resolution_percentage = 25
    scene.render.frame_map_new = 200
    for frame in (9, 10, 14, 17, 20.7):
        go(scene, frame)
        assert grey_number(rendered(bpy, tmp_path / "view.png", engine)) == expected(scene, frame)


def test_1_a_step_between_frames_is_kept_under_time_stretching(shot, tmp_path):
    scene = shot.bpy.context.scene
    shot.shot.stride, shot.shot.num_frames, shot.shot.start_frame = 3, 3, 2
    shot.shot.starts_at = 0  # its frame 2 is at scene frame 2
    assert shot.bpy.ops.ex4d.reconstruct(wait=True) == {"FINISHED"}
    scene.camera = next(
        child for child in shot.shot.mesh.children if child.name.endswith("Source Camera")
    )
    scene.render.frame_map_new = 200
    for frame, number in ((1, 0), (3, 1), (4, 1), (5, 1), (6, 1), (7, 2), (8, 2), (30, 2)):
        go(scene, frame)
        shown = frame * 0.5
        number = min(max(math.floor(shown - 2 + 0.5), 0), 2)
        assert number_of_points(shot.bpy, shot.shot.mesh) == number
        assert number_of_picture(shot.bpy, tmp_path / "view.png") == 2 + 3 * number


def test_1_a_take_has_the_camera_at_each_frames_own_time(shot):
    scene, part = shot.bpy.context.scene, shot.part("camera")
    assert shot.bpy.ops.ex4d.apply_preset(preset="60") == {"FINISHED"}
    frames = range(FIRST, FIRST + N)
    keyed = part.sample_camera(scene, shot.shot.camera, shot.shot.mesh, frames)
    for stretch in (50, 173, 200):
        scene.render.frame_map_new = stretch
        scene.frame_set(7, subframe=0.5)
        slow = part.sample_camera(scene, shot.shot.camera, shot.shot.mesh, frames)
        np.testing.assert_array_equal(slow.extrinsics, keyed.extrinsics)
        assert (scene.frame_current, scene.frame_subframe) == (7, 0.5)
        assert (scene.render.frame_map_old, scene.render.frame_map_new) == (100, stretch)


def test_1_stretching_is_said_to_have_no_part_in_takes(shot):
    scene, note = shot.bpy.context.scene, shot.part("scene.ignored_settings").ignored_note
    assert note(scene) == ""
    scene.render.frame_map_new = 200
    assert note(scene).startswith("The time stretching is ignored")


@pytest.mark.parametrize("position", ["CENTER", "START", "END"])
def test_1_motion_blur_leaves_the_mesh_sharp(shot, tmp_path, position):
    bpy, scene = shot.bpy, shot.bpy.context.scene
    camera = scene.camera.copy()  # from beside, where the jump in depth is seen to be elsewhere
    scene.collection.objects.link(camera)
    camera.parent, camera.location.x, scene.camera = None, 1.5, camera
    scene.frame_set(9)
    still = rendered(bpy, tmp_path / "still.png", samples=16)
    scene.render.use_motion_blur = True
    scene.render.motion_blur_shutter, scene.render.motion_blur_position = 0.9, position
    blurred = rendered(bpy, tmp_path / "blurred.png", samples=16)
    assert np.abs(blurred - still).max() <= 2
