"""A shot lies in the scene's time where its clip does: frame k of the clip at its start + k."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.extension.drawn import draw
from tests.extension.rig import SHOT

pytestmark = pytest.mark.blender

SOME = 4  # frames


def tracked(addon, first, last):
    """A camera at x = frame / 10, keyed from one frame to another."""
    bpy = addon.bpy
    camera = bpy.data.objects.new("tracked", bpy.data.cameras.new("tracked"))
    bpy.context.scene.collection.objects.link(camera)
    for frame in (first, last):
        camera.location = (frame / 10, 0, 0)
        camera.keyframe_insert("location", frame=frame)
    for curve in addon.part("compat").fcurves_of(camera):
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
    return camera


def poses(addon, frames):
    """Ten times the mesh's x at scene frames: the frame at which the camera was there."""
    scene, seen = addon.bpy.context.scene, []
    for frame in frames:
        scene.frame_set(frame)
        seen.append(round(10 * addon.shot.mesh.matrix_world.translation.x, 3))
    return seen


def test_17_a_matchmove_does_not_slip_whatever_the_first_frame(saved):
    scene = saved.bpy.context.scene
    scene.frame_start, scene.frame_end = 1001, 1100
    saved.shot.solved_camera = tracked(saved, 1001, 1100)
    saved.choose_clip(SOME)
    saved.shot.start_frame = 24
    assert saved.bpy.ops.ex4d.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    assert poses(saved, range(1025, 1029)) == [1025, 1026, 1027, 1028]
    cache = next(m for m in saved.shot.mesh.modifiers if m.type == "MESH_CACHE")
    assert cache.frame_start == 1025


@pytest.mark.parametrize(
    ("scene_start", "span", "first", "expected"),
    [
        (1, (0, 2000), 20, 21),  # Blender tracks from frame 1 on
        (50, (0, 2000), 0, 1),
        (42, (0, 2000), 41, 42),
        (1, (1001, 1100), 2, 1003),  # its first key is the clip's first frame
        (0, (0, 100), 3, 3),
    ],
)
def test_5_a_camera_tracked_from_another_start_is_sampled_there(
    saved, scene_start, span, first, expected
):
    scene = saved.bpy.context.scene
    scene.frame_end, scene.frame_start = scene_start + 200, scene_start
    saved.shot.solved_camera = tracked(saved, *span)
    saved.choose_clip(SOME)
    saved.shot.start_frame = first
    assert saved.bpy.ops.ex4d.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    assert poses(saved, [scene_start + first]) == [expected]


def test_5_the_assumption_is_shown_and_can_be_another(saved):
    bpy = saved.bpy
    camera = tracked(saved, 0, 2000)
    saved.shot.solved_camera = camera
    assert "solved_start" in draw(saved, "lens").properties
    assert saved.shot.solved_start == 1
    saved.shot.solved_start = 101
    saved.choose_clip(SOME)
    assert bpy.ops.ex4d.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    assert poses(saved, [1, 4]) == [101, 104]
    saved.shot.solved_camera = None
    saved.shot.solved_camera = camera
    assert saved.shot.solved_start == 1


def test_5_a_camera_solver_tells_where_its_clip_begins(saved):
    camera = tracked(saved, 1, 100)
    clip = saved.bpy.data.movieclips.load(str(SHOT / "input.mp4"))
    clip.frame_start, clip.frame_offset = 95, 10
    solver = camera.constraints.new("CAMERA_SOLVER")
    solver.use_active_clip, solver.clip = False, clip
    saved.shot.solved_camera = camera
    assert saved.shot.solved_start == 85


def test_17_the_start_may_be_given_and_stays_when_the_scene_takes_the_range(saved):
    saved.shot.starts_at = 1001
    saved.choose_clip(SOME)
    saved.shot.start_frame = 5
    for _ in range(2):
        assert saved.bpy.ops.ex4d.reconstruct(wait=True, set_scene=True) == {"FINISHED"}
        scene = saved.bpy.context.scene
        assert (scene.frame_start, scene.frame_end) == (1006, 1009)
        assert saved.shot.starts_at == 1001


def test_17_steps_are_told(saved):
    saved.choose_clip(SOME)
    assert "times as fast" not in draw(saved, "clip").text
    saved.shot.stride = 2
    assert "2 times as fast" in draw(saved, "clip").text


def test_5_a_shot_moved_by_hand_is_sampled_where_it_is(saved):
    saved.reconstruct(num_frames=SOME)
    bpy, camera = saved.bpy, saved.shot.camera
    assert bpy.ops.ex4d.apply_preset() == {"FINISHED"}
    before = camera_path(saved)
    assert "moved by hand" not in draw(saved, "camera").text
    for curve in saved.part("compat").fcurves_of(camera):
        for point in curve.keyframe_points:
            for handle in (point.co, point.handle_left, point.handle_right):
                handle.x += 1000
    cache = next(m for m in saved.shot.mesh.modifiers if m.type == "MESH_CACHE")
    cache.frame_start += 1000
    assert "1001 to 1004" in draw(saved, "camera").text
    np.testing.assert_allclose(camera_path(saved), before, atol=1e-6)
    strips = saved.part("compat").strips_of(bpy.context.scene)
    assert sorted(saved.part("compat").strip_range(strip)[0] for strip in strips) == [1, 1001]


def camera_path(addon):
    """The extrinsics of a new take."""
    assert addon.bpy.ops.ex4d.render(wait=True) == {"FINISHED"}
    folder = Path(addon.bpy.path.abspath(addon.shot.takes[-1].folder))
    with np.load(folder / "camera.npz") as arrays:
        return arrays["extrinsics"]


def test_17_two_clips_at_one_place_and_time_are_told(saved, tmp_path):
    saved.reconstruct(num_frames=SOME)
    other = tmp_path / "other.mp4"
    other.write_bytes((SHOT / "input.mp4").read_bytes())
    saved.shot.clip, saved.shot.num_frames = str(other), SOME
    assert saved.bpy.ops.ex4d.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    assert "stands inside of EX-4D input Mesh" in draw(saved, "reconstruct").text
    saved.bpy.ops.ex4d.dismiss(key=saved.tasks[-1].request.key)
    saved.shot.starts_at = 101
    assert saved.bpy.ops.ex4d.reconstruct(wait=True, set_scene=False) == {"FINISHED"}
    assert "stands inside" not in draw(saved, "reconstruct").text
